/** The books of a run, and how long it waits for what it is owed. */
import { expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import fc from 'fast-check';
import { figures } from '../src/paid-run/close-books.ts';
import { day, isDue, pauseFor, type Waiting } from '../src/paid-run/retry-pauses.ts';

const amount = fc.integer({ min: 0, max: 100_000 });

test('whatever a node credits and gives back, budget = spent + change + fees, and nothing is negative', () => {
  fc.assert(
    fc.property(
      amount,
      fc.integer({ min: 0, max: 50 }),
      fc.option(fc.integer({ min: 0, max: 200_000_000 }), { nil: undefined }),
      amount,
      fc.integer({ min: 0, max: 50 }),
      (face, sendFee, creditedMsat, changeFace, changeFee) => {
        const out = sat(face + sendFee);
        const change = { face: sat(changeFace), received: sat(Math.max(0, changeFace - changeFee)) };
        const books = figures({ out, face: sat(face), creditedMsat }, change);
        expect(books.spent + books.change + books.fee).toBe(out);
        expect(Math.min(books.spent, books.change, books.fee)).toBeGreaterThanOrEqual(0);
        if (creditedMsat === undefined) expect(books.spent).toBe(sat(0));
      },
    ),
  );
});

test('what the node kept is spent, what the mint took is fee', () => {
  // 2003 left; the node redeemed 2000 for 2, gave 1864 back, of which 1863 arrived.
  const books = figures(
    { out: sat(2003), face: sat(2002), creditedMsat: 2_000_000 },
    { face: sat(1864), received: sat(1863) },
  );
  expect(books).toEqual({ out: sat(2003), spent: sat(136), change: sat(1863), fee: sat(4) });
});

test('what is owed is asked for as long as it is owed: soon at first, then hourly, then daily', () => {
  const seconds = (waiting: Waiting, attempts: number, dueForMs = 0) =>
    pauseFor(waiting, attempts, dueForMs) / 1000;
  expect([0, 1, 2, 3, 4, 27].map((n) => seconds('node_away', n))).toEqual([5, 30, 120, 600, 3600, 3600]);
  expect(seconds('node_away', 1000, day)).toBe(86_400);
  // However often the bot was restarted on the first day.
  expect(seconds('node_away', 1000, day - 1)).toBe(3600);
  expect([0, 1, 2, 3, 4, 9].map((n) => seconds('ongoing', n))).toEqual([5, 10, 20, 40, 60, 60]);
  expect(seconds('ongoing', 20, 11 * 60_000)).toBe(3600);
  expect(seconds('operator', 0)).toBe(86_400);
});

test('a time that was written down while the clock was ahead is no time to wait for', () => {
  const now = 1_800_000_000_000;
  expect(isDue(now, now)).toBe(true);
  expect(isDue(now + 5000, now)).toBe(false);
  expect(isDue(now + day, now)).toBe(false);
  expect(isDue(now + day + 1, now)).toBe(true);
});
