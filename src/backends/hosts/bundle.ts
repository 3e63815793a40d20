import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { shippedConfigPath } from '../opencode-config.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** What the program reads beside itself, by where it finds it from where it lies (`lib/host/driver.js`). */
const beside = {
  'opencode.json': shippedConfigPath,
  'lib/host/inside/plugin.ts': here('../warm/inside/plugin.ts'),
  'lib/host/inside/init.ts': here('../jail/inside/init.ts'),
  'lib/host/inside/connect.ts': here('../jail/inside/connect.ts'),
} as const;

/** Where the program lies in the bot's folder on a host. */
export const driverPath = 'lib/host/driver.js';

/** Writes the files that it carries where it is run, all or nothing each, and says where that is. */
const unpack = `
const { mkdirSync, renameSync, writeFileSync, existsSync, readFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
for (const [name, text] of Object.entries(files)) {
  const path = join(process.cwd(), name);
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path + '.new', text, { mode: 0o600 });
  renameSync(path + '.new', path);
}
process.stdout.write('\\n' + JSON.stringify({ unpacked: process.cwd() }) + '\\n');
`;

/**
 * The bot's program for agent hosts as one script for opencode's own Bun: run there, it unpacks itself. It holds nothing but
 * code that is public.
 */
export const packDriver = async (): Promise<string> => {
  const built = await Bun.build({
    entrypoints: [here('./driver.ts')],
    target: 'bun',
    // The terminal colours of a library are nobody's there.
    minify: { whitespace: true, syntax: true, identifiers: false },
  });
  const [output] = built.outputs;
  if (output === undefined) throw new Error('the program for agent hosts could not be built');
  const files: Record<string, string> = { [driverPath]: await output.text() };
  for (const [name, path] of Object.entries(beside)) files[name] = await readFile(path, 'utf8');
  return `const files = ${JSON.stringify(files)};\n${unpack}`;
};
