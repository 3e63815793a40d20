/** What a node charges, gives back and says is held against its own bills. */
import { afterEach, describe, expect, test } from 'bun:test';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { openFilledWallet } from '@nostr-dm-agent/sandbox/testing/filled-wallet';
import { createNodeClient, type NodeClient } from '../src/node/node-client.ts';
import type { NodeUrl } from '../src/node/node-url.ts';
import {
  call,
  costly,
  expectAllHome,
  lastEntry,
  type PaidWorld,
  type PaidWorldOptions,
  sonnet,
  startPaidWorld,
} from './support/paid-world.ts';

let world: PaidWorld;
afterEach(() => world.end());

const minute = 60_000;
const day = 24 * 60 * minute;
const evidence = (status: number) => ({ status, code: undefined, message: '', requestId: 'req-1' });

/** A run whose one call was billed with 135.3 sat, at a node that bends its answers. */
async function spent(
  bend: Partial<NodeClient> | ((node: NodeClient) => Partial<NodeClient>),
  rest: PaidWorldOptions = {},
): Promise<void> {
  const at = (url: NodeUrl): NodeClient => {
    const node = createNodeClient(url);
    return { ...node, ...(typeof bend === 'function' ? bend(node) : bend) };
  };
  world = await startPaidWorld({
    mint: { feePpk: 0 },
    rules: { model: () => sonnet },
    ...rest,
    nodes: { at, ...rest.nodes },
  });
  const prepared = await world.prepare('r1');
  world.upstream.reply({ usage: costly });
  expect((await call(prepared)).status).toBe(200);
  await until(() => world.node.audit().reservedMsat === 0, 'the node has booked the answer');
}

describe('less comes back than the bills leave:', () => {
  /** Change of so much instead of what is right, made by somebody else. */
  const giving = (amount: number) => (): Partial<NodeClient> => ({
    refund: async (_key, keep) => {
      const payer = await openFilledWallet(world.mint.url, amount + 100);
      const token = await payer.token(amount);
      const raw = JSON.stringify({ token, sats: String(amount) });
      keep(raw);
      return { state: 'token', token, raw, evidence: evidence(200) };
    },
  });

  test.each([
    [1864, undefined],
    [1863, undefined],
    [1860, 4],
    [1500, 364],
    [20, 1844],
  ] as const)('%d sat of 1,864', async (amount, unexplained) => {
    await spent(giving(amount));
    const cost = await world.finalize('r1');
    expect(world.state('r1')).toBe('settled');
    expect(lastEntry(world)).toMatchObject({ budget: 2000, spent: 2000 - amount, refund: amount });
    expect(cost?.unexplained).toBe(unexplained);
    expect(world.outcomes('r1', 'settle')).toEqual(unexplained === undefined ? [] : ['unexplained']);
  });

  test('more than it got: what is beyond the budget is the wallet’s', async () => {
    await spent(giving(2500));
    expect(await world.finalize('r1')).toEqual({ spent: 0, budget: 2000 });
    expect(lastEntry(world)).toMatchObject({ spent: 0, refund: 2000 });
    expect(world.wallet().balance().ready).toBe(sat(world.funds + 500));
  });

  test('nothing, in a token of 1 sat that costs as much: that is no change', async () => {
    await spent(giving(1), { mint: { feePpk: 1000 } });
    await world.finalize('r1');
    expect(world.state('r1')).toBe('needs_operator');
    await world.later(day);
    expect(world.news).toMatchObject([{ id: 'r1', body: { trouble: 'balance_missing' } }]);
  });
});

/** Of each token the node has this share, by its own books as well. */
const taking = (share: number): PaidWorldOptions => ({
  node: { behaviour: { creditShare: share } },
  nodes: { mintsOf: () => [world.mint.url] },
});

describe('a node that credits less than it got:', () => {
  test.each([0.5, 0.75, 0.99])(
    '%d of the budget: what is missing is the node’s, named, with evidence',
    async (share) => {
      await spent({}, taking(share));
      const cost = await world.finalize('r1');
      const missing = 2000 - share * 2000;
      expect(lastEntry(world)).toMatchObject({ state: 'settled', spent: 136 + missing, fee: 0 });
      expect(cost).toMatchObject({ spent: 136 + missing, unexplained: missing });
      expect(world.outcomes('r1', 'credit')).toEqual(['short']);
      expect(world.outcomes('r1', 'settle')).toEqual(['unexplained']);
    },
  );

  test('a run that uses up all that was credited ends, and what is missing is named', async () => {
    await spent({}, { ...taking(0.75), rules: { model: () => sonnet, budget: () => sat(200) } });
    expect(await world.finalize('r1')).toMatchObject({ budget: 200, unexplained: 50 });
    expect(world.state('r1')).toBe('settled');
  });

  test('more money for a run, and a deposit that is kept there', async () => {
    await spent({}, taking(0.75));
    expect(await world.more('r1', 1000)).toEqual({ state: 'added', budget: 3000, short: 250 });
    expect(await world.finalize('r1')).toMatchObject({ spent: 136 + 750, unexplained: 750 });
    const { account } = world.provider();
    const deposit = (key: string) => account.deposit({ amount: sat(1000), key, owner: 'ada' }, soon());
    expect(await deposit('d')).toMatchObject({ state: 'deposited', balance: 750, short: 250 });
    expect(await deposit('e')).toMatchObject({ state: 'deposited', balance: 1500, short: 250 });
    expect(await account.refund(soon())).toMatchObject([
      { state: 'returned', received: 1500, kept: 500, fee: 0 },
    ]);
    expect(await world.wallet().check(soon())).toMatchObject({ consistent: true });
  });
});

