import { describe, expect, test } from 'bun:test';
import { type Coin, feeOf, gather, selectCoins } from '../src/mints/selection.ts';

/** Numbers that are the same in each run (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
const sum = (coins: readonly Coin[]): number => coins.reduce((all, { amount }) => all + amount, 0);
const pays = (coins: readonly Coin[], need: number): boolean => sum(coins) - feeOf(coins) >= need;
const coins = (amounts: readonly number[], feePpk: number): Coin[] =>
  amounts.map((amount) => ({ amount, feePpk, stale: false }));
/** Every subset of at most `most`. */
function* subsets(all: readonly Coin[], most: number): Generator<readonly Coin[]> {
  for (let mask = 1; mask < 2 ** all.length; mask += 1) {
    const some = all.filter((_, i) => Math.floor(mask / 2 ** i) % 2 === 1);
    if (some.length <= most) yield some;
  }
}

describe('choosing proofs', () => {
  test.each([
    [[2, 256], 1 + 2],
    [[512, 4096], 511 + 1],
    [[64, 512, 1024], 63 + 1],
    [[1, 1, 8], 2],
  ])('%p pays %p though one proof equals it', (amounts, need) => {
    expect(pays(selectCoins(coins(amounts, 100), need, 1000) ?? [], need)).toBe(true);
  });

  test('whenever some proofs pay an amount, some are found, and none that are not needed', () => {
    const draw = numbers(9);
    let found = 0;
    for (let round = 0; round < 1500; round += 1) {
      const fees = [0, 1, 100, 400, 999, 1000, 1500, 4100];
      const set = Array.from({ length: 1 + draw(9) }, () => ({
        amount: draw(3) === 0 ? 1 + draw(40) : 2 ** draw(8),
        feePpk: fees[draw(fees.length)] ?? 0,
        stale: draw(3) === 0,
      }));
      const need = 1 + draw(Math.max(2, Math.min(sum(set) + 2, 300)));
      const most = draw(4) === 0 ? 1 + draw(5) : 1000;
      const possible = [...subsets(set, most)].some((some) => pays(some, need));
      const chosen = selectCoins(set, need, most);
      expect({ set, need, most, found: chosen !== undefined }).toEqual({ set, need, most, found: possible });
      if (chosen === undefined) continue;
      found += 1;
      expect(new Set(chosen).size).toBe(chosen.length);
      expect(chosen.length).toBeLessThanOrEqual(most);
      expect(pays(chosen, need)).toBe(true);
      const fresh = chosen.filter((coin) => !coin.stale);
      for (const one of fresh) {
        expect(
          pays(
            chosen.filter((coin) => coin !== one),
            need,
          ),
        ).toBe(false);
      }
    }
    expect(found).toBeGreaterThan(500);
  });

  test('one large proof is cheaper than many small ones, where inputs cost something', () => {
    const purse = [128, ...Array(60).fill(2)];
    expect(selectCoins(coins(purse, 100), 100, 1000)).toHaveLength(1);
    expect(selectCoins(coins(purse, 0), 100, 1000)).toHaveLength(50);
  });

  test('what has an older keyset goes first, as far as it is needed', () => {
    const old: Coin = { amount: 64, feePpk: 0, stale: true };
    const big: Coin = { amount: 1024, feePpk: 0, stale: true };
    const fresh = coins([128, 64, 32], 0);
    expect(selectCoins([...fresh, old], 100, 1000)).toContain(old);
    expect(selectCoins([...fresh, big], 100, 1000)).toEqual([big]);
  });
});

describe('many small proofs', () => {
  test('1,900 of 1 sat pay 1,500 in steps that no mint refuses', () => {
    for (const feePpk of [0, 100]) {
      const plan = gather(coins(Array(1900).fill(1), feePpk), 1500, 1000, feePpk);
      expect(plan?.first).toHaveLength(1000);
      expect(plan?.fee).toBe(feePpk);
      expect(plan?.inputs.length).toBeLessThanOrEqual(1000);
      expect(pays(plan?.inputs ?? [], 1500)).toBe(true);
    }
  });
  test('nothing is gathered for what the large ones pay', () => {
    expect(gather(coins([...Array(1900).fill(1), 2048], 100), 1500, 1000, 100)?.first).toEqual([]);
  });
  test('nor where a mint takes so few at once that they would be no fewer', () => {
    expect(gather(coins([512, 256, 128, 64, 32, 8], 0), 980, 4, 0)).toBeUndefined();
  });
  test('and none for what they cannot pay', () => {
    expect(gather(coins(Array(1900).fill(1), 100), 1710, 1000, 100)).toBeUndefined();
    expect(gather(coins(Array(1900).fill(1), 1000), 1, 1000, 1000)).toBeUndefined();
  });
});
