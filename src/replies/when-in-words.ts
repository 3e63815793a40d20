import type { When } from '../schedules/when.ts';
import { formatDuration } from './format.ts';

/** Times as they are read on a phone: with the day of the week, and the year only where it is another one. */

const dayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const monthNames = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const pad = (value: number | string): string => String(value).padStart(2, '0');

/** `Mon 30 Nov 08:00`, in a zone. Unix milliseconds. */
export function formatTime(at: number, zone: string, now: number): string {
  const parts = (moment: number): Record<string, string> => {
    const options = { timeZone: zone, hourCycle: 'h23' } as const;
    const format = new Intl.DateTimeFormat('en-GB', {
      ...options,
      ...{ weekday: 'short', day: 'numeric', month: 'numeric', year: 'numeric' },
      ...{ hour: '2-digit', minute: '2-digit' },
    });
    return Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, value]));
  };
  const then = parts(at);
  const today = parts(now);
  const clock = `${then.hour}:${then.minute}`;
  const isToday = then.year === today.year && then.month === today.month && then.day === today.day;
  if (isToday) return `today ${clock}`;
  const year = then.year === today.year ? '' : ` ${then.year}`;
  return `${then.weekday} ${Number(then.day)} ${monthNames[Number(then.month) - 1]}${year} ${clock}`;
}

/** `weekdays 08:00`, `Mon, Thu 18:30`, `every 2 h`, `once, Thu 24 Dec 18:00`. */
export function describeWhen(when: When, zone: string, now: number): string {
  switch (when.kind) {
    case 'asked':
      return `${when.name}, when it is asked for`;
    case 'once':
      return `once, ${formatTime(when.at, zone, now)}`;
    case 'span':
      return `every ${formatDuration(when.seconds * 1000)}`;
    case 'days': {
      const { days, from, clock } = when;
      const day = days % 7 === 0 ? `, ${dayNames[new Date(`${from}T12:00:00Z`).getUTCDay()]}` : '';
      const count = days % 7 === 0 ? `${days / 7} weeks` : `${days} days`;
      return `every ${count}${day} ${pad(clock.hour)}:${pad(clock.minute)}`;
    }
    case 'cron':
      return describePatterns(when.patterns);
  }
}

function describePatterns(patterns: readonly string[]): string {
  const read = patterns.map(readPattern);
  const [first] = read;
  if (patterns.length === 1 && patterns[0] === '0 * * * *') return 'hourly';
  if (first === undefined || read.some((each) => each?.days !== first.days))
    return `cron ${patterns.join(' | ')}`;
  const times = read.flatMap((each) => each?.times ?? []).sort();
  return `${first.days} ${times.join(', ')}`;
}

/** Of those that the grammar makes; what was typed as cron's own may be anything. */
function readPattern(
  pattern: string,
): { readonly days: string; readonly times: readonly string[] } | undefined {
  const [minute = '', hours = '', day = '', month = '', weekday = ''] = pattern.split(' ');
  if (!/^\d+$/.test(minute) || !/^\d+(?:,\d+)*$/.test(hours)) return undefined;
  const days = daysOf(day, month, weekday);
  return days === undefined
    ? undefined
    : { days, times: hours.split(',').map((hour) => `${pad(hour)}:${pad(minute)}`) };
}

const places = ['', 'first', 'second', 'third', 'fourth'];

function daysOf(day: string, month: string, weekday: string): string | undefined {
  if (day === '*' && month === '*') {
    if (weekday === '*') return 'daily';
    if (weekday === '1-5') return 'weekdays';
    if (weekday === '0,6') return 'weekends';
    const [, of, place] = /^(\d)#(\d|L)$/.exec(weekday) ?? [];
    if (of !== undefined && place !== undefined)
      return `${place === 'L' ? 'last' : places[Number(place)]} ${dayNames[Number(of)]} of the month`;
    if (!/^\d(?:[,-]\d)*$/.test(weekday)) return undefined;
    return weekday.replace(/\d/g, (one) => dayNames[Number(one)] ?? one).replaceAll(',', ', ');
  }
  if (weekday !== '*') return undefined;
  if (month === '*' && /^[\dL]+(?:,[\dL]+)*$/.test(day))
    return `monthly, ${day
      .split(',')
      .map((one) => (one === 'L' ? 'last day' : `day ${one}`))
      .join(' and ')}`;
  if (/^\d+$/.test(day) && /^\d+$/.test(month)) return `yearly, ${day} ${monthNames[Number(month) - 1]}`;
  return undefined;
}
