// Runs one benchmark of this checkout and of another in turns, and sets the numbers of their lines side by side: medians,
// and how many times the other's ours are. `bun bench/compare.ts paid.ts /path/to/another/checkout [times]`
// (bench/bot.ts takes the other checkout itself, and asks both at the same time.)
import { join, resolve } from 'node:path';

const [name = '', other = '', times = '3'] = process.argv.slice(2);
if (name === '' || other === '') {
  console.error('usage: bun bench/compare.ts <benchmark> </path/to/another/checkout> [times]');
  process.exit(2);
}
const roots = { ours: resolve(import.meta.dir, '..'), other: resolve(other) };
type Side = keyof typeof roots;

const number = /(?<![\w.])-?\d+(?:\.\d+)?/g;
/** Each line without its numbers, with these as often as it came. */
const lines = new Map<string, Record<Side, number[][]>>();

async function run(side: Side): Promise<void> {
  const root = roots[side];
  const child = Bun.spawn([process.execPath, join(root, 'bench', name)], { cwd: root, stderr: 'inherit' });
  const output = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) console.error(`${side}: ${name} failed`);
  for (const line of output.split('\n').filter((text) => text.trim() !== '')) {
    const words = line.replace(number, '#').replace(/\s+/g, ' ').trim();
    const found = lines.get(words) ?? { ours: [], other: [] };
    found[side].push(Array.from(line.matchAll(number), ([text]) => Number(text)));
    lines.set(words, found);
  }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

for (let turn = 0; turn < Number(times); turn += 1)
  for (const side of ['ours', 'other'] as const) await run(side);

for (const [words, { ours, other: theirs }] of lines) {
  const at = (index: number): string => {
    const of = (side: readonly number[][]) => median(side.map((numbers) => numbers[index] ?? Number.NaN));
    const [mine, before] = [of(ours), of(theirs)];
    return `${mine}|${before}|×${(mine / before).toFixed(2)}`;
  };
  let index = 0;
  console.log(words.replace(/#/g, () => at(index++)));
}
