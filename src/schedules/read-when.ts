import { Cron } from 'croner';
import { goesOn } from './goes-on.ts';
import { numeral, type Reader, skip, type Token, tokensOf } from './tokens.ts';
import { addDays, type ClockTime, dateIn, nextTime, type When, wallTime, weekdayOf } from './when.ts';
import {
  type Clock,
  clock,
  clocks,
  type Days,
  dayOfWeek,
  days,
  type MonthDay,
  monthDay,
  ordinal,
  span,
} from './words.ts';

/**
 * What a thumb types, read by a fixed grammar (docs/schedules.md): no model decides when something is done.
 * `past`, `never`: it was understood, and does not come (any more). `no_time`: a day was named and no time of day.
 * `unclear`: what stands beside it may still be a part of it; the wrong time is worse than none.
 */
export type ReadWhen =
  | { readonly state: 'read'; readonly when: When; readonly rest: string }
  | { readonly state: 'past' | 'never' | 'no_time' | 'unclear' | 'unknown' };

/** Where and when it was typed. */
export type Setting = {
  readonly zone: string;
  /** Unix milliseconds. */
  readonly now: number;
  /** A day of the week alone is the next one, not every one: `!at friday 17:00`. */
  readonly once: boolean;
};

/** What is read before it is known whether it comes. */
type Draft = When | { readonly kind: 'past' | 'never' | 'no_time' };

/**
 * The time at the beginning of a text, the longest that can be read, and what stands after it.
 * @param lead words that may be thought before it: the command's own (`every`, `at`, `in`)
 */
export function readWhen(text: string, setting: Setting, lead: readonly string[] = []): ReadWhen {
  const raw = rawCron(text, setting);
  if (raw !== undefined) return raw;
  const found = ['', ...lead].flatMap((before) => {
    const prefix = before === '' ? '' : `${before} `;
    return longest(`${prefix}${text}`, setting).map((read) => ({ ...read, end: read.end - prefix.length }));
  });
  const best = found.reduce<(typeof found)[number] | undefined>(
    (kept, each) =>
      kept === undefined ||
      each.end > kept.end ||
      (each.end === kept.end && isWhen(each.draft) && !isWhen(kept.draft))
        ? each
        : kept,
    undefined,
  );
  if (best === undefined) return { state: 'unknown' };
  if (!isWhen(best.draft)) return { state: best.draft.kind };
  if (goesOn(text, best.end, best.draft.kind === 'once')) return { state: 'unclear' };
  if (nextTime(best.draft, setting.zone, setting.now) === undefined) return { state: 'never' };
  return { state: 'read', when: best.draft, rest: restOf(text, best.end) };
}

/** Words before a time that make it another one, or that of something else: `tickets for friday 9:00`, `tomorrow evening at 8`. */
const makesItAnother =
  /(?:\b(?:and|or|from|between|to|for|of|by|not|until|till|before|after|morning|afternoon|evening|night)|&|\d(?:st|nd|rd|th))$/i;

/** The time at the end of a text, and what stands before it: `call Anna at 18:00`. `unclear`: it names more than one. */
export function readWhenLast(text: string, setting: Setting): ReadWhen {
  const starts = [...text.matchAll(/(?<=\s)\S/g)].map(({ index }) => index);
  for (const start of starts.slice(-30)) {
    const read = readWhen(text.slice(start), setting);
    if (read.state === 'unknown') continue;
    const rest = text.slice(0, start).trim();
    if (read.state !== 'read') return read;
    if (read.rest !== '' || makesItAnother.test(rest)) return { state: 'unclear' };
    return { ...read, rest };
  }
  return { state: 'unknown' };
}

