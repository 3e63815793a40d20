import { expect, test } from 'bun:test';
import type { MintUrl } from '@nostr-dm-agent/cashu-wallet';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { withAhead } from '../../src/money/count-ahead.ts';

const mint = (name: string): MintUrl => `https://${name}.example` as MintUrl;
const part = (name: string, ready: number, sent: number) => ({
  ...{ mint: mint(name), ready: sat(ready), sent: sat(sent) },
  ...{ reserved: sat(0), incoming: sat(0) },
});
const balance = (...parts: readonly ReturnType<typeof part>[]) => ({
  ready: sat(parts.reduce((sum, { ready }) => sum + ready, 0)),
  sent: sat(parts.reduce((sum, { sent }) => sum + sent, 0)),
  ...{ reserved: sat(0), incoming: sat(0), mints: parts },
});

test('What is set aside at several mints is ready money at each of them', () => {
  const ahead = (...entries: readonly (readonly [string, number])[]): ReadonlyMap<MintUrl, Sat> =>
    new Map(entries.map(([name, amount]) => [mint(name), sat(amount)]));
  const before = balance(part('a', 100, 2001), part('b', 50, 4002), part('c', 7, 0));
  expect(withAhead(before, ahead())).toEqual(before);
  expect(withAhead(before, ahead(['a', 2001], ['b', 2001]))).toEqual(
    balance(part('a', 2101, 0), part('b', 2051, 2001), part('c', 7, 0)),
  );
  // On its way back already: it is counted once.
  expect(withAhead(before, ahead(['a', 2001], ['c', 2001]))).toEqual(
    balance(part('a', 2101, 0), part('b', 50, 4002), part('c', 7, 0)),
  );
});
