import { describe, expect, test } from 'bun:test';
import { describeWhen, formatTime } from '../../src/replies/when-in-words.ts';
import { readReminder, readWhen, readWhenLast } from '../../src/schedules/read-when.ts';
import { nextTime, shortestGap } from '../../src/schedules/when.ts';
import { nextClockChange, zoneNamed } from '../../src/schedules/zone.ts';

const zone = 'Europe/Berlin';
/** A Friday, 14:00 in Berlin, two days before its clocks go back. */
const now = Date.parse('2026-10-23T12:00:00Z');

/** As it is told, and when it comes first. */
function told(text: string, lead: readonly string[] = [], once = false): string {
  const read = readWhen(text, { zone, now, once }, lead);
  if (read.state !== 'read') return read.state;
  const next = nextTime(read.when, zone, now);
  return `${describeWhen(read.when, zone, now)} | ${next && formatTime(next, zone, now)} | ${read.rest}`;
}

const fixed: readonly (readonly [string, string])[] = [
  ['daily 8:00 run the tests', 'daily 08:00 | Sat 24 Oct 08:00 | run the tests'],
  ['every day at 8am look', 'daily 08:00 | Sat 24 Oct 08:00 | look'],
  ['weekdays 7.30 pull and build', 'weekdays 07:30 | Mon 26 Oct 07:30 | pull and build'],
  ['weekends 10 rest', 'weekends 10:00 | Sat 24 Oct 10:00 | rest'],
  ['mon,thu 18:30 tidy', 'Mon, Thu 18:30 | Mon 26 Oct 18:30 | tidy'],
  ['every mon and fri at 9am report', 'Mon, Fri 09:00 | Mon 26 Oct 09:00 | report'],
  ['monday 9 plan the week', 'Mon 09:00 | Mon 26 Oct 09:00 | plan the week'],
  ['every 2h check the server', 'every 2 h | today 16:00 | check the server'],
  ['every 1h30m x', 'every 1 h 30 min | today 15:30 | x'],
  ['hourly look', 'hourly | today 15:00 | look'],
  ['in 20m remind me to deploy', 'once, today 14:20 | today 14:20 | remind me to deploy'],
  ['tomorrow 9:00 release', 'once, Sat 24 Oct 09:00 | Sat 24 Oct 09:00 | release'],
  ['at 14:30 ping me', 'once, today 14:30 | today 14:30 | ping me'],
  ['at 13:00 ping me', 'once, Sat 24 Oct 13:00 | Sat 24 Oct 13:00 | ping me'],
  ['2026-12-24 18:00 sing', 'once, Thu 24 Dec 18:00 | Thu 24 Dec 18:00 | sing'],
  ['monthly 1 9:00 bill', 'monthly, day 1 09:00 | Sun 1 Nov 09:00 | bill'],
  ['monthly last at 17:00 close', 'monthly, last day 17:00 | Sat 31 Oct 17:00 | close'],
  ['0 6 * * 1-5 cron style', 'weekdays 06:00 | Mon 26 Oct 06:00 | cron style'],
  ['*/15 * * * * often', 'cron */15 * * * * | today 14:15 | often'],
  ['every now and then x', 'unknown'],
  ['daily 25:00 x', 'no_time'],
  ['0 8 31 2 * never', 'never'],
  ['fix the bug at 9', 'unknown'],
];