/** The time in front, else the one at the end. A number alone in front (`5 people at 18:00`) is no time beside another one. */
export function readReminder(text: string, setting: Setting): ReadWhen {
  const first = readWhen(text, setting, ['at', 'in', 'on']);
  const isNumber =
    first.state === 'read' && /^\s*\d{1,2}$/.test(text.slice(0, text.length - first.rest.length).trimEnd());
  if (first.state !== 'unknown' && !(first.state === 'read' && (first.rest === '' || isNumber))) return first;
  const last = readWhenLast(text, setting);
  if (last.state === 'unknown') return first;
  return isNumber && first.rest !== '' ? { state: 'unclear' } : last;
}

const isWhen = (draft: Draft): draft is When => !['past', 'never', 'no_time'].includes(draft.kind);
const restOf = (text: string, end: number): string => text.slice(end).replace(/^\s*[,:;–—→-]?\s*/, '');

/** Five fields, or cron's own names for them, as they are. */
function rawCron(text: string, { zone, now }: Setting): ReadWhen | undefined {
  const match =
    /^\s*(@(?:hourly|daily|midnight|weekly|monthly|yearly|annually))(?=\s|$)/i.exec(text) ??
    /^\s*((?:[\d*][\w*,/#?-]*\s+){2}(?:[\d*?L][\w*,/#?-]*\s+)[\w*][\w*,/#?-]*\s+[\w*?][\w*,/#?-]*)(?=\s|$)/.exec(
      text,
    );
  const pattern = match?.[1]?.replace(/\s+/g, ' ');
  if (match === null || pattern === undefined) return undefined;
  const rest = text.slice(match[0].length).trim();
  // A sixth field: seconds are none of ours, and guessing which of six was meant is no help.
  if (!pattern.startsWith('@') && /^(?:\*(?:\/\d+)?|\d+(?:[-,/]\d+)+)(?:\s|$)/.test(rest)) return undefined;
  if (goesOn(text, match[0].length, false)) return { state: 'unclear' };
  try {
    const comes = new Cron(pattern, { timezone: zone, paused: true }).nextRun(new Date(now)) !== null;
    return comes ? { state: 'read', when: { kind: 'cron', patterns: [pattern] }, rest } : { state: 'never' };
  } catch {
    return undefined;
  }
}

function longest(text: string, setting: Setting) {
  const tokens = tokensOf(text);
  const reads = productions
    .flatMap((production) => production(setting)(tokens, 0) ?? [])
    .map(({ value, next }) => ({ draft: value, end: tokens[next - 1]?.end ?? 0 }))
    // A word is not cut in two.
    .filter(({ end }) => end === text.length || /^(?:\s|[,:;–—→-])/.test(text.slice(end)));
  return reads;
}

type Production = (setting: Setting) => Reader<Draft>;

const textAt = (tokens: readonly Token[], at: number): string => tokens[at]?.text ?? '';
const leadIn = ['every', 'each', 'on', 'all', 'the'];
const cron = (times: readonly ClockTime[], fields: string): When => {
  const minutes = new Map<number, number[]>();
  for (const { hour, minute } of times) minutes.set(minute, [...(minutes.get(minute) ?? []), hour]);
  const patterns = [...minutes].map(
    ([minute, hours]) => `${minute} ${[...new Set(hours)].sort((a, b) => a - b).join(',')} ${fields}`,
  );
  return { kind: 'cron', patterns };
};
const once = (date: string, time: ClockTime, { zone, now }: Setting): Draft => {
  const at = wallTime(date, time, zone);
  if (at === undefined) return { kind: 'never' };
  return at > now ? { kind: 'once', at } : { kind: 'past' };
};

/** With a time of day before it or after it; without one, it is said that it is missing. */
const timed =
  <Value>(
    what: Reader<Value>,
    made: (value: Value, times: readonly Clock[]) => Draft,
    /** Its name alone is a time that was forgotten; else it is any word. */
    isPlain: (value: Value) => boolean = () => true,
  ): Reader<Draft> =>
  (tokens, at) => {
    const before = clocks(tokens, at);
    const after = before && what(tokens, skip(tokens, before.next, ['on', ',']));
    if (before !== undefined && after !== undefined && before.value.every(({ exact }) => exact))
      return { value: made(after.value, before.value), next: after.next };
    const read = what(tokens, at);
    if (read === undefined) return undefined;
    const times = clocks(tokens, read.next);
    if (times !== undefined) return { value: made(read.value, times.value), next: times.next };
    return isPlain(read.value) ? { value: { kind: 'no_time' }, next: read.next } : undefined;
  };

const inSpan: Production = (setting) => (tokens, at) => {
  if (textAt(tokens, at) !== 'in') return undefined;
  const read = span(tokens, at + 1);
  if (read === undefined || read.value === 0) return undefined;
  const { zone, now } = setting;
  const whole: Draft = { kind: 'once', at: now + read.value * 1000 };
  // `in 2 days at 9:00`
  const time =
    read.value % 86_400 === 0 && textAt(tokens, read.next) === 'at'
      ? clock(tokens, read.next + 1)
      : undefined;
  if (time === undefined) return { value: whole, next: read.next };
  return { value: once(dateIn(now, zone, read.value / 86_400), time.value, setting), next: time.next };
};

const everySpan: Production =
  ({ zone, now }) =>
  (tokens, at) => {
    if (!['every', 'each'].includes(textAt(tokens, at))) return undefined;
    const counted = countedDays(tokens, at + 1);
    if (counted !== undefined) {
      const { count, day } = counted.value;
      const time =
        clocks(tokens, counted.next)?.value.length === 1 ? clocks(tokens, counted.next) : undefined;
      const [first] = time?.value ?? [];
      if (time !== undefined && first !== undefined) {
        const from = firstDate({ count, day, time: first, zone, now });
        return {
          value: { kind: 'days', days: count, from, clock: { hour: first.hour, minute: first.minute } },
          next: time.next,
        };
      }
      if (day !== undefined || textAt(tokens, at + 1) === 'other')
        return { value: { kind: 'no_time' }, next: counted.next };
    }
    const hourly = textAt(tokens, at + 1) === 'hour' ? { value: 3600, next: at + 2 } : undefined;
    const read = span(tokens, at + 1) ?? hourly;
    if (read === undefined || read.value === 0) return undefined;
    return { value: { kind: 'span', seconds: read.value }, next: read.next };
  };

/** The first day that it comes: the named one, else today when its time is not over. */
const firstDate = ({
  day,
  time,
  zone,
  now,
}: {
  count: number;
  day: number | undefined;
  time: ClockTime;
  zone: string;
  now: number;
}): string => {
  const today = dateIn(now, zone);
  const ahead = day === undefined ? 0 : (day - weekdayOf(today) + 7) % 7;
  const date = addDays(today, ahead);
  const at = wallTime(date, time, zone);
  return at !== undefined && at > now ? date : addDays(date, day === undefined ? 1 : 7);
};

/** `2 days`, `other day`, `second week on monday`, `2 weeks on fri`: so many days, perhaps from a day of the week. */
const countedDays: Reader<{ readonly count: number; readonly day: number | undefined }> = (tokens, at) => {
  const other = ['other', 'second'].includes(textAt(tokens, at)) ? { value: 2, next: at + 1 } : undefined;
  const count = other ?? numeral(3)(tokens, at);
  if (count === undefined || count.value === 0) return undefined;
  const unit = textAt(tokens, count.next);
  if (['day', 'days', 'd'].includes(unit))
    return { value: { count: count.value, day: undefined }, next: count.next + 1 };
  if (['week', 'weeks', 'w'].includes(unit)) {
    const from = skip(tokens, count.next + 1, ['on', ',']);
    const day = dayOfWeek(tokens, from);
    return { value: { count: count.value * 7, day: day?.value }, next: day?.next ?? count.next + 1 };
  }
  // `every other monday`
  const day = other && dayOfWeek(tokens, count.next);
  return day && { value: { count: 14, day: day.value }, next: day.next };
};

const hourly: Production = () => (tokens, at) =>
  textAt(tokens, at) === 'hourly'
    ? { value: { kind: 'cron', patterns: ['0 * * * *'] }, next: at + 1 }
    : undefined;

/** `at 14:30`: today, else tomorrow. */
const atClock: Production = (setting) => (tokens, at) => {
  if (textAt(tokens, at) !== 'at') return undefined;
  const time = clock(tokens, at + 1);
  if (time === undefined) return undefined;
  const today = once(dateIn(setting.now, setting.zone), time.value, setting);
  const tomorrow = once(dateIn(setting.now, setting.zone, 1), time.value, setting);
  return { value: isWhen(today) ? today : tomorrow, next: time.next };
};

/** A day that is near: `today`, `tonight`, `tomorrow`, `day after tomorrow`, `next friday`. */
const nearDay =
  ({
    zone,
    now,
    once: alone,
  }: Setting): Reader<{
    readonly date: string;
    readonly evening: boolean;
    readonly day: number | undefined;
  }> =>
  (tokens, from) => {
    const at = skip(tokens, from, ['on', 'at', 'the']);
    const found = (date: string, next: number, day?: number, evening = false) => ({
      value: { date, evening, day },
      next,
    });
    const name = textAt(tokens, at);
    if (name === 'today') return found(dateIn(now, zone), at + 1);
    if (name === 'tonight') return found(dateIn(now, zone), at + 1, undefined, true);
    if (name === 'tomorrow') return found(dateIn(now, zone, 1), at + 1);
    if (name === 'day' && textAt(tokens, at + 1) === 'after' && textAt(tokens, at + 2) === 'tomorrow')
      return found(dateIn(now, zone, 2), at + 3);
    const isNamed = ['next', 'this', 'coming'].includes(name);
    const day = isNamed || alone ? dayOfWeek(tokens, isNamed ? at + 1 : at) : undefined;
    if (day === undefined) return undefined;
    const today = dateIn(now, zone);
    return found(addDays(today, (day.value - weekdayOf(today) + 7) % 7), day.next, day.value);
  };

const onNearDay: Production = (setting) =>
  timed(nearDay(setting), ({ date, evening, day }, times) => {
    const [time] = times;
    if (time === undefined || times.length > 1) return { kind: 'no_time' };
    const { exact: _, ...said } = time;
    const at = evening && said.hour < 12 && said.hour > 0 ? { ...said, hour: said.hour + 12 } : said;
    const first = once(date, at, setting);
    // A day of the week whose time is over today is that of the next week.
    return isWhen(first) || day === undefined ? first : once(addDays(date, 7), at, setting);
  });

const onDate: Production = (setting) =>
  timed(afterWords(['on', 'at', 'the'], monthDayAndMark), ({ year, month, day }, [time]) => {
    if (time === undefined) return { kind: 'no_time' };
    const dated = (of: number) => `${of}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
    const this_ = Number(dateIn(setting.now, setting.zone).slice(0, 4));
    if (year !== undefined) return once(dated(year), time, setting);
    const first = once(dated(this_), time, setting);
    return isWhen(first) ? first : once(dated(this_ + 1), time, setting);
  });

const afterWords =
  <Value>(words: readonly string[], reader: Reader<Value>): Reader<Value> =>
  (tokens, at) =>
    reader(tokens, skip(tokens, at, words));

/** The `T` of an ISO time is no word of its own. */
const monthDayAndMark: Reader<MonthDay> = (tokens, at) => {
  const read = monthDay(tokens, at);
  return read && textAt(tokens, read.next) === 't' ? { ...read, next: read.next + 1 } : read;
};

const onDays: Production =
  ({ once: alone }) =>
  (tokens, at) => {
    const from = skip(tokens, at, leadIn);
    const said = from > at && textAt(tokens, at) !== 'on';
    const read = timed<Days>(afterWords(leadIn, days), ({ days: list }, times) =>
      cron(times, `* * ${fieldOf(list)}`),
    )(tokens, at);
    if (read === undefined) return undefined;
    const words = tokens.slice(at, read.next).map(({ text }) => text);
    const isAgain = words.includes('every') || words.includes('each');
    // `seize the day at 9`
    if (words.some((word) => word === 'day' || word === 'days') && !isAgain && !words.includes('all'))
      return undefined;
    const named =
      days(tokens, from) ?? days(tokens, skip(tokens, clocks(tokens, at)?.next ?? at, [...leadIn, ',']));
    const isOnce = alone && !said && named?.value.every === false && !isAgain;
    return isOnce ? undefined : read;
  };

const fieldOf = (list: readonly number[]): string => {
  if (list.length === 7) return '*';
  const isRun =
    list.length > 2 && list.every((day, index) => index === 0 || day === (list[index - 1] ?? 0) + 1);
  return isRun ? `${list[0]}-${list.at(-1)}` : list.join(',');
};

/** `every 8:00`: each day, where the time can be nothing else. */
const everyClock: Production = () => (tokens, at) => {
  if (!['every', 'each'].includes(textAt(tokens, at))) return undefined;
  const times = clocks(tokens, at + 1);
  if (times === undefined || !times.value.every(({ exact }) => exact)) return undefined;
  return { value: cron(times.value, '* * *'), next: times.next };
};

type OfMonth = { readonly fields: string };

const ofMonth: Reader<OfMonth> = (tokens, from) => {
  const monthly = ['monthly', 'month'].includes(textAt(tokens, skip(tokens, from, leadIn)));
  const at = skip(tokens, monthly ? skip(tokens, from, leadIn) + 1 : from, [...leadIn, ',', 'day']);
  const read = weekdayOfMonth(tokens, at) ?? daysOfMonth(tokens, at);
  if (read === undefined) return undefined;
  // `the 1st of the month`, `last day of every month`
  const of = skip(tokens, skip(tokens, read.next, ['day']), ['of', 'the', 'every', 'each', 'a']);
  if (of > read.next && textAt(tokens, of) === 'month') return { value: read.value, next: of + 1 };
  return monthly ? read : undefined;
};

const weekdayOfMonth: Reader<OfMonth> = (tokens, at) => {
  const place = ordinal(tokens, at);
  const day = place && dayOfWeek(tokens, place.next);
  if (place === undefined || day === undefined) return undefined;
  if (place.value !== 'last' && place.value > 4) return undefined;
  const fields = `* * ${day.value}#${place.value === 'last' ? 'L' : place.value}`;
  return { value: { fields }, next: day.next };
};

const daysOfMonth: Reader<OfMonth> = (tokens, at) => {
  const values: (number | 'last')[] = [];
  let next = at;
  for (;;) {
    const from = values.length === 0 ? next : skip(tokens, next, [',', 'and', '&', 'the']);
    const read = from === next && values.length > 0 ? undefined : ordinal(tokens, from);
    // The day is not the hour of its own time.
    if (read === undefined || (values.length > 0 && clock(tokens, from)?.value.exact)) break;
    values.push(read.value);
    next = skip(tokens, read.next, ['day']);
  }
  if (values.length === 0) return undefined;
  return {
    value: { fields: `${values.map((value) => (value === 'last' ? 'L' : value)).join(',')} * *` },
    next,
  };
};

const monthly: Production = () =>
  timed(
    ofMonth,
    ({ fields }, times) => cron(times, fields),
    () => false,
  );

const yearly: Production = () => (tokens, at) => {
  const from = skip(tokens, at, ['every', 'each']);
  if (!['yearly', 'annually', 'year'].includes(textAt(tokens, from))) return undefined;
  const date = monthDay(tokens, skip(tokens, from + 1, ['on', 'the', ',']));
  const times = date && clocks(tokens, date.next);
  if (date === undefined || times === undefined) return undefined;
  return { value: cron(times.value, `${date.value.day} ${date.value.month} *`), next: times.next };
};

const productions: readonly Production[] = [
  inSpan,
  everySpan,
  hourly,
  atClock,
  onNearDay,
  onDate,
  onDays,
  everyClock,
  monthly,
  yearly,
];
