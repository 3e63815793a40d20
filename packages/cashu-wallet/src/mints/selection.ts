/*
 * Which proofs an amount is paid with. A set pays `need` when its sum, less its fee (NUT-02: the input fees of its
 * keysets in thousandths of a sat, summed and rounded up once), is `need` or more. Rounding up once makes this a plain
 * sum: each proof is worth 1000 × amount − fee, and together they must be worth 1000 × need.
 */

/** A proof as far as choosing it goes. */
export type Coin = {
  readonly amount: number;
  readonly feePpk: number;
  /** Not of the keyset that new proofs are of: spent first, so that money moves on. */
  readonly stale: boolean;
};

/** In thousandths of a sat. What is worth nothing is never chosen. */
const worth = ({ amount, feePpk }: Coin): number => amount * 1000 - feePpk;
const total = (coins: readonly Coin[]): number => coins.reduce((sum, coin) => sum + worth(coin), 0);
const descending = <T extends Coin>(coins: readonly T[]): T[] =>
  coins.toSorted((a, b) => worth(b) - worth(a));
const useful = <T extends Coin>(coins: readonly T[]): T[] => coins.filter((coin) => worth(coin) > 0);

/** The fee of spending these together, in sat. */
export const feeOf = (coins: readonly Pick<Coin, 'feePpk'>[]): number =>
  Math.ceil(coins.reduce((sum, { feePpk }) => sum + feePpk, 0) / 1000);

/**
 * At most `most` coins that pay `need` (sat), stale ones first, with little over; undefined only when no such set exists.
 */
export function selectCoins<T extends Coin>(
  coins: readonly T[],
  need: number,
  most: number,
): readonly T[] | undefined {
  const candidates = useful(coins);
  const stale = candidates.filter((coin) => coin.stale);
  const left = need * 1000 - total(stale);
  const close =
    left <= 0
      ? closeTo(stale, need * 1000)
      : join(
          stale,
          closeTo(
            candidates.filter((coin) => !coin.stale),
            left,
          ),
        );
  if (close === undefined || close.length <= most) return close;
  // The largest ones are worth most: if `most` of them do not pay it, none do.
  return closeTo(descending(candidates).slice(0, most), need * 1000);
}

const join = <T>(a: readonly T[], b: readonly T[] | undefined): readonly T[] | undefined =>
  b === undefined ? undefined : [...a, ...b];

/** Largest first whatever fits, then the smallest one that pays the rest, then nothing that is not needed. */
function closeTo<T extends Coin>(coins: readonly T[], milli: number): readonly T[] | undefined {
  const chosen: T[] = [];
  let left = milli;
  let cover: T | undefined;
  for (const coin of descending(coins)) {
    if (left <= 0) break;
    if (worth(coin) <= left) {
      chosen.push(coin);
      left -= worth(coin);
    } else cover = coin;
  }
  if (left > 0) {
    // Whatever was too much before is enough for what is left now; the last of them is the smallest.
    if (cover === undefined) return undefined;
    chosen.push(cover);
    left -= worth(cover);
  }
  const kept: T[] = [];
  for (const coin of descending(chosen).reverse()) {
    if (worth(coin) <= -left) left += worth(coin);
    else kept.push(coin);
  }
  return kept;
}

/** What has to be made of many small coins before a few can pay. */
export type Gathering<T extends Coin> = {
  /** To be swapped for fewer ones first; empty: nothing. */
  readonly first: readonly T[];
  /** What all swaps before the last one cost, in sat. */
  readonly fee: number;
  /** What pays in the end; coins that do not exist yet among them. */
  readonly inputs: readonly Coin[];
};

/**
 * How `need` is paid where a mint takes `most` inputs at once: gathering the smallest ones first, as often as it takes.
 *
 * @param feePpk of the keyset that new proofs are of
 * @returns undefined when there is not enough
 */
export function gather<T extends Coin>(
  coins: readonly T[],
  need: number,
  most: number,
  feePpk: number,
): Gathering<T> | undefined {
  let pool: readonly Coin[] = useful(coins);
  let first: readonly T[] | undefined;
  let fee = 0;
  for (;;) {
    const inputs = selectCoins(pool, need, most);
    if (inputs !== undefined) return { first: first ?? [], fee, inputs };
    if (pool.length <= most || total(pool) < need * 1000) return undefined;
    const sorted = descending(pool);
    const group = sorted.slice(-most);
    first ??= smallest(coins, most);
    const cost = feeOf(group);
    fee += cost;
    const made = powersOfTwo(group.reduce((sum, { amount }) => sum + amount, 0) - cost);
    if (made.length === 0) return undefined;
    pool = [...sorted.slice(0, -most), ...made.map((amount) => ({ amount, feePpk, stale: false }))];
  }
}

/** The `count` coins that are worth least, and more than nothing. */
export const smallest = <T extends Coin>(coins: readonly T[], count: number): readonly T[] =>
  descending(useful(coins)).slice(-count);

/** An amount in the fewest proofs. */
export function powersOfTwo(amount: number): readonly number[] {
  const powers: number[] = [];
  for (let power = 1; power <= amount; power *= 2) {
    if (Math.floor(amount / power) % 2 === 1) powers.push(power);
  }
  return powers;
}