const others: readonly (readonly [string, string])[] = [
  ['every day at noon eat', 'daily 12:00 | Sat 24 Oct 12:00 | eat'],
  ['everyday 8 a.m. look', 'daily 08:00 | Sat 24 Oct 08:00 | look'],
  ['tues and thurs 6:30 p.m. gym', 'Tue, Thu 18:30 | Tue 27 Oct 18:30 | gym'],
  ['mon-fri 9 standup', 'weekdays 09:00 | Mon 26 Oct 09:00 | standup'],
  ['monday through wednesday at 9 x', 'Mon-Wed 09:00 | Mon 26 Oct 09:00 | x'],
  ['fri to mon 9:00 x', 'Sun, Mon, Fri, Sat 09:00 | Sat 24 Oct 09:00 | x'],
  ['mon wed fri 9:00 x', 'Mon, Wed, Fri 09:00 | Mon 26 Oct 09:00 | x'],
  ['mondays 9 x', 'Mon 09:00 | Mon 26 Oct 09:00 | x'],
  ['8:00 daily run', 'daily 08:00 | Sat 24 Oct 08:00 | run'],
  ['8am and 6pm daily x', 'daily 08:00, 18:00 | today 18:00 | x'],
  ['daily 8:30 and 18:00 x', 'daily 08:30, 18:00 | today 18:00 | x'],
  ['every day at 8:00 and at 18:00 x', 'daily 08:00, 18:00 | today 18:00 | x'],
  ['every 8:00 x', 'daily 08:00 | Sat 24 Oct 08:00 | x'],
  ['every other day at 9:00 water', 'every 2 days 09:00 | Sat 24 Oct 09:00 | water'],
  ['every 3 days 15:00 water', 'every 3 days 15:00 | today 15:00 | water'],
  ['every 2 weeks on monday 9:00 retro', 'every 2 weeks, Mon 09:00 | Mon 26 Oct 09:00 | retro'],
  ['every other friday 17:00 beers', 'every 2 weeks, Fri 17:00 | today 17:00 | beers'],
  ['first monday of the month 9:00 plan', 'first Mon of the month 09:00 | Mon 2 Nov 09:00 | plan'],
  ['monthly last friday 17:00 pay', 'last Fri of the month 17:00 | Fri 30 Oct 17:00 | pay'],
  ['every month on the 15th and 30th at 9 pay', 'monthly, day 15 and day 30 09:00 | Fri 30 Oct 09:00 | pay'],
  ['on the 1st of every month at 9:00 x', 'monthly, day 1 09:00 | Sun 1 Nov 09:00 | x'],
  ['every year on dec 24 18:00 sing', 'yearly, 24 Dec 18:00 | Thu 24 Dec 18:00 | sing'],
  ['every 15 minutes x', 'every 15 min | today 14:15 | x'],
  ['every 90 min x', 'every 1 h 30 min | today 15:30 | x'],
  ['every hour x', 'every 1 h | today 15:00 | x'],
  ['in an hour x', 'once, today 15:00 | today 15:00 | x'],
  ['in half an hour x', 'once, today 14:30 | today 14:30 | x'],
  ['in 1.5h x', 'once, today 15:30 | today 15:30 | x'],
  ['in 1h30 x', 'once, today 15:30 | today 15:30 | x'],
  ['in 2 days at 9:00 y', 'once, Sun 25 Oct 09:00 | Sun 25 Oct 09:00 | y'],
  ['tonight at 9 z', 'once, today 21:00 | today 21:00 | z'],
  ['next friday 10:00 z', 'once, Fri 30 Oct 10:00 | Fri 30 Oct 10:00 | z'],
  ['24 dec 18:00 sing', 'once, Thu 24 Dec 18:00 | Thu 24 Dec 18:00 | sing'],
  ['dec 24th at 6pm sing', 'once, Thu 24 Dec 18:00 | Thu 24 Dec 18:00 | sing'],
  ['24.12. 18:00 sing', 'once, Thu 24 Dec 18:00 | Thu 24 Dec 18:00 | sing'],
  ['1 jan 9:00 x', 'once, Fri 1 Jan 2027 09:00 | Fri 1 Jan 2027 09:00 | x'],
  ['2026-12-24T18:00 sing', 'once, Thu 24 Dec 18:00 | Thu 24 Dec 18:00 | sing'],
  ['weekdays at 8:00: run it', 'weekdays 08:00 | Mon 26 Oct 08:00 | run it'],
  ['weekdays 8:00 – run it', 'weekdays 08:00 | Mon 26 Oct 08:00 | run it'],
  ['DAILY   8:00\nfirst this\nthen that', 'daily 08:00 | Sat 24 Oct 08:00 | first this\nthen that'],
  ['@weekly x', 'cron @weekly | Sun 25 Oct 00:00 | x'],
  ['daily run the tests', 'no_time'],
  ['every monday plan', 'no_time'],
  ['today at 9:00 x', 'past'],
  ['2020-01-01 10:00 x', 'past'],
  ['2026-02-30 10:00 x', 'never'],
  ['0 0 6 * * 1-5 with seconds', 'unknown'],
  ['daily 8:00foo', 'unknown'],
  ['in 0m x', 'unknown'],
  ['every 5 x', 'unknown'],
  ['when I get up x', 'unknown'],
  ['sometimes x', 'unknown'],
  ['constructor 8:00 x', 'unknown'],
  ['', 'unknown'],
];

