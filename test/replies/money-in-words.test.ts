import { expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import { parseNodeUrl, usdPerSat } from '@nostr-dm-agent/routstr';
import { exchangeRate } from '../../src/money/exchange-rate.ts';
import { welcomeText } from '../../src/replies/invitation-replies.ts';
import { worthText } from '../../src/replies/provider-replies.ts';
import { firstSteps, satText } from '../../src/replies/ready-notice.ts';

const node = parseNodeUrl('https://node.example/v1');
const prices = (prompt: number, completion: number) => ({
  ...{ prompt, completion, request: 0 },
  ...{ cacheRead: undefined, cacheWrite: undefined },
});

test('a rate is the middle of what the models of a node say in both', () => {
  const honest = { usd: prices(3e-6, 15e-6), sat: prices(3e-3, 15e-3) };
  const odd = { usd: prices(1, 3e-6), sat: prices(1e-9, 3e-3) };
  expect(usdPerSat([honest, odd, { usd: undefined, sat: prices(1, 1) }])).toBeCloseTo(0.001, 6);
  expect(
    usdPerSat([
      { usd: prices(0, 0), sat: prices(0, 0) },
      { usd: prices(1, 1), sat: undefined },
    ]),
  ).toBeUndefined();
  expect(usdPerSat([])).toBeUndefined();
});

test('an amount is said in dollars, roughly, and whose rate that is; else nothing is', () => {
  const rate = exchangeRate('USD', { node, usdPerSat: 0.00103 });
  expect(worthText(sat(12_345), rate)).toBe('That is about $12.72 by the prices of node.example.');
  expect(worthText(sat(1_000_000_000), rate)).toBe(
    'That is about $1,030,000.00 by the prices of node.example.',
  );
  expect(worthText(sat(3), rate)).toBe('That is less than $0.01 by the prices of node.example.');
  expect(worthText(sat(0), rate)).toBeUndefined();
  expect(worthText(sat(100), exchangeRate(undefined, { node, usdPerSat: 0.001 }))).toBeUndefined();
  expect(worthText(sat(100), exchangeRate('EUR', { node, usdPerSat: 0.001 }))).toBeUndefined();
  expect(worthText(sat(100), exchangeRate('USD', { node, usdPerSat: undefined }))).toBeUndefined();
  expect(worthText(sat(100), exchangeRate('USD', undefined))).toBeUndefined();
});

test('what a sat is, is said where a newcomer first hears of it, and only there', () => {
  expect(firstSteps(true)).toContain(satText);
  expect(firstSteps(false)).not.toContain('sat is');
  expect(welcomeText).toContain(satText);
});
