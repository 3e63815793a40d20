import type { DayOfSpend, DaySpend } from './money-source.ts';

/** As many are told apart as people can tell colours apart; the rest is one. */
export const mostSeries = 6;
const rest = 'others';

export type Series = {
  readonly name: string;
  readonly runs: number;
  readonly spent: number;
  readonly open: number;
  /** Sat on each day. */
  readonly days: readonly number[];
};

/** The most expensive first; what is beyond the first few is summed up, at the end. */
export function seriesOf(days: readonly DayOfSpend[], spent: readonly DaySpend[]): readonly Series[] {
  const all = Array.from(
    Map.groupBy(spent, ({ name }) => name ?? rest),
    ([name, rows]) => seriesFrom(name, days, rows),
  ).toSorted(
    (a, b) => Number(a.name === rest) - Number(b.name === rest) || b.spent - a.spent || b.open - a.open,
  );
  if (all.length <= mostSeries) return all;
  const shown = new Set(all.slice(0, mostSeries - 1).map(({ name }) => name));
  const others = spent.filter(({ name }) => !shown.has(name ?? rest));
  return [...all.slice(0, mostSeries - 1), seriesFrom(rest, days, others)];
}

function seriesFrom(name: string, days: readonly DayOfSpend[], rows: readonly DaySpend[]): Series {
  const ofDay = new Map<number, number>();
  for (const { day, spent } of rows) ofDay.set(day, (ofDay.get(day) ?? 0) + spent);
  const sum = (of: (row: DaySpend) => number) => rows.reduce((total, row) => total + of(row), 0);
  return {
    name,
    runs: sum(({ runs }) => runs),
    spent: sum((row) => row.spent),
    open: sum(({ open }) => open),
    days: days.map(({ key }) => ofDay.get(key) ?? 0),
  };
}
