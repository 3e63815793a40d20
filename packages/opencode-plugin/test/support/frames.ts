import { expect } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Town } from './desk.ts';

const page = join(import.meta.dir, '../../../../docs/opencode-plugin.md');
/** `KEEP_FRAMES=1`: what is drawn now is what the page shows from now on. */
const keeps = process.env.KEEP_FRAMES === '1';

/** A frame as the page shows it: with the addresses of the world outside instead of this test's. */
export function forReaders(frame: string, town: Town, home: string): string {
  const padded = (from: string, to: string) => (text: string) => text.replaceAll(from, to);
  return (
    [
      padded(town.url, 'https://api.routstr.com/v1'),
      padded(town.node.url.replace('http://', ''), 'api.routstr.com'),
      padded(town.mint.url.replace('http://', ''), 'mint.minibits.cash/Bitcoin'),
      padded(home, '~'),
    ]
      .reduce((text, change) => change(text), frame)
      .split('\n')
      // What opencode says of itself.
      .filter((line) => !/Finishing startup|ctrl\+p commands|\d\.\d+\.\d+$/.test(line))
      .map((line) => line.trimEnd())
      .join('\n')
      .replace(/^\n+|\n+$/g, '')
  );
}

/** Words as they are read, wherever their lines break. */
const words = (frame: string): string => frame.replace(/[\u2500-\u259f\u{1fb00}-\u{1fb3b}\s]+/gu, ' ');

/**
 * The page shows under `<!-- frame: name -->` what opencode drew, and it is what it draws: these words are in both. What
 * else is on the screen (opencode's own hints, codes, invoices) is another one each time.
 *
 * @throws by `expect`
 */
export function showsInPage(name: string, frame: string, sentences: readonly string[]): void {
  const text = readFileSync(page, 'utf8');
  const block = new RegExp(`(<!-- frame: ${name} -->\n\`\`\`text\n)([^]*?)(\`\`\`)`);
  const shown = block.exec(text)?.[2];
  if (shown === undefined) throw new Error(`docs/opencode-plugin.md has no frame ${name}`);
  for (const sentence of sentences) expect(words(frame)).toContain(sentence);
  if (!keeps) for (const sentence of sentences) expect(words(shown)).toContain(sentence);
  else
    writeFileSync(
      page,
      text.replace(block, (_, head: string, __, tail: string) => `${head}${frame}\n${tail}`),
    );
}
