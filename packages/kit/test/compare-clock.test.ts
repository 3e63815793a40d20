import { expect, test } from 'bun:test';
import { clockAheadOf, compareClock } from '../src/compare-clock.ts';

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;

/** A server whose clock is that far from ours. */
const serverAt = (offsetMs: number) =>
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () => new Response(null, { headers: { date: new Date(Date.now() + offsetMs).toUTCString() } }),
  });

test('a clock that is right is right, whatever the seconds of a date leave out', async () => {
  using server = serverAt(0);
  const found = await compareClock([{ name: 'one', url: server.url.href }], { now: Date.now }, never);
  expect(found).toEqual({ aheadMs: 0, sources: ['one'] });
});

test('the middle of the answers counts: one that is wrong, or away, changes nothing', async () => {
  using right = serverAt(0);
  using alsoRight = serverAt(0);
  using wrong = serverAt(-48 * HOUR_MS);
  const sources = [right, wrong, alsoRight].map(({ url }, index) => ({ name: `${index}`, url: url.href }));
  const away = { name: 'away', url: 'http://127.0.0.1:1' };
  const slow = { now: () => Date.now() - HOUR_MS };
  const found = await compareClock([away, ...sources], slow, never);
  expect(found?.sources).toEqual(['0', '2']);
  expect(Math.abs((found?.aheadMs ?? 0) + HOUR_MS)).toBeLessThan(10_000);
  expect(await compareClock([away], slow, never)).toBeUndefined();
});

test.each([
  ['', 0, 0, undefined],
  ['nonsense', 0, 0, undefined],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 60_400, 60_500, 0],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 59_000, 60_500, 0],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 70_000, 70_100, 9_000],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 30_000, 30_100, -29_900],
])('the date "%s" of an answer asked for at %d and had at %d makes %p', (date, sent, received, expected) => {
  expect(clockAheadOf(new Response(null, { headers: { date } }), sent, received)).toBe(expected);
});
