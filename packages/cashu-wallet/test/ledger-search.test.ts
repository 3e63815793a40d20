import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { CashuWallet, LedgerEntry, LedgerFilter } from '../src/index.ts';
import { createBench, newWords, openWallet } from './support/wallet-kit.ts';

const signal = AbortSignal.timeout(30_000);
const today = new Date(2026, 10, 22).getTime();
const dayMs = 24 * 3_600_000;
const bench = createBench();
let wallet: CashuWallet;
let all: readonly LedgerEntry[];

/** More rows than are looked at at once, many of one moment, and not all in the order in which they were written. */
beforeAll(() => {
  wallet = openWallet({ url: 'http://127.0.0.1:1' }, { words: newWords(), directory: bench.folder() });
  const rows = Array.from({ length: 6_000 }, (_, index) => ({
    ...{ ts: today - (index % 40) * dayMs + Math.floor(index / 2_000), provider: 'routstr' },
    ...{ budget: sat(100), refund: sat(50), spent: sat(index % 50), fee: sat(1) },
    model: index % 3 === 0 ? undefined : `Vendor/model-${index % 3}`,
    ...{ sessionId: 's', promptPrefix: `task ${index} of 100%`, nodeUrl: undefined },
    state: index % 5 === 0 ? 'running' : 'settled',
    owner: index % 4 === 0 ? undefined : `owner ${index % 4}`,
  }));
  wallet.transaction(() => rows.forEach((row) => void wallet.ledger.append(row)));
  all = wallet.ledger.latest(20_000).toSorted((a, b) => b.ts - a.ts || b.id - a.id);
});
afterAll(() => {
  wallet.close();
  return bench.end();
});

const found = async (filter: LedgerFilter, atOnce: number) =>
  (await Array.fromAsync(wallet.ledger.search(filter, { atOnce }, signal))).flat().map(({ id }) => id);
const expected = (isMeant: (row: LedgerEntry) => boolean) => all.filter(isMeant).map(({ id }) => id);

describe('the ledger is looked through', () => {
  test('newest first, each row once, however many are taken at once', async () => {
    for (const atOnce of [700, 20_000]) expect(await found({}, atOnce)).toEqual(expected(() => true));
  });

  test('by words, owner, state and time', async () => {
    const cases: readonly (readonly [LedgerFilter, (row: LedgerEntry) => boolean])[] = [
      [{ text: 'VENDOR/model-2' }, ({ model }) => model === 'Vendor/model-2'],
      [{ text: '777 task' }, ({ promptPrefix }) => promptPrefix.includes('777')],
      [{ text: '100%' }, () => true],
      [{ text: '1%0' }, () => false],
      [{ text: 'task_1' }, () => false],
      [
        { owner: 'owner 3', state: 'running' },
        ({ owner, state }) => owner === 'owner 3' && state === 'running',
      ],
      [{ from: today - 2 * dayMs, until: today + 1 }, ({ ts }) => ts >= today - 2 * dayMs && ts < today + 1],
      [{ owner: 'nobody' }, () => false],
    ];
    for (const [filter, isMeant] of cases) expect(await found(filter, 1_000)).toEqual(expected(isMeant));
  });

  test('on from any row', async () => {
    const last = all[3_000];
    const range = { before: last && { ts: last.ts, id: last.id }, atOnce: 10 };
    for await (const rows of wallet.ledger.search({}, range, signal)) {
      expect(rows).toEqual(all.slice(3_001, 3_011));
      break;
    }
  });

  const sums = (rows: readonly { runs: number; spent: number; open: number }[]) =>
    (['runs', 'spent', 'open'] as const).map((of) => rows.reduce((sum, row) => sum + row[of], 0));
  const days = Array.from({ length: 40 }, (_, index) => new Date(2026, 10, 22 - 39 + index).getTime());

  test('and summed up by day to the same figures as !spend', () => {
    const summary = wallet.ledger.summary(days[0] ?? 0, 'owner 1');
    for (const by of ['model', 'owner'] as const) {
      const rows = wallet.ledger.spendOfDays({ days, by, owner: 'owner 1', most: 6 });
      expect(sums(rows)).toEqual(sums(summary));
      for (const { day, name } of rows)
        expect(sums(rows.filter((row) => row.day === day && row.name === name))).toEqual(
          sums(
            summary.filter((row) => row.day === new Date(day).toLocaleDateString('sv') && row[by] === name),
          ),
        );
    }
  });

  test('the dearest by their names, the others together', () => {
    // Four owners: nobody, and three.
    for (const most of [1, 2, 3, 4]) {
      const rows = wallet.ledger.spendOfDays({ days, by: 'owner', most });
      expect(sums(rows)).toEqual(
        sums(all.map((row) => ({ runs: 1, spent: row.spent + row.fee, open: openOf(row) }))),
      );
      const names = new Set(rows.map(({ name, isOthers }) => (isOthers ? 'others' : (name ?? 'nobody'))));
      expect(names.size).toBe(most);
      expect(names.has('others')).toBe(most < 4);
    }
    const [first = 0] = days;
    expect(sums(wallet.ledger.spendOfDays({ days: [first], by: 'model', most: 9 }))).toEqual(
      sums(
        all
          .filter(({ ts }) => ts < first + dayMs)
          .map((row) => ({ runs: 1, spent: row.spent + row.fee, open: openOf(row) })),
      ),
    );
    expect(wallet.ledger.spendOfDays({ days: [first - 9 * dayMs], by: 'model', most: 9 })).toEqual([]);
  });
});

const openOf = ({ state, budget, spent, refund, fee }: LedgerEntry): number =>
  state === 'settled' ? 0 : Math.max(0, budget - spent - refund - fee);
