import type { Schedule } from './schedule.ts';

/** As the world writes it (`Europe/Berlin`), from what was typed: any case, spaces, or the city alone. undefined: unknown. */
export function zoneNamed(typed: string): string | undefined {
  const asked = typed.trim().replace(/\s+/g, '_').toLowerCase();
  // `GMT+2` is two hours behind as a zone's name, and ahead to whoever writes it.
  if (asked === '' || asked.length > 64 || /^(?:gmt|utc)_?[+-]?\d/.test(asked)) return undefined;
  const all = Intl.supportedValuesOf('timeZone');
  const cities = all.filter((zone) => zone.toLowerCase().split('/').at(-1) === asked);
  const named =
    all.find((zone) => zone.toLowerCase() === asked) ?? (cities.length === 1 ? cities[0] : undefined);
  // Names that are not in the list (UTC, older ones) are known all the same. An offset knows no clock changes.
  return named ?? (/^[a-z]/.test(asked) ? canonical(asked) : undefined);
}

const canonical = (zone: string): string | undefined => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
};

/** When a zone's clocks change next within so many days: at, and by how many minutes. Unix milliseconds. */
export function nextClockChange(
  zone: string,
  after: number,
  days: number,
): { readonly at: number; readonly minutes: number } | undefined {
  const wall = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
  const offset = (at: number): number =>
    Date.parse(`${wall.format(at).replace(' ', 'T')}Z`) - Math.floor(at / 1000) * 1000;
  const now = offset(after);
  for (let day = 1; day <= days; day += 1) {
    if (offset(after + day * dayMs) === now) continue;
    let [early, late] = [after + (day - 1) * dayMs, after + day * dayMs];
    while (late - early > 60_000) {
      const middle = (early + late) / 2;
      if (offset(middle) === now) early = middle;
      else late = middle;
    }
    const at = Math.round(late / 60_000) * 60_000;
    return { at, minutes: (offset(late) - now) / 60_000 };
  }
  return undefined;
}

const dayMs = 86_400_000;
const aheadDays = 14;

/** The next change of a zone's clocks, where it is soon and there is anything that comes again and again. */
export const clockChangeAhead = (
  all: readonly Pick<Schedule, 'when' | 'state'>[],
  zone: string,
  now: number,
) =>
  all.some(({ when, state }) => when.kind !== 'once' && state === 'active')
    ? nextClockChange(zone, now, aheadDays)
    : undefined;
