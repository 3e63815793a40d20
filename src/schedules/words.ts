import { list, numeral, type Read, type Reader, skip, type Token, word } from './tokens.ts';
import type { ClockTime } from './when.ts';

/** The small words of the grammar: times of day, spans, days of the week, dates. */

const text = (tokens: readonly Token[], at: number): string => tokens[at]?.text ?? '';
const isTight = (tokens: readonly Token[], at: number): boolean => tokens[at]?.spaced === false;

/**
 * `exact`: nobody means anything else by it. A number alone (`9`) is an hour only after a day.
 * `vague`: of either half of the day, or how many of something (`3 tests`, `2.10`). `said`: what was said beside the number.
 */
export type Clock = ClockTime & {
  readonly exact: boolean;
  readonly vague: boolean;
  readonly said: 'nothing' | 'minutes' | 'half' | 'noon' | 'midnight';
};

/** `8:00`, `7.30`, `18h30`, `9`, `8am`, `6:30 p.m.`, `noon`, `midnight`. */
export const clock: Reader<Clock> = (tokens, at) => {
  const named = word({ noon: 'noon', midday: 'noon', midnight: 'midnight' } as const)(tokens, at);
  if (named !== undefined) {
    const hour = named.value === 'noon' ? 12 : 0;
    return {
      value: { hour, minute: 0, exact: true, vague: false, said: named.value },
      next: named.next,
    };
  }
  const hour = numeral(2)(tokens, at);
  if (hour === undefined) return undefined;
  let { next } = hour;
  let minute: number | undefined;
  const mark = text(tokens, next);
  const digits = text(tokens, next + 1);
  if (isTight(tokens, next) && [':', '.', 'h', '：'].includes(mark)) {
    if (/^\d\d$/.test(digits) && isTight(tokens, next + 1)) {
      minute = Number(digits);
      next += 2;
    } else if (mark === 'h') next += 1;
    // `9:5`, `9:305`: somebody meant a time, and not this one.
    else if (/^\d/.test(digits) && isTight(tokens, next + 1)) return undefined;
  }
  const half = halfOfDay(tokens, next);
  if (half !== undefined) next = half.next;
  const value = onTheClock(hour.value, minute ?? 0, half?.value);
  if (value === undefined) return undefined;
  const said = half !== undefined ? 'half' : minute !== undefined ? 'minutes' : 'nothing';
  const isSmall = hour.value > 0 && hour.value < 6 && text(tokens, at).length === 1;
  const vague = isSmall && (said === 'nothing' || (said === 'minutes' && mark === '.'));
  const sure = pastOClock(
    tokens,
    said === 'minutes' ? skip(tokens, next, ['h', 'hrs', 'hours', 'uhr']) : next,
  );
  // `18h` may be a time, and so many hours.
  const exact = !vague && (said !== 'nothing' || sure > next);
  return { value: { ...value, exact, vague, said }, next: sure };
};

/** `8 o'clock`, `9:00 sharp`. */
const pastOClock = (tokens: readonly Token[], at: number): number => {
  const after = text(tokens, at) === 'o' ? skip(tokens, at + 1, ["'", '’', '‘', '`', '´']) : at;
  const past = (after > at && text(tokens, after) === 'clock') || text(tokens, at) === 'oclock';
  return skip(tokens, past ? Math.max(after, at) + 1 : at, ['sharp']);
};

const halfOfDay: Reader<'am' | 'pm'> = (tokens, at) => {
  const whole = word({ am: 'am', pm: 'pm' } as const)(tokens, at);
  if (whole !== undefined) return whole;
  const letter = word({ a: 'am', p: 'pm' } as const)(tokens, at);
  const isDotted = text(tokens, at + 1) === '.' && text(tokens, at + 2) === 'm' && isTight(tokens, at + 2);
  if (letter === undefined || !isDotted) return undefined;
  return { value: letter.value, next: text(tokens, at + 3) === '.' ? at + 4 : at + 3 };
};

const onTheClock = (hour: number, minute: number, half: 'am' | 'pm' | undefined): ClockTime | undefined => {
  if (minute > 59) return undefined;
  if (half === undefined) return hour > 23 ? undefined : { hour, minute };
  return hour < 1 || hour > 12 ? undefined : { hour: (hour % 12) + (half === 'pm' ? 12 : 0), minute };
};

/** After an `at` perhaps, or a comma: one or several. */
export const clocks: Reader<readonly Clock[]> = (tokens, at) =>
  list(clock, [',', 'and', '&', '+', 'at'])(tokens, skip(tokens, at, ['at', '@', ',']));

