import { numeral, type Reader, skip, type Token } from './tokens.ts';
import { addDays, type ClockTime, dateIn, type When, wallTime, weekdayOf } from './when.ts';
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

/** Where and when it was typed. */
export type Setting = {
  readonly zone: string;
  /** Unix milliseconds. */
  readonly now: number;
  /** A day of the week alone is the next one, not every one: `!at friday 17:00`. */
  readonly once: boolean;
};

/**
 * What is read before it is known whether it comes. `past`, `never`: it was understood, and does not come (any more).
 * `no_time`: a day was named and no time of day. `hour`: a number that is of either half of the day, or a count of something.
 * `midnight`: the one that begins the named day, or the one that ends it. `not_night`: `tonight 8am`.
 */
export type Problem = (typeof problems)[number];
const problems = ['past', 'never', 'no_time', 'hour', 'midnight', 'not_night'] as const;
export type Draft = When | { readonly kind: Problem };

export const isWhen = (draft: Draft): draft is When => !problems.some((problem) => problem === draft.kind);

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

/** A number that nobody but its writer can tell the hour of. */
const vagueIn = (times: readonly Clock[]): Draft | undefined =>
  times.some(({ vague }) => vague) ? { kind: 'hour' } : undefined;

type Timed<Value> = {
  readonly made: (value: Value, times: readonly Clock[]) => Draft;
  /** Its name alone is a time that was forgotten; else it is any word. */
  readonly isPlain?: boolean;
  readonly hasOneMidnight?: (value: Value) => boolean;
};

/** With a time of day before it or after it; without one, it is said that it is missing. */
const timed =
  <Value>(
    what: Reader<Value>,
    { made, isPlain = true, hasOneMidnight = () => false }: Timed<Value>,
  ): Reader<Draft> =>
  (tokens, at) => {
    const draft = (value: Value, times: readonly Clock[]): Draft => {
      const hasTwo = times.some(({ said }) => said === 'midnight') && !hasOneMidnight(value);
      return vagueIn(times) ?? (hasTwo ? { kind: 'midnight' } : made(value, times));
    };
    const before = clocks(tokens, at);
    const after = before && what(tokens, skip(tokens, before.next, ['on', ',']));
    if (before !== undefined && after !== undefined && before.value.every(({ exact }) => exact))
      return { value: draft(after.value, before.value), next: after.next };
    const read = what(tokens, at);
    if (read === undefined) return undefined;
    const times = clocks(tokens, read.next);
    if (times !== undefined) return { value: draft(read.value, times.value), next: times.next };
    return isPlain ? { value: { kind: 'no_time' }, next: read.next } : undefined;
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
  if (time.value.vague) return { value: { kind: 'hour' }, next: time.next };
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
      if (first?.vague && time !== undefined) return { value: { kind: 'hour' }, next: time.next };
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
  return {
    value: isOfEitherHalf(time.value, setting) ? { kind: 'hour' } : comingUp(time.value, setting),
    next: time.next,
  };
};

/** Today, else tomorrow. */
const comingUp = (time: ClockTime, setting: Setting): Draft => {
  const today = once(dateIn(setting.now, setting.zone), time, setting);
  return isWhen(today) ? today : once(dateIn(setting.now, setting.zone, 1), time, setting);
};

/** `at 6` in the afternoon: it is over for today, and people mean the evening. */
const isOfEitherHalf = ({ hour, vague, said }: Clock, setting: Setting): boolean => {
  const today = (of: number) => once(dateIn(setting.now, setting.zone), { hour: of, minute: 0 }, setting);
  const isBare = said === 'nothing' && hour > 0 && hour < 12;
  return vague || (isBare && !isWhen(today(hour)) && isWhen(today(hour + 12)));
};

/** Of the evening, or of the night that comes after it. */
const tonightAt = ({ hour, minute, said }: Clock, setting: Setting): Draft => {
  const isEvening = hour > 4 && hour < 12 && said !== 'half';
  if (isEvening || hour >= 17)
    return once(dateIn(setting.now, setting.zone), { hour: isEvening ? hour + 12 : hour, minute }, setting);
  return hour <= 4 ? comingUp({ hour, minute }, setting) : { kind: 'not_night' };
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
  timed(nearDay(setting), {
    made: ({ date, evening, day }, times) => {
      const [time] = times;
      if (time === undefined || times.length > 1) return { kind: 'no_time' };
      if (evening) return tonightAt(time, setting);
      const first = once(date, time, setting);
      // A day of the week whose time is over today is that of the next week.
      return isWhen(first) || day === undefined ? first : once(addDays(date, 7), time, setting);
    },
    hasOneMidnight: ({ evening }) => evening,
  });

const onDate: Production = (setting) =>
  timed(afterWords(['on', 'at', 'the'], monthDayAndMark), {
    made: ({ year, month, day }, [time]) => {
      if (time === undefined) return { kind: 'no_time' };
      const dated = (of: number) => `${of}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
      const this_ = Number(dateIn(setting.now, setting.zone).slice(0, 4));
      if (year !== undefined) return once(dated(year), time, setting);
      const first = once(dated(this_), time, setting);
      return isWhen(first) ? first : once(dated(this_ + 1), time, setting);
    },
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
    const read = timed<Days>(afterWords(leadIn, days), {
      made: ({ days: list }, times) => cron(times, `* * ${fieldOf(list)}`),
      hasOneMidnight: ({ days: list }) => list.length === 7,
    })(tokens, at);
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
  timed(ofMonth, { made: ({ fields }, times) => cron(times, fields), isPlain: false });

const yearly: Production = () => (tokens, at) => {
  const from = skip(tokens, at, ['every', 'each']);
  if (!['yearly', 'annually', 'year'].includes(textAt(tokens, from))) return undefined;
  const date = monthDay(tokens, skip(tokens, from + 1, ['on', 'the', ',']));
  const times = date && clocks(tokens, date.next);
  if (date === undefined || times === undefined) return undefined;
  const fields = `${date.value.day} ${date.value.month} *`;
  return { value: vagueIn(times.value) ?? cron(times.value, fields), next: times.next };
};

export const productions: readonly Production[] = [
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
