// Runs every benchmark of this folder, one after another, each in a process of its own. Needs an idle machine.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Not benchmarks: this file, and what another one starts. */
const others = new Set(['all.ts', 'compare.ts', 'naive-bot.ts']);

for (const name of readdirSync(import.meta.dir).sort()) {
  if (!name.endsWith('.ts') || others.has(name)) continue;
  console.log(`\n# ${name}`);
  const child = Bun.spawn([process.execPath, join(import.meta.dir, name)], {
    stdout: 'inherit',
    stderr: 'inherit',
  });
  if ((await child.exited) !== 0) process.exitCode = 1;
}
