import { describe, expect, test } from 'bun:test';
import { whenProblems } from '../../src/replies/schedule-replies.ts';
import { describeWhen, formatTime } from '../../src/replies/when-in-words.ts';
import { readReminder, readWhen } from '../../src/schedules/read-when.ts';
import { nextTime } from '../../src/schedules/when.ts';

/*
 * Times as people type them on phones, that are not on the page: they are read as they are meant, or refused with what to type
 * instead, which is read.
 */

const zone = 'Europe/Berlin';
/** A Friday, 14:00 in Berlin. */
const now = Date.parse('2026-10-23T12:00:00Z');
const leads: Readonly<Record<string, readonly string[]>> = { every: ['every'], at: ['at', 'on'], in: ['in'] };

function reading(typed: string, from = now) {
  const [, command = '', text = ''] = /^!(\w+) (.*)$/s.exec(typed) ?? [];
  const setting = { zone, now: from, once: command !== 'every' && command !== 'schedule' };
  const read = command === 'remind' ? readReminder(text, setting) : readWhen(text, setting, leads[command]);
  return { read, text };
}

function told(typed: string, from = now): string {
  const { read } = reading(typed, from);
  if (read.state !== 'read') return read.state;
  const next = nextTime(read.when, zone, from);
  const words = read.when.kind === 'once' ? 'once' : `${describeWhen(read.when, zone, from)}, from`;
  return `${words} ${next && formatTime(next, zone, from)} | ${read.rest}`;
}

const read: readonly (readonly [string, string])[] = [
  ['!every Weekday at 9 run the tests', 'weekdays 09:00, from Mon 26 Oct 09:00 | run the tests'],
  ['!every Mon. and Thu. 18.30 tidy', 'Mon, Thu 18:30, from Mon 26 Oct 18:30 | tidy'],
  ['!every mon.-fri. 9 standup', 'weekdays 09:00, from Mon 26 Oct 09:00 | standup'],
  ['!every Monday – Friday 9:00 x', 'weekdays 09:00, from Mon 26 Oct 09:00 | x'],
  ['!every Weekdays 8:00. Run the tests', 'weekdays 08:00, from Mon 26 Oct 08:00 | Run the tests'],
  ['!every day 8 o’clock look', 'daily 08:00, from Sat 24 Oct 08:00 | look'],
  ['!every day at 9:00 sharp look', 'daily 09:00, from Sat 24 Oct 09:00 | look'],
  ['!every day 8 AM look', 'daily 08:00, from Sat 24 Oct 08:00 | look'],
  ['!every thurs 9.30 p.m. look', 'Thu 21:30, from Thu 29 Oct 21:30 | look'],
  ['!every monday 15:00 3 tests to run', 'Mon 15:00, from Mon 26 Oct 15:00 | 3 tests to run'],
  ['!every monday at 9 tests of all modules', 'Mon 09:00, from Mon 26 Oct 09:00 | tests of all modules'],
  ['!every monday 9 status report', 'Mon 09:00, from Mon 26 Oct 09:00 | status report'],
  ['!every other day 9 water', 'every 2 days 09:00, from Sat 24 Oct 09:00 | water'],
  ['!at 21:00 h look', 'once today 21:00 | look'],
  ['!every day at midnight x', 'daily 00:00, from Sat 24 Oct 00:00 | x'],
  ['!in half an hour look', 'once today 14:30 | look'],
  ['!in 2h. Check the build', 'once today 16:00 | Check the build'],
  ['!in 20mins look', 'once today 14:20 | look'],
  ['!at noon eat', 'once Sat 24 Oct 12:00 | eat'],
  ['!at tomorrow noon eat', 'once Sat 24 Oct 12:00 | eat'],
  ['!at 17 look', 'once today 17:00 | look'],
  ['!at tonight 1am restart', 'once Sat 24 Oct 01:00 | restart'],
  ['!at tonight at 1:30 restart', 'once Sat 24 Oct 01:30 | restart'],
  ['!at tonight midnight restart', 'once Sat 24 Oct 00:00 | restart'],
  ['!at tonight 12am restart', 'once Sat 24 Oct 00:00 | restart'],
  ['!at Tonight 9 call', 'once today 21:00 | call'],
  ['!remind to call Anna tonight at 1am', 'once Sat 24 Oct 01:00 | to call Anna'],
  ['!remind buy 3 apples at 9am', 'once Sat 24 Oct 09:00 | buy 3 apples'],
];

