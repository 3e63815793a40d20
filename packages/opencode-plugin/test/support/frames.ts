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
  return [
    padded(town.url, 'https://api.routstr.com/v1'),
    padded(town.node.url.replace('http://', ''), 'api.routstr.com'),
    padded(town.mint.url.replace('http://', ''), 'mint.minibits.cash/Bitcoin'),
    padded(home, '~'),
  ]
    .reduce((text, change) => change(text), frame)
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .replace(/^\n+|\n+$/g, '');
}

/** What differs from one time to the next: codes, invoices, tokens, keys, times, spinners, paths, widths. */
const timeless = (frame: string): string =>
  frame
    .replace(/[\u2580-\u259f\u{1fb00}-\u{1fb3b}]+/gu, '█')
    .replace(/\bln[a-z0-9]{6,}/gi, 'INVOICE')
    .replace(/cashu[AB][\w-]+/g, 'TOKEN')
    .replace(/sk-[0-9a-f]+/g, 'KEY')
    .replace(/\d\d-\d\d \d\d:\d\d/g, 'TIME')
    .replace(/[◒◐◓◑]|\.{1,3}$/gm, '')
    // Where a line breaks depends on how long the address of this test's node is.
    .replace(/[│┃\s]+/g, ' ')
    .trim();

/**
 * The page shows this frame under `<!-- frame: name -->`, and it is what opencode really draws. @throws by `expect`
 */
export function showsInPage(name: string, frame: string): void {
  const text = readFileSync(page, 'utf8');
  const block = new RegExp(`(<!-- frame: ${name} -->\n\`\`\`text\n)([^]*?)(\`\`\`)`);
  const [, , shown] = block.exec(text) ?? [];
  if (shown === undefined) throw new Error(`docs/opencode-plugin.md has no frame ${name}`);
  if (keeps) {
    writeFileSync(
      page,
      text.replace(block, (_, head: string, __, tail: string) => `${head}${frame}\n${tail}`),
    );
    return;
  }
  expect(timeless(frame)).toBe(timeless(shown));
}
