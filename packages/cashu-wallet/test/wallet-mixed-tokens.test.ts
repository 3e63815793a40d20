/** Tokens that hold our own unclaimed proofs beside those of others: all that is to be had is had. */
import { afterEach, expect, test } from 'bun:test';
import { getEncodedToken, type Proof } from '@cashu/cashu-ts';
import { sat } from '@nostr-dm-agent/kit/sat';
import { TokenRefusedError } from '../src/wallet-errors.ts';
import type { Redeemed } from '../src/wallet-types.ts';
import {
  balanceFromWords,
  createBench,
  fund,
  newWords,
  rewritten,
  soon,
  stranger,
} from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

async function ready() {
  const mint = bench.mint({ feePpk: 100 });
  const words = newWords();
  const wallet = bench.wallet(mint, { words });
  await fund(wallet, 1000);
  const friend = await stranger(mint);
  const told: Redeemed[] = [];
  wallet.onRedeemed((redeemed) => {
    told.push(redeemed);
  });
  /** A token of ours that somebody has, and its proofs. */
  const given = async (amount: number) => {
    const { operation } = await wallet.send({ amount: sat(amount) }, soon());
    const token = wallet.handOver(operation, 'a friend');
    return { operation, token, proofs: friend.wallet.decodeToken(token).proofs };
  };
  const receive = (proofs: readonly Proof[]) =>
    wallet.receive(
      getEncodedToken({ mint: mint.url, proofs: [...proofs], unit: 'sat' }),
      { cap: true, owner: 'ada' },
      soon(),
    );
  const expectWhole = async () => {
    const { ready: free, sent, reserved, incoming } = wallet.balance();
    expect({ reserved, incoming }).toEqual({ reserved: sat(0), incoming: sat(0) });
    expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
    expect(await balanceFromWords(mint, words)).toBe(free + sent);
    expect(mint.audit()).toMatchObject({ balanced: true });
  };
  const spent = (proofs: readonly Proof[]) =>
    proofs.every(({ secret }) => mint.stateOfSecret(secret) === 'SPENT');
  return { mint, wallet, friend, told, given, receive, expectWhole, spent };
}

test('ours and theirs in one token: both are redeemed, and only theirs is brought in', async () => {
  const { wallet, friend, told, given, receive, expectWhole, spent } = await ready();
  const ours = await given(100);
  const theirs = await friend.proofs(300);
  const before = wallet.balance();
  const received = await receive([...theirs.slice(0, 2), ...ours.proofs, ...theirs.slice(2)]);
  expect(spent([...ours.proofs, ...theirs])).toBe(true);
  expect(wallet.balance()).toMatchObject({ sent: sat(0), ready: sat(before.ready + received.amount) });
  expect(received.amount).toBeGreaterThan(395);
  expect(wallet.operation(ours.operation)).toMatchObject({ state: 'reclaimed' });
  expect(told).toMatchObject([{ kind: 'reclaimed', sent: ours.operation }]);
  expect(wallet.shares.brought('ada', 0)).toBeWithin(298, 301);
  await expectWhole();
});

test('two tokens of ours and one of theirs in one', async () => {
  const { wallet, friend, given, receive, expectWhole, spent } = await ready();
  const [one, two] = [await given(100), await given(50)];
  const theirs = await friend.proofs(64);
  await receive([...one.proofs, ...theirs, ...two.proofs]);
  expect(spent([...one.proofs, ...two.proofs, ...theirs])).toBe(true);
  for (const { operation } of [one, two]) {
    expect(wallet.operation(operation)).toMatchObject({ state: 'reclaimed' });
  }
  await expectWhole();
});

test('a part of ours comes back with theirs: the rest stays with whoever has it', async () => {
  const { wallet, friend, given, receive, expectWhole, spent } = await ready();
  const ours = await given(100);
  const [back, ...kept] = ours.proofs;
  if (!back || kept.length === 0) throw new Error('two proofs are needed');
  const theirs = await friend.proofs(64);
  await receive([...theirs, back]);
  expect(spent([...theirs, back])).toBe(true);
  expect(wallet.operation(ours.operation)).toMatchObject({ state: 'handed_over' });
  const left = kept.reduce((sum, { amount }) => sum + amount.toNumber(), 0);
  expect(wallet.balance().sent).toBe(sat(left));
  await expectWhole();
  // It is theirs to claim still.
  await friend.wallet.receive(kept);
  await wallet.check(soon());
  expect(wallet.operation(ours.operation)).toMatchObject({ state: 'claimed' });
  await expectWhole();
});

