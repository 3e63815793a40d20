import { expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  addSat,
  formatSat,
  msatToSatCeil,
  msatToSatFloor,
  NotSatError,
  parseSat,
  remainingSat,
  sat,
  subtractSat,
} from '../src/sat.ts';

test('an amount is whole, safe and never negative', () => {
  for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -0]) {
    expect(() => sat(bad)).toThrow(NotSatError);
  }
  expect(() => subtractSat(sat(1), sat(2))).toThrow(NotSatError);
  expect(addSat(sat(1), sat(2), sat(3))).toBe(sat(6));
  expect(remainingSat(sat(1), sat(2))).toBe(sat(0));
});

test('owners write amounts as they like', () => {
  const read: readonly (readonly [string, number])[] = [
    ['2000', 2000],
    ['2k', 2000],
    ['2K', 2000],
    ['2000sat', 2000],
    ['2000sats', 2000],
    ['2000 sats', 2000],
    ['1.5k', 1500],
    ['2,000', 2000],
    ['1,234,567 sat', 1_234_567],
    ['0.001k', 1],
    [' 21 ', 21],
  ];
  for (const [text, value] of read) expect(parseSat(text), text).toBe(sat(value));
  for (const text of [
    '',
    '0',
    '-5',
    '1.5',
    '2m',
    'k',
    '1e3',
    '20,00',
    '1.2345k',
    '9999999999999999',
    '5 dollars',
  ]) {
    expect(parseSat(text), text).toBeUndefined();
  }
});

test('whatever is printed can be read back', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 21e14 }), (n) => parseSat(formatSat(sat(n))) === n));
});

test("millisatoshis are rounded in the payer's disfavour", () => {
  expect(msatToSatFloor(1999)).toBe(sat(1));
  expect(msatToSatCeil(1001)).toBe(sat(2));
});