describe('a time at the beginning of a text', () => {
  test.each([...fixed, ...others])('%p is %p', (text, wanted) => {
    expect(told(text)).toBe(wanted);
  });

  test.each([
    ...['daily 8:00-17:00 x', 'daily 9–17 x', 'daily 9 to 5 x', 'daily 8:00 or 9:00 x', 'daily 8am-9am x'],
    ...[
      'every 2h on weekdays x',
      'every hour between 9 and 17 x',
      'every 2h from 9 x',
      'every hour for 3 days x',
    ],
    ...['daily 8:00 except sunday x', 'every hour until friday x', 'every 30 minutes during the day x'],
    ...[
      'mon 9:00, fri 17:00 x',
      'monday 9 and friday 17:00 x',
      'in 2 weeks on monday 9:00 x',
      'in 2h tomorrow x',
    ],
    ...['daily 8:00 UTC x', 'daily 8:00 PST x', 'at 14:30 Berlin time x', 'daily 8:00 Europe/London x'],
    ...['2026-10-30T09:00:00+02:00 x', '2026-10-30 09:00 GMT x', 'daily 8:00:30 x', '0 8 * * * UTC x'],
    ...['tomorrow at 8 in the evening x', 'daily 7 at night x', 'at 8 tomorrow x', 'at 8 on friday x'],
    ...['in an hour and a half x', 'in a day or two x', 'in 1h 30 x', 'in 2 days 9:00 x', 'at 9 daily x'],
    ...['at 5 minutes x', 'at 3 days x', 'every day 5 times x', 'at 10 to 9 x', 'at 9 every day x'],
  ])('%p may be another time than what can be read of it: none is scheduled', (text) => {
    expect(told(text)).toBe('unclear');
  });
  test.each([
    ['weekdays 8:00: friday report', 'friday report'],
    ['daily 8:00 - 2 things', '2 things'],
    ['daily 8:00 2 tests', '2 tests'],
    ['daily 8:00 today’s news', 'today’s news'],
    ['every 2h from the server fetch logs', 'from the server fetch logs'],
    ['daily 18:00 evening report', 'evening report'],
    ['mon 9:00 sort src/main', 'sort src/main'],
    ['daily 8:00\nmonday: x', 'monday: x'],
  ])('%p ends where its task begins', (text, rest) => {
    expect(readWhen(text, { zone, now, once: false })).toMatchObject({ state: 'read', rest });
  });

  test('the command’s own word may be thought before it', () => {
    expect(told('weekdays 8:00 x', ['every'])).toBe('weekdays 08:00 | Mon 26 Oct 08:00 | x');
    expect(told('2h x', ['every'])).toBe('every 2 h | today 16:00 | x');
    expect(told('14:30 x', ['at'], true)).toBe('once, today 14:30 | today 14:30 | x');
    expect(told('20m x', ['in'], true)).toBe('once, today 14:20 | today 14:20 | x');
    expect(told('tomorrow 9:00 x', ['at'], true)).toBe('once, Sat 24 Oct 09:00 | Sat 24 Oct 09:00 | x');
  });

  test('a day of the week alone is the next one where something is done once, and every one where it is said so', () => {
    expect(told('monday 9 x', ['at'], true)).toBe('once, Mon 26 Oct 09:00 | Mon 26 Oct 09:00 | x');
    expect(told('friday 13:00 x', ['at'], true)).toBe('once, Fri 30 Oct 13:00 | Fri 30 Oct 13:00 | x');
    expect(told('every monday 9 x', ['at'], true)).toBe('Mon 09:00 | Mon 26 Oct 09:00 | x');
    expect(told('mondays 9 x', [], true)).toBe('Mon 09:00 | Mon 26 Oct 09:00 | x');
  });

  test('or at its end, where a person says it there', () => {
    const last = (text: string): string => {
      const read = readWhenLast(text, { zone, now, once: true });
      return read.state === 'read' ? `${describeWhen(read.when, zone, now)} | ${read.rest}` : read.state;
    };
    expect(last('to call Anna at 18:00')).toBe('once, today 18:00 | to call Anna');
    expect(last('to call Anna tomorrow at 9')).toBe('once, Sat 24 Oct 09:00 | to call Anna');
    expect(last('to stretch every 2h')).toBe('every 2 h | to stretch');
    expect(last('to check in 20 minutes')).toBe('once, today 14:20 | to check');
    expect(last('to buy 9')).toBe('unknown');
  });
  test.each([
    ['dinner tomorrow evening at 8', 'no_time'],
    ['call Anna tomorrow', 'no_time'],
    ['tomorrow call Anna at 9', 'no_time'],
    ['dinner this evening at 8', 'hour'],
    ['pay rent on the 1st at 9:00', 'unclear'],
    ['standup mon 9:00 and fri 9:00', 'unclear'],
    ['buy tickets for friday 9:00', 'unclear'],
    ['5 people at 18:00', 'unclear'],
    ['seize the day at 9am', 'read'],
    ['18:00 book a table at 20:00', 'read'],
  ])('of %p, all of it counts: %p', (text, state) => {
    expect(readReminder(text, { zone, now, once: true }).state).toBe(state as 'read');
  });
});