test('a node that says that all was spent, against its bills, is not believed', async () => {
  let lies = true;
  await spent((node) => ({
    refund: async (key, keep, signal) =>
      lies ? { state: 'no_balance', evidence: evidence(400) } : node.refund(key, keep, signal),
    info: async (key, signal) =>
      lies
        ? {
            state: 'known',
            balance: { availableMsat: 0, reservedMsat: 0, totalSpentMsat: 2_000_000 },
            evidence: evidence(200),
          }
        : node.info(key, signal),
  }));
  await world.finalize('r1');
  expect(world.state('r1')).toBe('refund_due');
  for (let minutes = 0; minutes < 13; minutes += 1) await world.later(minute);
  expect(world.news).toMatchObject([{ id: 'r1', body: { trouble: 'balance_missing' } }]);
  expect(world.news[0]?.body).toMatchObject({ detail: expect.stringContaining('billed at most 135300') });
  lies = false;
  await world.later(day);
  expect(lastEntry(world)).toMatchObject({ spent: 136, state: 'settled' });
  await expectAllHome(world);
});

test.each([-5_000_000, -0.4, 1e18])(
  'a node that credits %d msat of more money breaks no books',
  async (msats) => {
    await spent((node) => ({ topup: node.topup, create: node.create }), taking(1));
    world.node.faults.add({
      endpoint: 'topup',
      when: 'after',
      effect: { kind: 'status', status: 200, body: { msats } },
    });
    expect(await world.more('r1', 1000)).toMatchObject(
      msats > 0 ? { state: 'added' } : { state: 'added', short: 1000 },
    );
    // It had it all the same, and gives it back.
    expect(await world.finalize('r1')).toEqual({ spent: 136, budget: 3000 });
    await expectAllHome(world);
  },
);

test.each([
  ['is away', 'node_silent', { state: 'not_sent', evidence: evidence(0) }],
  [
    'says for ever that requests are under way',
    'refund_stuck',
    { state: 'ongoing', evidence: evidence(400) },
  ],
] as const)('a node that %s is asked on, and after a week somebody is told', async (_, trouble, says) => {
  let silent = true;
  await spent((node) => ({
    refund: async (key, keep, signal) => (silent ? says : node.refund(key, keep, signal)),
  }));
  expect(await world.finalize('r1')).toMatchObject({ spent: 136, owed: 1864 });
  for (let days = 0; days < 6; days += 1) await world.later(day);
  expect(world.news).toEqual([]);
  await world.later(day);
  await world.later(day);
  expect(world.news).toMatchObject([{ id: 'r1', body: { trouble } }]);
  silent = false;
  await world.later(day);
  expect(lastEntry(world)).toMatchObject({ spent: 136, refund: 1864, state: 'settled' });
  await expectAllHome(world);
});

test('a 402 that the bills contradict ends the run, and is told with what it cost', async () => {
  await spent({}, { provider: { limits: { recheckMs: [1], holdMs: 50 } } });
  const prepared = await world.prepare('r2');
  const message = 'Insufficient balance: 40000 mSats required. 3000 available. (reserved: 0)';
  const error = { message, type: 'insufficient_quota', code: 'insufficient_balance' };
  const body = { detail: { error }, error, request_id: 'req-1' };
  world.node.faults.add({
    endpoint: 'chat',
    when: 'before',
    effect: { kind: 'status', status: 402, body },
    times: 9,
  });
  expect((await call(prepared)).status).toBe(400);
  expect((await call(prepared)).status).toBe(400);
  world.node.faults.clear();
  expect(await world.finalize('r2')).toEqual({
    spent: 0,
    budget: 2000,
    contradiction: { said: 3, least: 1980 },
  });
  expect(world.provider().paidRuns.evidence('r2')).toContainEqual(
    expect.objectContaining({
      step: 'call',
      outcome: 'contradiction',
      message: expect.stringContaining(message),
    }),
  );
  await world.finalize('r1');
  await expectAllHome(world);
});

test('on money that is kept at the node: what it took beyond its bills is named with the run', async () => {
  let extra = 0;
  await spent((node) => ({
    info: async (key, signal) => {
      const info = await node.info(key, signal);
      if (info.state !== 'known') return info;
      const { availableMsat, totalSpentMsat = 0, reservedMsat } = info.balance;
      return {
        ...info,
        balance: {
          availableMsat: availableMsat - extra,
          reservedMsat,
          totalSpentMsat: totalSpentMsat + extra,
        },
      };
    },
  }));
  await world.finalize('r1');
  const { account } = world.provider();
  await account.deposit({ amount: sat(3000), key: 'd', owner: 'ada' }, soon());
  const prepared = await world.prepare('r2');
  world.upstream.reply({ usage: costly });
  expect((await call(prepared)).status).toBe(200);
  await until(() => world.node.audit().reservedMsat === 0, 'the node has booked the answer');
  extra = 300_000;
  expect(await world.finalize('r2')).toMatchObject({ spent: 436, unexplained: 300 });
});
