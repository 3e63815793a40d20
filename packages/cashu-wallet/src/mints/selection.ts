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

/** So many of the largest are tried with one more that covers the rest, before whatever fits is put together. */
const coverings = 32;

/** Of the sets that are found largest first, the one with the lowest fee; then the one with the least over. */
function closeTo<T extends Coin>(coins: readonly T[], milli: number): readonly T[] | undefined {
  const sorted = descending(coins);
  const chosen: T[] = [];
  let best: readonly T[] | undefined;
  const consider = (cover: T | undefined, left: number) => {
    const set = withoutSpare(cover === undefined ? chosen : [...chosen, cover], -left);
    if (best === undefined || isBetter(set, best)) best = set;
  };
  let left = milli;
  let next = 0;
  while (left > 0) {
    // What is left is covered by a coin that is not smaller: the smallest of those that were passed over.
    while (next < sorted.length && worthAt(sorted, next) > left) next += 1;
    const coin = sorted[next];
    if (coin === undefined || chosen.length <= coverings) {
      const cover = passed(sorted, chosen, next);
      if (cover !== undefined) consider(cover, left - worth(cover));
    }
    if (coin === undefined) return best;
    chosen.push(coin);
    left -= worth(coin);
    next += 1;
  }
  consider(undefined, left);
  return best;
}

const worthAt = (coins: readonly Coin[], at: number): number => {
  const coin = coins[at];
  return coin === undefined ? 0 : worth(coin);
};

/** The last coin before `end` that is not chosen. */
function passed<T extends Coin>(sorted: readonly T[], chosen: readonly T[], end: number): T | undefined {
  const taken = new Set(chosen);
  for (let at = end - 1; at >= 0; at -= 1) {
    const coin = sorted[at];
    if (coin !== undefined && !taken.has(coin)) return coin;
  }
  return undefined;
}

/** @param over what the set is worth more than it has to be, in thousandths of a sat */
function withoutSpare<T extends Coin>(set: readonly T[], over: number): readonly T[] {
  let spare = over;
  return descending(set)
    .reverse()
    .filter((coin) => {
      if (worth(coin) > spare) return true;
      spare -= worth(coin);
      return false;
    });
}

const isBetter = (a: readonly Coin[], b: readonly Coin[]): boolean =>
  feeOf(a) - feeOf(b) < 0 || (feeOf(a) === feeOf(b) && total(a) < total(b));

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
    // They could be no fewer: a mint that takes only a handful.
    if (made.length === 0 || made.length >= group.length) return undefined;
    pool = [...sorted.slice(0, -most), ...made.map((amount) => ({ amount, feePpk, stale: false }))];
  }
}

/** The `count` coins that are worth least, and more than nothing. */
const smallest = <T extends Coin>(coins: readonly T[], count: number): readonly T[] =>
  descending(useful(coins)).slice(-count);

/** An amount in the fewest proofs. */
export function powersOfTwo(amount: number): readonly number[] {
  const powers: number[] = [];
  for (let power = 1; power <= amount; power *= 2) {
    if (Math.floor(amount / power) % 2 === 1) powers.push(power);
  }
  return powers;
}