/** What is typed, why it is not read, and a part of the sentence that, typed in its place, is. */
const refused: readonly (readonly [string, keyof typeof whenProblems, string])[] = [
  ['!every monday 3 tests to run', 'hour', 'monday 15:00 3 tests to run'],
  ['!every monday 9 tests to run', 'hour', 'monday 15:00'],
  ['!every monday 12 new issues', 'hour', 'monday 15:00'],
  ['!every monday 10-minute standup', 'hour', 'monday 15:00'],
  ['!every friday 9 people to call', 'hour', 'monday 15:00'],
  ['!every monday 2.10 release', 'hour', '15:00'],
  ['!every daily 8:00 and 3 tests', 'hour', '15:00'],
  ['!at 3 call Anna', 'hour', '15:00'],
  ['!at 6 call Anna', 'hour', '15:00'],
  ['!remind call Anna at 9', 'hour', '15:00'],
  ['!at tonight 3 tests', 'hour', '15:00'],
  ['!at tonight 8am x', 'not_night', 'tonight 20:00'],
  ['!at tonight 12 x', 'not_night', 'tomorrow 8:00'],
  ['!at friday midnight x', 'midnight', '23:59'],
  ['!every friday at midnight x', 'midnight', '0:00'],
  ['!at today midnight x', 'midnight', '23:59'],
  ['!at tomorrow morning call', 'no_time', 'tomorrow 9:00'],
  ['!at tomorrow evening at 8 x', 'no_time', 'tonight 9pm'],
  ['!at 9 in the morning x', 'unclear', 'tomorrow 9:00'],
  ['!every morning at 8 x', 'unknown', 'daily 8:00'],
  ['!at eod x', 'unknown', 'today 18:00'],
  ['!at tmrw 9am x', 'unknown', 'tomorrow 9:00'],
  ['!at 9am tmrw x', 'unclear', 'tomorrow 9:00'],
  ['!at 9am on wednsday x', 'unclear', 'wednesday 9:00'],
  ['!remind call mum tmrw at 9am', 'unclear', 'tomorrow 9:00'],
  ['!remind gym wednsday 9:00', 'unknown', 'wednesday 9:00'],
  ['!at tomorow 9am x', 'unknown', 'tomorrow 9:00'],
  ['!every wednsday 9:00 x', 'unknown', 'wednesday 9:00'],
  ['!every Tuseday 9 x', 'unknown', 'tuesday 9:00'],
  ['!every other day look', 'no_time', 'daily 8:00'],
  ['!every 1st 9:00 pay', 'unknown', 'monthly 1 9:00'],
  ['!every 1st pay', 'unknown', 'monthly 1 9:00'],
  ['!every first monday 9:00 plan', 'unknown', 'first monday of the month 9:00'],
  ['!every week plan', 'unknown', 'monday 9:00'],
  ['!every day 0800 x', 'no_time', '8:00'],
  ['!every day 8;00 x', 'unclear', '8:00'],
  ['!every day at half past 8 x', 'no_time', '8:30'],
  ['!every twice a day x', 'unknown', 'daily 8:00 and 18:00'],
  ['!every hour at :15 x', 'unclear', '15 * * * *'],
  ['!in two hours x', 'unknown', 'in 20m'],
  ['!in a few minutes x', 'unknown', 'in 20m'],
  ['!in a quarter of an hour x', 'unknown', '15m'],
  ['!in 5 x', 'unknown', '5m'],
  ['!in 1 hour 30 x', 'unclear', '1h30m'],
  ['!in 2 months x', 'unknown', '24 dec 18:00'],
  ['!at 24/12 18:00 x', 'unknown', '24 dec 18:00'],
  ['!at 24.12 18:00 x', 'unknown', '24.12. 18:00'],
  ['!at 1730 x', 'unknown', '17:30'],
  ['!at around 9 x', 'unknown', '9:00'],
];

