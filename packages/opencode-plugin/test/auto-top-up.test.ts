import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTopUpBook } from '../src/auto-top-up.ts';

const home = mkdtempSync(join(tmpdir(), 'opencode-topups-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

test('the cap of a day holds for all processes together and across restarts; a day later it is free again', () => {
  const clock = { now: () => new Date(2026, 10, 28, 23, 0).getTime() };
  const one = openTopUpBook(home, clock);
  const two = openTopUpBook(home, clock);
  expect(one.reserve(2_000, 5_000)).toHaveProperty('id');
  const second = two.reserve(2_000, 5_000);
  expect(second).toHaveProperty('id');
  expect(one.reserve(2_000, 5_000)).toEqual({ used: 4_000 });
  one.close();
  const later = openTopUpBook(home, clock);
  expect(later.reserve(2_000, 5_000)).toEqual({ used: 4_000 });
  // What had not moved after all can be taken by the next.
  if ('id' in second) two.release(second.id);
  expect(later.reserve(2_000, 5_000)).toHaveProperty('id');
  const tomorrow = openTopUpBook(home, { now: () => clock.now() + 2 * 3_600_000 });
  expect(tomorrow.reserve(5_000, 5_000)).toHaveProperty('id');
  for (const book of [two, later, tomorrow]) book.close();
});