const second = 1;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const unit = word({
  ...{ s: second, sec: second, secs: second, second, seconds: second },
  ...{ m: minute, min: minute, mins: minute, minute, minutes: minute },
  ...{ h: hour, hr: hour, hrs: hour, hour, hours: hour },
  ...{ d: day, day, days: day, w: 7 * day, wk: 7 * day, week: 7 * day, weeks: 7 * day },
});

/** Seconds: `20m`, `1h30m`, `1h30`, `2 hours`, `1.5h`, `an hour`, `half an hour`, `2 days and 3 hours`. */
export const span: Reader<number> = (tokens, at) => {
  const half = text(tokens, at) === 'half' && /^an?$/.test(text(tokens, at + 1)) && unit(tokens, at + 2);
  if (half) return { value: half.value / 2, next: half.next };
  const named = /^an?$/.test(text(tokens, at)) ? unit(tokens, at + 1) : undefined;
  if (named !== undefined) return named;
  let total = 0;
  let next = at;
  for (;;) {
    const part = spanPart(tokens, total === 0 ? next : skip(tokens, next, ['and', ',']));
    if (part === undefined) return total === 0 ? undefined : { value: total, next };
    total += part.value;
    next = part.next;
  }
};

const spanPart: Reader<number> = (tokens, at) => {
  const whole = numeral(5)(tokens, at);
  if (whole === undefined) return undefined;
  let count = whole.value;
  let { next } = whole;
  const decimals = text(tokens, next + 1);
  if (['.', ','].includes(text(tokens, next)) && isTight(tokens, next) && isTight(tokens, next + 1)) {
    if (!/^\d{1,2}$/.test(decimals)) return undefined;
    count = Number(`${count}.${decimals}`);
    next += 2;
  }
  const named = unit(tokens, next);
  if (named === undefined) return undefined;
  // The minutes after `1h` need no name.
  const rest = text(tokens, named.next);
  const isBare = named.value === hour && /^[0-5]\d$/.test(rest) && isTight(tokens, named.next);
  if (isBare && unit(tokens, named.next + 1) === undefined)
    return { value: count * hour + Number(rest) * minute, next: named.next + 1 };
  return { value: Math.round(count * named.value), next: named.next };
};

const dayNames: Readonly<Record<string, number>> = Object.fromEntries(
  [
    ['sun', 'sunday'],
    ['mon', 'monday'],
    ['tue', 'tues', 'tuesday'],
    ['wed', 'weds', 'wednesday'],
    ['thu', 'thur', 'thurs', 'thursday'],
    ['fri', 'friday'],
    ['sat', 'saturday'],
  ].flatMap((names, index) => names.map((name) => [name, index])),
);
const dayPlurals = Object.fromEntries(Object.entries(dayNames).map(([name, day]) => [`${name}s`, day]));

/** A keyboard puts a dot after what it takes for the end of a sentence, and a person after what is shortened. */
const dotted =
  (names: Readonly<Record<string, number>>): Reader<number> =>
  (tokens, at) => {
    const read = word(names)(tokens, at);
    const isDotted = read !== undefined && text(tokens, read.next) === '.' && isTight(tokens, read.next);
    return isDotted ? { ...read, next: read.next + 1 } : read;
  };

/** `mon`, `friday`, `fri.`: 0 is Sunday. */
export const dayOfWeek = dotted(dayNames);
const dayOrPlural = dotted({ ...dayPlurals, ...dayNames });

/** Days of the week, as cron's fifth field counts them. `every`: it is said that they are meant again and again. */
export type Days = { readonly days: readonly number[]; readonly every: boolean };
const sets = word<readonly number[]>({
  ...{ day: [0, 1, 2, 3, 4, 5, 6], daily: [0, 1, 2, 3, 4, 5, 6], days: [0, 1, 2, 3, 4, 5, 6] },
  ...{ everyday: [0, 1, 2, 3, 4, 5, 6] },
  ...{
    weekday: [1, 2, 3, 4, 5],
    weekdays: [1, 2, 3, 4, 5],
    workday: [1, 2, 3, 4, 5],
    workdays: [1, 2, 3, 4, 5],
  },
  ...{ weekend: [0, 6], weekends: [0, 6] },
});