describe('a time typed on a phone', () => {
  test.each([...read])('%p is %p', (typed, wanted) => {
    expect(told(typed)).toBe(wanted);
  });
  test.each([...refused])('%p is none (%p): %p would be', (typed, state, instead) => {
    const { read: found, text } = reading(typed);
    expect(found.state).toBe(state as 'hour');
    expect(whenProblems[state](text)).toContain(instead);
    const again = /^[\d:]+$/.test(instead) ? `!every daily ${instead}` : `!schedule ${instead}`;
    const way = /^\d+\w*m$/.test(instead) ? `!in ${instead} x` : `${again} x`;
    expect(reading(way).read.state).toBe('read');
  });
  test.each([
    ...['gym next week at 9am', 'pay rent monthly at 9am', 'look back in 2 months at 9am'],
    ...['pay on 5/5 at 9am', 'cake on my birthday at 9am', 'sing on christmas eve at 6pm'],
  ])('%p names a day that is not read: none is taken in its place', (text) => {
    expect(['unclear', 'unknown']).toContain(reading(`!remind ${text}`).read.state);
  });
  test('after midnight, tonight is the night that it is', () => {
    const night = Date.parse('2026-10-22T22:30:00Z');
    expect(told('!at tonight 1am x', night)).toBe('once today 01:00 | x');
    expect(told('!at tonight 10pm x', night)).toBe('once today 22:00 | x');
    expect(told('!at 6 x', night)).toBe('once today 06:00 | x');
  });
});

/*
 * Both changes of 2026: Berlin 29 Mar 2:00→3:00, 25 Oct 3:00→2:00. New York 8 Mar 2:00→3:00, 1 Nov 2:00→1:00. Lord Howe, by half an
 * hour, 5 Apr 2:00→1:30, 4 Oct 2:00→2:30. Cairo at midnight: 24 Apr 0:00→1:00, 29 Oct 24:00→23:00. The others have none.
 */
const clocks: readonly (readonly [string, string, string, readonly string[]])[] = [
  ['Europe/Berlin', 'daily 2:30', '2026-03-27T12:00Z', ['03-28T01:30', '03-29T01:00', '03-30T00:30']],
  ['Europe/Berlin', 'daily 2:30', '2026-10-23T12:00Z', ['10-24T00:30', '10-25T00:30', '10-26T01:30']],
  ['Europe/Berlin', 'daily 8:00', '2026-10-24T00:00Z', ['10-24T06:00', '10-25T07:00', '10-26T07:00']],
  ['America/New_York', 'daily 2:30', '2026-03-07T00:00Z', ['03-07T07:30', '03-08T07:00', '03-09T06:30']],
  ['America/New_York', 'daily 1:30', '2026-10-31T00:00Z', ['10-31T05:30', '11-01T05:30', '11-02T06:30']],
  ['America/New_York', 'daily 8:00', '2026-03-07T00:00Z', ['03-07T13:00', '03-08T12:00', '03-09T12:00']],
  [
    'America/New_York',
    'every other day 8:00',
    '2026-10-31T00:00Z',
    ['10-31T12:00', '11-02T13:00', '11-04T13:00'],
  ],
  ['Australia/Lord_Howe', 'daily 2:15', '2026-10-02T00:00Z', ['10-02T15:45', '10-03T15:30', '10-04T15:15']],
  ['Australia/Lord_Howe', 'daily 1:45', '2026-04-03T00:00Z', ['04-03T14:45', '04-04T14:45', '04-05T15:15']],
  ['Australia/Lord_Howe', 'sundays 8:00', '2026-03-28T22:00Z', ['04-04T21:30', '04-11T21:30', '04-18T21:30']],
  ['Africa/Cairo', 'daily 0:30', '2026-04-22T12:00Z', ['04-22T22:30', '04-23T22:00', '04-24T21:30']],
  ['Africa/Cairo', 'daily 23:30', '2026-10-28T12:00Z', ['10-28T20:30', '10-29T20:30', '10-30T21:30']],
  ['Asia/Kathmandu', 'daily 2:30', '2026-03-27T12:00Z', ['03-27T20:45', '03-28T20:45', '03-29T20:45']],
  ['America/Phoenix', 'daily 2:30', '2026-03-07T00:00Z', ['03-07T09:30', '03-08T09:30', '03-09T09:30']],
  ['UTC', 'daily 2:30', '2026-10-24T00:00Z', ['10-24T02:30', '10-25T02:30', '10-26T02:30']],
];
test.each([...clocks])('%s: %s from %s on', (there, typed, from, wanted) => {
  const start = Date.parse(from);
  const found = readWhen(`${typed} x`, { zone: there, now: start, once: false });
  const times: string[] = [];
  for (let at: number | undefined = start; found.state === 'read' && times.length < 3; ) {
    at = nextTime(found.when, there, at);
    if (at === undefined) break;
    times.push(new Date(at).toISOString().slice(5, 16));
  }
  expect(times).toEqual([...wanted]);
});
