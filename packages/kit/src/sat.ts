import type { Brand } from './brand.ts';

/** Whole satoshis, never negative: the only unit of money inside the program. msat and USD exist at the edges alone. */
export type Sat = Brand<number, 'Sat'>;

/** A number that is no amount of whole satoshis. */
export class NotSatError extends Error {
  override readonly name = 'NotSatError';
  readonly value: number;
  constructor(value: number) {
    super(`${value} is not a whole, non-negative, safe number of sat`);
    this.value = value;
  }
}

/** @throws NotSatError unless `value` is a non-negative safe integer */
export function sat(value: number): Sat {
  if (!isSat(value)) throw new NotSatError(value);
  return value;
}

export function isSat(value: number): value is Sat {
  return Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0);
}

export const zeroSat: Sat = sat(0);

/** @throws NotSatError when the sum is no safe integer */
export const addSat = (...amounts: readonly Sat[]): Sat =>
  sat(amounts.reduce<number>((sum, a) => sum + a, 0));

/** @throws NotSatError when `b` is more than `a` */
export const subtractSat = (a: Sat, b: Sat): Sat => sat(a - b);

/** What is left of `a`, and nothing when `b` is more. */
export const remainingSat = (a: Sat, b: Sat): Sat => (b >= a ? zeroSat : sat(a - b));

/** Millisatoshis of an edge, what is owed to us: fractions are not ours. @throws NotSatError */
export const msatToSatFloor = (msat: number): Sat => sat(Math.floor(msat / 1000));

/** Millisatoshis of an edge, what we owe: fractions cost a whole sat. @throws NotSatError */
export const msatToSatCeil = (msat: number): Sat => sat(Math.ceil(msat / 1000));

/**
 * Reads an amount as an owner types it: `2000`, `2,000`, `2 000`, `2k`, `1.5k`, `2000sat`, `2000 sats`. Undefined for
 * anything else, zero, fractions of a sat and more than all bitcoin included.
 */
export function parseSat(text: string): Sat | undefined {
  const match =
    /^(\d{1,16}|\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+)(?:\.(\d{1,3}))?\s*(k)?\s*(?:sats?)?$/i.exec(
      text.trim(),
    );
  if (!match) return undefined;
  const [, whole = '', fraction = '', kilo] = match;
  if (fraction !== '' && kilo === undefined) return undefined;
  const number = Number(whole.replaceAll(/[, ]/g, ''));
  const value = kilo === undefined ? number : number * 1000 + Number(fraction.padEnd(3, '0'));
  return isSat(value) && value > 0 && value <= 21e14 ? value : undefined;
}

/** For people: `1,234 sat`. */
export const formatSat = (amount: Sat): string => `${amount.toLocaleString('en-US')} sat`;