/** `daily`, `weekdays`, `mon,thu`, `mon and fri`, `mon-fri`, `sat to mon`, `weekdays and sunday`. */
export const days: Reader<Days> = (tokens, at) => {
  let every = false;
  const one: Reader<readonly number[]> = (all, from) => {
    const set = sets(all, from);
    if (set !== undefined) {
      every = true;
      return set;
    }
    const first = dayOrPlural(all, from);
    if (first === undefined) return undefined;
    if (text(all, from) in dayPlurals && !(text(all, from) in dayNames)) every = true;
    const past = skip(all, first.next, ['-', '–', '—', 'to', 'through', 'till', 'until']);
    const last = past === first.next ? undefined : dayOrPlural(all, past);
    if (last === undefined) return { value: [first.value], next: first.next };
    every = true;
    const count = ((last.value - first.value + 7) % 7) + 1;
    return {
      value: Array.from({ length: count }, (_, step) => (first.value + step) % 7),
      next: last.next,
    };
  };
  // Between names a space is enough.
  const found: number[] = [];
  let next = at;
  for (;;) {
    const from = found.length === 0 ? next : skip(tokens, next, [',', 'and', '&', '/', '+', 'on']);
    const read = one(tokens, from);
    if (read === undefined) break;
    found.push(...read.value);
    next = read.next;
  }
  if (found.length === 0) return undefined;
  const distinct = [...new Set(found)].sort((a, b) => a - b);
  return { value: { days: distinct, every: every || distinct.length > 1 }, next };
};

const ordinals: Readonly<Record<string, number>> = { first: 1, second: 2, third: 3, fourth: 4 };

/** `1`, `1st`, `first`, `last`. */
export const ordinal: Reader<number | 'last'> = (tokens, at) => {
  const named = word<number | 'last'>({ ...ordinals, last: 'last' })(tokens, at);
  if (named !== undefined) return named;
  const read = numeral(2)(tokens, at);
  if (read === undefined || read.value < 1 || read.value > 31) return undefined;
  const suffixed =
    ['st', 'nd', 'rd', 'th', '.'].includes(text(tokens, read.next)) && isTight(tokens, read.next);
  return { value: read.value, next: suffixed ? read.next + 1 : read.next };
};

const monthNames: Readonly<Record<string, number>> = Object.fromEntries(
  ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october']
    .concat('november', 'december')
    .flatMap((name, index) =>
      [name, name.slice(0, 3), ...(name === 'september' ? ['sept'] : [])].map((each) => [each, index + 1]),
    ),
);
const month = word(monthNames);

export type MonthDay = { readonly month: number; readonly day: number; readonly year: number | undefined };

/** `24 dec`, `dec 24th 2026`, `24.12.`, `24.12.2026`; `2026-12-24`. A slash means two things in this world. */
export const monthDay: Reader<MonthDay> = (tokens, at) => {
  const iso = isoDate(tokens, at);
  if (iso !== undefined) return iso;
  const read = namedMonth(tokens, at) ?? dottedDate(tokens, at);
  if (read === undefined) return undefined;
  const from = skip(tokens, read.next, [',']);
  const year = /^20\d\d$/.test(text(tokens, from)) ? Number(text(tokens, from)) : undefined;
  return { value: { ...read.value, year }, next: year === undefined ? read.next : from + 1 };
};

const isoDate: Reader<MonthDay> = (tokens, at) => {
  const [year, dash, month, dash2, day] = [0, 1, 2, 3, 4].map((step) => text(tokens, at + step));
  if (!/^20\d\d$/.test(year ?? '') || dash !== '-' || dash2 !== '-') return undefined;
  if (!/^\d\d?$/.test(month ?? '') || !/^\d\d?$/.test(day ?? '')) return undefined;
  return { value: { year: Number(year), month: Number(month), day: Number(day) }, next: at + 5 };
};

const namedMonth = (tokens: readonly Token[], at: number): Read<Omit<MonthDay, 'year'>> => {
  const before = month(tokens, at);
  if (before !== undefined) {
    const day = ordinal(tokens, before.next);
    if (day === undefined || day.value === 'last') return undefined;
    return { value: { month: before.value, day: day.value }, next: day.next };
  }
  const day = ordinal(tokens, at);
  if (day === undefined || day.value === 'last') return undefined;
  const after = month(tokens, skip(tokens, day.next, ['of']));
  return after && { value: { month: after.value, day: day.value }, next: after.next };
};

const dottedDate = (tokens: readonly Token[], at: number): Read<Omit<MonthDay, 'year'>> => {
  const day = numeral(2)(tokens, at);
  const month = numeral(2)(tokens, at + 2);
  if (day === undefined || month === undefined) return undefined;
  if (text(tokens, at + 1) !== '.' || text(tokens, at + 3) !== '.' || !isTight(tokens, at + 3))
    return undefined;
  return { value: { month: month.value, day: day.value }, next: at + 4 };
};
