import { Cron } from 'croner';

/** When something is to be done (docs/schedules.md). Wall-clock times are those of a zone that is kept beside it. */
export type When =
  /** Whichever of these comes first, again and again: five fields each, as cron reads them. */
  | { readonly kind: 'cron'; readonly patterns: readonly string[] }
  /** So many real seconds after the time before. */
  | { readonly kind: 'span'; readonly seconds: number }
  /** Every so many days, counted from a date (`2026-12-24`), at a time of day. */
  | { readonly kind: 'days'; readonly days: number; readonly from: string; readonly clock: ClockTime }
  /** Unix milliseconds. */
  | { readonly kind: 'once'; readonly at: number }
  /** Whenever a trigger asks for it by name. */
  | { readonly kind: 'asked'; readonly name: string };
export type ClockTime = { readonly hour: number; readonly minute: number };

/**
 * The first moment after another (both Unix milliseconds); undefined: there is none any more. A time that a clock change
 * leaves out comes when the clock has moved on; one that comes twice is met the first time.
 *
 * @throws Error when the zone or a pattern is unknown
 */
export function nextTime(when: When, zone: string, after: number): number | undefined {
  switch (when.kind) {
    case 'asked':
      return undefined;
    case 'once':
      return when.at > after ? when.at : undefined;
    case 'span':
      return after + when.seconds * 1000;
    case 'days':
      return nextOfDays(when, zone, after);
    case 'cron': {
      const all = when.patterns.map((pattern) => nextOf(pattern, zone, after));
      const known = all.filter((at) => at !== undefined);
      return known.length === 0 ? undefined : Math.min(...known);
    }
  }
}

/** The shortest time between two (milliseconds), among those of the days from the first on; undefined: there are no two. */
export function shortestGap(when: When, zone: string, after: number): number | undefined {
  if (when.kind === 'once' || when.kind === 'asked') return undefined;
  if (when.kind === 'span') return when.seconds * 1000;
  let gap: number | undefined;
  let last: number | undefined;
  const first = nextTime(when, zone, after);
  let at = first;
  // A pattern of minutes shows its shortest gap within a day at the latest, in fewer steps than a day has minutes.
  for (let step = 0; at !== undefined && step < 1_500 && at - (first ?? at) < 2 * dayMs; step += 1) {
    if (last !== undefined) gap = Math.min(gap ?? Number.POSITIVE_INFINITY, at - last);
    last = at;
    at = nextTime(when, zone, at);
  }
  return gap;
}

const dayMs = 86_400_000;
const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

/** A wall-clock moment of a zone, in Unix milliseconds; undefined: there is no such date. */
export function wallTime(date: string, { hour, minute }: ClockTime, zone: string): number | undefined {
  if (!isDate(date)) return undefined;
  return nextOf(`${date}T${pad(hour)}:${pad(minute)}:00`, zone, 0);
}

/** `2026-12-24` of a moment in a zone, so many days later. */
export function dateIn(at: number, zone: string, plusDays = 0): string {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).format(at);
  return plusDays === 0 ? parts : addDays(parts, plusDays);
}

export const addDays = (date: string, days: number): string =>
  new Date(Date.parse(`${date}T12:00:00Z`) + days * dayMs).toISOString().slice(0, 10);

/** 0 is Sunday. */
export const weekdayOf = (date: string): number => new Date(`${date}T12:00:00Z`).getUTCDay();

const isDate = (date: string): boolean => {
  const at = Date.parse(`${date}T12:00:00Z`);
  return !Number.isNaN(at) && new Date(at).toISOString().slice(0, 10) === date;
};

/** croner as a calculator alone: its own timers know nothing of a database or of a suspended machine. */
const nextOf = (pattern: string, zone: string, after: number): number | undefined =>
  new Cron(pattern, { timezone: zone, paused: true }).nextRun(new Date(after))?.getTime();

function nextOfDays(
  { days, from, clock }: When & { kind: 'days' },
  zone: string,
  after: number,
): number | undefined {
  const passed = (Date.parse(`${dateIn(after, zone)}T12:00:00Z`) - Date.parse(`${from}T12:00:00Z`)) / dayMs;
  let step = Math.max(0, Math.floor(passed / days));
  for (;;) {
    const at = wallTime(addDays(from, step * days), clock, zone);
    if (at === undefined || at > after) return at;
    step += 1;
  }
}
