import { formatSat, sat } from '../sat.ts';
import { formatDuration } from './format.ts';

/** What the owner of a run is told when its model calls wait for money. Amounts in sat, time in ms. */
export function holdNotice(hold: {
  readonly needed: number | undefined;
  readonly available: number | undefined;
  readonly budget: number | undefined;
  readonly holdMs: number;
}): string {
  const { needed, available = 0, budget, holdMs } = hold;
  const of = budget === undefined ? 'its budget' : `its ${formatSat(sat(budget))}`;
  const needs = needed === undefined ? '' : `, and the next step may take up to ${formatSat(sat(needed))}`;
  return [
    `⏸ The run waits for money: ${formatSat(sat(available))} of ${of} are left${needs}.`,
    `!more ${moreFor(hold)} lets it go on, !stop ends it. Without an answer it ends in ${formatDuration(holdMs)}.`,
  ].join('\n');
}

/** 1000 sat, or a budget's worth where budgets are smaller, if that is enough; else what is missing, rounded up. */
function moreFor(hold: {
  readonly needed: number | undefined;
  readonly available: number | undefined;
  readonly budget: number | undefined;
}): number {
  const { needed = 0, available = 0, budget } = hold;
  const missing = Math.max(0, needed - available);
  const usual = budget === undefined || budget === 0 ? 1000 : Math.min(1000, budget);
  return missing <= usual ? usual : Math.ceil(missing / 100) * 100;
}
