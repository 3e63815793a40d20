/** What is spent on each day is kept beside the ledger, and says what the rows of the ledger say. */
import { Database } from 'bun:sqlite';
import { afterEach, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import fc from 'fast-check';
import type { SpendSummary } from '../src/index.ts';
import { createBench, newWords, openWallet } from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

const hour = 3_600_000;
const from = new Date(2026, 9, 20).getTime();
const owners = [undefined, ...Array.from({ length: 20 }, (_, n) => `owner-${n}`)];
const change = fc.record({
  /** Over the end of summer time, where there is one. */
  hours: fc.integer({ min: 0, max: 10 * 24 }),
  owner: fc.constantFrom(...owners),
  model: fc.constantFrom(undefined, 'a/one', 'b/two'),
  spent: fc.integer({ min: 0, max: 900 }),
  fee: fc.integer({ min: 0, max: 3 }),
  /** Which earlier row is settled in between. */
  settles: fc.option(fc.nat(), { nil: undefined }),
});
type Row = { ts: number; owner: string | undefined; model: string | undefined; cost: number; open: number };

test('whatever was entered and settled, days, owners and models add up to the rows', () => {
  const wallet = bench.wallet(bench.mint());
  const rows: Row[] = [];
  const cost = (wanted: (row: Row) => boolean): number =>
    rows.filter(wanted).reduce((sum, row) => sum + row.cost, 0);
  const sum = (of: readonly SpendSummary[], figure: 'spent' | 'open' | 'runs') =>
    of.reduce((total, row) => total + row[figure], 0);
  fc.assert(
    fc.property(
      fc.array(change, { minLength: 1, maxLength: 15 }),
      fc.integer({ min: 0, max: 11 }),
      (changes, back) => {
        for (const { hours, owner, model, spent, fee, settles } of changes) {
          const ts = from + hours * hour;
          const entry = { ts, provider: 'routstr', sessionId: 's', promptPrefix: '', nodeUrl: undefined };
          wallet.transaction(() => {
            wallet.ledger.append({
              ...{ ...entry, model, owner, state: 'running' },
              ...{ budget: sat(1000), refund: sat(0), spent: sat(spent), fee: sat(fee) },
            });
            rows.push({ ts, owner, model, cost: spent + fee, open: Math.max(0, 1000 - spent - fee) });
            const row = settles === undefined ? undefined : rows[settles % rows.length];
            if (row === undefined || settles === undefined) return;
            const figures = { refund: sat(500), spent: sat(498), fee: sat(2), state: 'settled' };
            wallet.ledger.update((settles % rows.length) + 1, figures);
            Object.assign(row, { cost: 500, open: 0 });
          });
        }
        const since = new Date(2026, 9, 20 + back).getTime();
        const all = wallet.ledger.summary(since);
        const meant = rows.filter(({ ts }) => ts >= since);
        expect(sum(all, 'spent')).toBe(cost(({ ts }) => ts >= since));
        expect(sum(all, 'open')).toBe(meant.reduce((total, { open }) => total + open, 0));
        expect(sum(all, 'runs')).toBe(meant.length);
        expect(all.map(({ day }) => day)).toEqual(
          all
            .map(({ day }) => day)
            .toSorted()
            .toReversed(),
        );
        // At any moment of a day, for one and for all.
        const moment = since + 7 * hour;
        expect(wallet.ledger.spentSince(moment)).toBe(sat(cost(({ ts }) => ts >= moment)));
        for (const owner of ['owner-3', 'owner-4']) {
          expect(sum(wallet.ledger.summary(since, owner), 'spent')).toBe(
            cost((row) => row.owner === owner && row.ts >= since),
          );
          expect(wallet.ledger.spentSince(moment, owner)).toBe(
            sat(cost((row) => row.owner === owner && row.ts >= moment)),
          );
        }
      },
    ),
    { seed: 7, numRuns: 40 },
  );
  const named = new Set(wallet.ledger.summary(from).map(({ owner, others }) => others ?? owner ?? 'nobody'));
  expect(named.size).toBe(13);
  expect([...named]).toContain(owners.length - 12);
});

test('a bot that has moved to another time zone counts its days anew', () => {
  const home = { words: newWords(), directory: bench.folder() };
  const first = openWallet({ url: 'http://127.0.0.1:1' }, home);
  const { file } = first.info();
  first.transaction(() =>
    first.ledger.append({
      ...{
        ts: from + hour,
        provider: 'routstr',
        model: 'a',
        sessionId: 's',
        promptPrefix: '',
        state: 'settled',
      },
      ...{ budget: sat(9), refund: sat(0), spent: sat(9), fee: sat(0), nodeUrl: undefined, owner: undefined },
    }),
  );
  first.close();
  const db = new Database(file);
  db.run("UPDATE settings SET value = 'elsewhere' WHERE key = 'spend_zone'");
  db.run("UPDATE spend_days SET day = '2026-10-19'");
  db.close();
  const again = openWallet({ url: 'http://127.0.0.1:1' }, home);
  expect(again.ledger.summary(from)).toMatchObject([{ day: '2026-10-20', spent: 9, runs: 1 }]);
  again.close();
});