test('a part of ours alone: the rest is not taken from whoever has it, and comes back when it is sent too', async () => {
  const { wallet, given, receive, expectWhole, spent } = await ready();
  const ours = await given(100);
  const [back, ...rest] = ours.proofs;
  if (!back || rest.length === 0) throw new Error('two proofs are needed');
  await receive([back]);
  expect(spent([back])).toBe(true);
  expect(spent(rest.slice(0, 1))).toBe(false);
  await receive(rest);
  expect(wallet.operation(ours.operation)).toMatchObject({ state: 'reclaimed' });
  expect(wallet.balance().sent).toBe(sat(0));
  await expectWhole();
});

test('what was claimed meanwhile is left out, and what was received before is not counted again', async () => {
  const { wallet, friend, given, receive, expectWhole } = await ready();
  const ours = await given(100);
  await friend.redeem(ours.token);
  const before = await friend.proofs(32);
  await receive(before);
  const theirs = await friend.proofs(300);
  expect((await receive([...ours.proofs, ...theirs, ...before])).amount).toBeWithin(298, 301);
  expect(wallet.operation(ours.operation)).toMatchObject({ state: 'claimed' });
  await expectWhole();
});

test('of a kept token what is new is its money; what is ours comes back as what it was', async () => {
  const { mint, wallet, friend, given, told, expectWhole, spent } = await ready();
  const ours = await given(100);
  const theirs = await friend.proofs(300);
  const token = getEncodedToken({ mint: mint.url, proofs: [...ours.proofs, ...theirs], unit: 'sat' });
  const kept = wallet.keep(token, 'node');
  const received = await wallet.redeem(kept, soon());
  expect(received.amount).toBeWithin(295, 301);
  expect(spent([...ours.proofs, ...theirs])).toBe(true);
  expect(told).toMatchObject([{ kind: 'kept', token: kept, received }, { kind: 'reclaimed' }]);
  const only = await given(50);
  const own = wallet.keep(only.token, 'node');
  expect(await refusal(wallet.redeem(own, soon()))).toBe('already-received');
  expect(wallet.keptState(own)).toBe('known');
  expect(wallet.operation(only.operation)).toMatchObject({ state: 'reclaimed' });
  expect(told.slice(2)).toMatchObject([{ kind: 'reclaimed', sent: only.operation }]);
  expect(wallet.balance()).toMatchObject({ sent: sat(0), incoming: sat(0) });
  await expectWhole();
});

test('a kept token that came in before, as it was or in other words, brings nothing, and is told of once', async () => {
  const { mint, wallet, friend, told, receive, expectWhole } = await ready();
  const first = await friend.token(200);
  const one = wallet.keep(first, 'node');
  const { amount } = await wallet.redeem(one, soon());
  const two = wallet.keep(await rewritten(mint, first), 'node');
  expect(two).not.toBe(one);
  expect(await refusal(wallet.redeem(two, soon()))).toBe('already-received');
  await wallet.recover(soon());
  expect(await refusal(wallet.redeem(two, soon()))).toBe('already-received');
  expect([wallet.keptState(one), wallet.keptState(two)]).toEqual(['redeemed', 'known']);
  expect(await wallet.redeem(one, soon())).toMatchObject({ amount });
  // Received by hand, before anybody kept it.
  const byHand = await friend.proofs(100);
  await receive(byHand);
  const three = wallet.keep(getEncodedToken({ mint: mint.url, proofs: byHand, unit: 'sat' }), 'node');
  expect(await refusal(wallet.redeem(three, soon()))).toBe('already-received');
  expect(told).toHaveLength(1);
  await expectWhole();
});

const refusal = async (work: Promise<unknown>): Promise<string | undefined> => {
  const error = await work.then(() => undefined).catch((cause: unknown) => cause);
  return error instanceof TokenRefusedError ? error.problem.kind : undefined;
};