const at = (iso: string): number => Date.parse(iso);
/** The next moments after one. */
function times(text: string, from: string, count: number): string[] {
  const read = readWhen(text, { zone, now: at(from), once: false });
  if (read.state !== 'read') return [read.state];
  const found: string[] = [];
  for (let next = nextTime(read.when, zone, at(from)); next !== undefined && found.length < count; ) {
    found.push(new Date(next).toISOString().slice(0, 16));
    next = nextTime(read.when, zone, next);
  }
  return found;
}

describe('over a change of the clocks', () => {
  test('a time that is left out comes when the clock has moved on', () => {
    expect(times('30 2 * * * x', '2026-03-27T12:00:00Z', 3)).toEqual([
      '2026-03-28T01:30',
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ]);
    expect(times('2026-03-29 2:30 x', '2026-03-27T12:00:00Z', 2)).toEqual(['2026-03-29T01:30']);
  });
  test('a time that comes twice is met once, the first time', () => {
    expect(times('daily 2:30 x', '2026-10-23T12:00:00Z', 3)).toEqual([
      '2026-10-24T00:30',
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ]);
    expect(times('every 2 days at 2:30 x', '2026-10-22T22:00:00Z', 2)).toEqual([
      '2026-10-23T00:30',
      '2026-10-25T00:30',
    ]);
  });
  test('8:00 stays 8:00 on the clock, and an interval so many real hours', () => {
    expect(times('daily 8:00 x', '2026-10-24T00:00:00Z', 3)).toEqual([
      '2026-10-24T06:00',
      '2026-10-25T07:00',
      '2026-10-26T07:00',
    ]);
    expect(times('every 2 days at 8:00 x', '2026-10-23T07:00:00Z', 2)).toEqual([
      '2026-10-24T06:00',
      '2026-10-26T07:00',
    ]);
    expect(times('every 24h x', '2026-10-24T06:00:00Z', 2)).toEqual(['2026-10-25T06:00', '2026-10-26T06:00']);
    expect(times('tomorrow 8:00 x', '2026-10-24T10:00:00Z', 2)).toEqual(['2026-10-25T07:00']);
  });
  test('the next change is known, to the minute', () => {
    expect(nextClockChange(zone, now, 14)).toEqual({ at: at('2026-10-25T01:00:00Z'), minutes: -60 });
    expect(nextClockChange(zone, at('2026-03-20T12:00:00Z'), 14)).toEqual({
      at: at('2026-03-29T01:00:00Z'),
      minutes: 60,
    });
    expect(nextClockChange('Asia/Kathmandu', now, 400)).toBeUndefined();
  });
});

test('zones are known by name, in any case, or by their city', () => {
  expect(
    ['europe/berlin', 'Berlin', 'new york', 'America/New_York', 'utc', 'Etc/GMT+2'].map(zoneNamed),
  ).toEqual(['Europe/Berlin', 'Europe/Berlin', 'America/New_York', 'America/New_York', 'UTC', 'Etc/GMT+2']);
  expect(
    ['', 'Mars/Phobos', '+02:00', 'GMT+2', 'UTC-5', 'gmt2', 'Europe', 'x'.repeat(100)].map(zoneNamed),
  ).toEqual(Array(8).fill(undefined));
});

test('the shortest time between two is known of every kind', () => {
  const gap = (text: string): number | undefined => {
    const read = readWhen(text, { zone, now, once: false });
    return read.state === 'read' ? (shortestGap(read.when, zone, now) ?? 0) / 60_000 : undefined;
  };
  const often = [
    '*/4 * * * * x',
    '0,3 9 * * * x',
    '@hourly x',
    'every 2m x',
    'daily 8:00 and 8:04 x',
    'in 1m x',
  ];
  // The first of these is days ahead.
  const rare = ['* 9 * * mon x', 'monthly 1 9:00 and 9:02 x'];
  expect([...often, ...rare].map(gap)).toEqual([4, 3, 60, 2, 4, 0, 1, 2]);
});
