/** What was measured, held against what must hold. */
export type Figures = {
  /** Notes a figure. `most`: what it may be at most; without one it is only told. */
  readonly add: (name: string, value: number, unit: string, most?: number) => void;
  /** Notes something that holds or does not. */
  readonly hold: (name: string, holds: boolean, fact: string) => void;
  /** Prints what was noted since the last time. */
  readonly print: (heading: string) => void;
  readonly failed: () => readonly string[];
};

export function createFigures(): Figures {
  let rows: Record<string, { figure: string; bound: string; verdict: string }> = {};
  const failed: string[] = [];
  const verdict = (name: string, holds: boolean): string => {
    if (!holds) failed.push(name);
    return holds ? 'holds' : 'BROKEN';
  };
  return {
    add: (name, value, unit, most) => {
      const text = (number: number) =>
        `${number.toLocaleString('en-US', { maximumFractionDigits: number < 10 ? 2 : number < 100 ? 1 : 0 })} ${unit}`;
      rows[name] = {
        figure: text(value),
        bound: most === undefined ? '' : `≤ ${text(most)}`,
        verdict: most === undefined ? '' : verdict(name, value <= most),
      };
    },
    hold: (name, holds, fact) => {
      rows[name] = { figure: fact, bound: 'must', verdict: verdict(name, holds) };
    },
    print: (heading) => {
      console.log(`\n${heading}`);
      console.table(rows);
      rows = {};
    },
    failed: () => failed,
  };
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** How long it takes, in ms. */
export async function taking(work: () => unknown): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

/** The median of several, after one that does not count. */
export async function medianOf(rounds: number, work: () => unknown): Promise<number> {
  await work();
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) times.push(await taking(work));
  return median(times);
}

/** Numbers from 0 to 1, the same each time (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
