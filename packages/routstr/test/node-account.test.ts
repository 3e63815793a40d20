/** Money that is kept at a node across runs: deposited, spent by run after run, and brought home to the sat. */
import { afterEach, describe, expect, test } from 'bun:test';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import type { DepositResult } from '../src/paid-run/node-account.ts';
import {
  asked,
  call,
  costly,
  expectAllHome,
  type PaidWorld,
  type PaidWorldOptions,
  ready,
  refusalOf,
  sonnet,
  startPaidWorld,
} from './support/paid-world.ts';

let world: PaidWorld;
const begin = async (options: PaidWorldOptions = {}): Promise<void> => {
  world = await startPaidWorld({ ...options, rules: { model: () => sonnet, ...options.rules } });
};
afterEach(() => world.end());

const account = () => world.provider().account;
let messages = 0;
const deposit = (amount: number, key = `m${messages++}`): Promise<DepositResult> =>
  account().deposit({ amount: sat(amount), key, owner: 'ada' }, soon());
const refund = () => account().refund(soon());
const kept = (): number => account().books()[0]?.balance ?? 0;
const spend = async (run: string, budget?: number): Promise<void> => {
  const prepared = await world.prepare(run, budget === undefined ? {} : { budget });
  world.upstream.reply({ usage: costly });
  expect((await call(prepared)).status).toBe(200);
  await until(() => world.node.audit().reservedMsat === 0, 'the node has booked the answer');
};
/** At every moment: wallet + what runs cost + what the account's row holds = what was put in. */
const expectBooks = async (): Promise<void> => {
  const wallet = world.wallet();
  const rows = wallet.ledger.latest(1000).filter(({ state }) => state !== 'spending');
  const out = rows.reduce((sum, row) => sum + row.budget - row.refund, 0);
  expect(wallet.balance().ready + out).toBe(world.funds);
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [] });
  expect(world.node.audit().balanced).toBe(true);
};

describe('an account at a node', () => {
  for (const feePpk of [0, 100]) {
    test(`is filled, spent from by run after run, and emptied, at a mint that takes ${feePpk} ppk`, async () => {
      await begin({ mint: { feePpk } });
      expect(await deposit(5000)).toMatchObject({ state: 'deposited', amount: 5000, balance: 5000 });
      await expectBooks();
      expect(await deposit(1000)).toMatchObject({ state: 'deposited', balance: 6000 });
      const requests = world.node.requests.length;
      await spend('r1');
      expect(await world.finalize('r1')).toMatchObject({ spent: 136, budget: 2000 });
      // Nothing was minted for it: the balance is looked at before and after, and that is all.
      expect(world.node.requests.slice(requests)).toEqual([
        'GET /v1/balance/info',
        'POST /v1/chat/completions',
        'GET /v1/balance/info',
      ]);
      await expectBooks();
      await spend('r2');
      // 135.3 sat twice are 270.6: both together are rounded up, not each.
      expect(await world.finalize('r2')).toMatchObject({ spent: 135, budget: 2000 });
      expect(kept()).toBe(5729);
      expect(world.provider().usedSince(0)).toBe(sat(271 + (feePpk === 0 ? 0 : feesSoFar())));
      const [back] = await refund();
      expect(back).toMatchObject({ state: 'returned', kept: 0 });
      if (feePpk === 0) expect(back).toMatchObject({ received: 5729, fee: 0 });
      expect(account().books()).toEqual([]);
      await expectAllHome(world);
    });
  }
  const feesSoFar = (): number =>
    world
      .wallet()
      .ledger.latest(99)
      .reduce((sum, row) => sum + row.fee, 0);

  test('is a thing of the bot alone: the agent gets a key that nobody but the meter knows', async () => {
    await begin();
    await deposit(5000);
    const prepared = await world.prepare('r1');
    const { key } = ready(prepared);
    expect(key).toMatch(/^sk-[0-9a-f]{64}$/);
    const atNode = await fetch(`${world.node.url}/v1/balance/info`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(atNode.status).toBe(401);
    expect((await call(prepared)).status).toBe(200);
    await world.finalize('r1');
    const second = ready(await world.prepare('r2')).key;
    expect(second).not.toBe(key);
    await world.finalize('r2');
    await refund();
    await expectAllHome(world);
  });

  test('holds each run in its budget, and refuses models that have no price', async () => {
    await begin({
      rules: { model: (name) => (name === sonnet.id ? sonnet : undefined) },
      provider: { limits: { holdMs: 50 } },
    });
    await deposit(5000);
    const prepared = await world.prepare('r1', { budget: 140 });
    world.upstream.reply({ usage: costly });
    expect((await call(prepared)).status).toBe(200);
    const calling = call(prepared, {
      body: JSON.stringify({
        model: 'claude-sonnet-4.5',
        stream: true,
        max_tokens: 1000,
        messages: [{ role: 'user', content: 'hi' }],
      }),
    });
    await until(() => world.provider().usage('r1')?.held === true, 'the run waits for money');
    expect((await calling).status).toBe(402);
    const unpriced = await call(prepared, {
      body: JSON.stringify({ model: 'gpt-oss-20b', stream: true, messages: [] }),
    });
    expect(unpriced.status).toBe(400);
    await world.finalize('r1');
    await refund();
    await expectAllHome(world);
  });

  test('is shared by runs side by side: each has its budget reserved, and who finds too little has a token', async () => {
    await begin();
    await deposit(4500);
    await world.prepare('r1');
    await world.prepare('r2');
    expect(world.state('r1')).toBe('spending');
    expect(world.state('r2')).toBe('spending');
    expect(account().books()).toMatchObject([{ runs: 2 }]);
    // 500 are left that nobody has a claim to.
    await world.prepare('r3');
    expect(world.state('r3')).toBe('running');
    expect(world.provider().usedSince(0)).toBeGreaterThanOrEqual(6000);
    expect(await world.finalize('r1')).toMatchObject({ spent: 0, budget: 2000 });
    expect(world.state('r1')).toBe('unreckoned');
    expect(await world.finalize('r2')).toMatchObject({ spent: 0, budget: 2000 });
    expect([world.state('r1'), world.state('r2')]).toEqual(['settled', 'settled']);
    await world.finalize('r3');
    await refund();
    await expectAllHome(world);
  });

  test('pays more for a run that asks for it, and is topped up when it has too little', async () => {
    await begin();
    await deposit(1000);
    await spend('r1', 700);
    expect(await world.more('r1', 200)).toEqual({ state: 'added', budget: 900 });
    expect(asked(world.node, '/topup')).toBe(0);
    expect(await world.more('r1', 1000)).toEqual({ state: 'added', budget: 1900 });
    expect(asked(world.node, '/topup')).toBe(1);
    expect(await world.finalize('r1')).toMatchObject({ spent: 136, budget: 1900 });
    expect(kept()).toBe(1864);
    await expectBooks();
    await refund();
    await expectAllHome(world);
  });

  test('is not emptied while a run uses it, and not filled while it is being emptied', async () => {
    await begin();
    await deposit(3000, 'kept');
    await spend('r1');
    expect(await refund()).toMatchObject([{ state: 'in_use', runs: 1 }]);
    expect(asked(world.node, '/refund')).toBe(0);
    await world.finalize('r1');
    world.node.faults.add({ endpoint: 'refund', when: 'before', effect: { kind: 'html' }, times: 3 });
    expect(await refund()).toMatchObject([{ state: 'under_way' }]);
    expect(refusalOf(await deposit(1000))).toMatchObject({ kind: 'leaving' });
    expect(account().books()).toMatchObject([{ state: 'leaving', balance: 2864 }]);
    // A run meanwhile has a token of its own.
    await world.prepare('r2');
    expect(world.state('r2')).toBe('running');
    await world.finalize('r2');
    await world.later(60_000);
    await world.later(60_000);
    expect(world.told()).toEqual(['deposit-kept settled']);
    expect(account().books()).toEqual([]);
    expect(await deposit(1000)).toMatchObject({ state: 'deposited', balance: 1000 });
    await refund();
    await expectAllHome(world);
  });

  test('stays where it is when another node is chosen, and comes home all the same', async () => {
    await begin();
    await deposit(3000);
    const other = startSandboxNode({
      mints: [world.mint.url],
      upstream: { baseUrl: world.upstream.baseUrl },
    });
    world.settings.node = other.url;
    await world.prepare('r1');
    expect(world.state('r1')).toBe('running');
    await world.finalize('r1');
    expect(account().books()).toMatchObject([{ node: `${world.node.url}/v1`, balance: 3000 }]);
    expect(world.provider().status().owed).toMatchObject({ kept: 3000 });
    expect(await refund()).toMatchObject([{ state: 'returned', node: `${world.node.url}/v1` }]);
    await other.stop();
    const rows = world.wallet().ledger.latest(9);
    expect(rows.every(({ state }) => state === 'settled')).toBe(true);
    await expectBooks();
  });

  test('that is spent to the last msat is closed by what the node says', async () => {
    await begin();
    await deposit(1000);
    const prepared = await world.prepare('r1', { budget: 1000 });
    world.upstream.reply({ usage: { prompt_tokens: 400_000, completion_tokens: 50, total_tokens: 400_050 } });
    await call(prepared);
    await until(() => world.node.audit().reservedMsat === 0, 'the node has booked the answer');
    await world.finalize('r1');
    expect(kept()).toBe(0);
    expect(await refund()).toMatchObject([{ state: 'returned', received: 0 }]);
    await expectAllHome(world);
  });
});

describe('a deposit', () => {
  const edge = (endpoint: 'create' | 'topup', when: 'before' | 'after', kind: 'drop' | 'html') =>
    ({ endpoint, when, effect: { kind } }) as const;

  test('whose answer was lost is found at the node', async () => {
    await begin();
    world.node.faults.add({ ...edge('create', 'after', 'drop'), times: 3 });
    expect(await deposit(1000)).toMatchObject({ state: 'deposited', balance: 1000 });
    world.node.faults.add(edge('topup', 'after', 'html'));
    expect(await deposit(1000)).toMatchObject({ state: 'deposited', balance: 2000 });
    await refund();
    await expectAllHome(world);
  });

  test('that the node did not take is back in the wallet, and the account is as it was', async () => {
    await begin();
    world.node.faults.add({ ...edge('create', 'before', 'html'), times: 3 });
    expect(refusalOf(await deposit(1000))).toMatchObject({ kind: 'not_credited', money: { state: 'back' } });
    expect(account().books()).toEqual([]);
    await deposit(1000);
    world.node.faults.add(edge('topup', 'before', 'drop'));
    expect(refusalOf(await deposit(1000))).toMatchObject({ kind: 'not_credited', money: { state: 'back' } });
    expect(kept()).toBe(1000);
    expect(world.news).toEqual([]);
    await refund();
    await expectAllHome(world);
  });

  test('that cannot be taken back yet keeps others away, and is told when it is back', async () => {
    await begin();
    await deposit(1000);
    const away = { kind: 'run', run: () => world.mint.goDown() } as const;
    world.node.faults.add({ endpoint: 'topup', when: 'before', effect: away });
    expect(refusalOf(await deposit(500, 'late'))).toMatchObject({
      kind: 'not_credited',
      money: { state: 'coming' },
    });
    expect(refusalOf(await deposit(500))).toMatchObject({ kind: 'arriving', amount: 500 });
    expect(account().books()).toMatchObject([{ balance: 1000, depositing: 500 }]);
    world.mint.comeUp();
    await world.later(60_000);
    expect(world.told()).toEqual(['deposit-late settled']);
    await refund();
    await expectAllHome(world);
  });

  test('is made once, however often its message is acted on, and wherever the bot died', async () => {
    await begin();
    expect(await deposit(1000, 'm')).toMatchObject({ state: 'deposited', balance: 1000 });
    expect(await deposit(1000, 'm')).toMatchObject({ state: 'deposited', balance: 1000 });
    for (const [key, when] of [
      ['lost', 'before'],
      ['found', 'after'],
    ] as const) {
      world.node.faults.add({ endpoint: 'topup', when, effect: { kind: 'hold' } });
      const stop = new AbortController();
      const dying = account().deposit({ amount: sat(500), key, owner: 'ada' }, stop.signal);
      await until(() => world.node.faults.holding() === 1, 'the node has the deposit');
      stop.abort('interrupted');
      await expect(dying).rejects.toBe('interrupted');
      await world.restart();
      world.node.faults.release();
      await until(() => world.node.faults.holding() === 0, 'the node goes on');
    }
    expect(refusalOf(await deposit(500, 'lost'))).toMatchObject({
      kind: 'interrupted',
      money: { state: 'back' },
    });
    expect(await deposit(500, 'found')).toMatchObject({ state: 'deposited', balance: 1500 });
    await refund();
    await expectAllHome(world);
  });

  test('that nobody waits for any more goes on, and is there', async () => {
    await begin();
    world.node.faults.add({ endpoint: 'create', when: 'after', effect: { kind: 'hold' } });
    const limit = new AbortController();
    const request = { amount: sat(1000), key: 'late', owner: 'ada' };
    const depositing = account().deposit(request, limit.signal);
    await until(() => world.node.faults.holding() === 1, 'the node has the deposit');
    limit.abort('too late');
    await expect(depositing).rejects.toBe('too late');
    world.node.faults.release();
    await world.later(60_000);
    expect(kept()).toBe(1000);
    await refund();
    await expectAllHome(world);
  });

  test('of more than there is, is refused with the way on', async () => {
    await begin({ funds: 900 });
    expect(refusalOf(await deposit(1000))).toMatchObject({ kind: 'short', have: 900, need: 1000 });
    expect(account().books()).toEqual([]);
    await expectAllHome(world);
  });
});

describe('a run on an account', () => {
  test('that the bot did not survive is billed by the node, and told', async () => {
    await begin();
    await deposit(5000);
    await spend('r1');
    world.upstream.reply({ usage: costly, hang: true });
    const prepared = await world.prepare('r2');
    const cut = call(prepared).catch(() => undefined);
    await until(() => world.node.audit().reservedMsat > 0, 'the node serves it');
    // Nobody has told the next life of r1's end, nor what r2 cost: the node reads on and charges.
    const lines = await world.restart();
    await cut;
    expect(lines).toEqual([]);
    expect([world.state('r1'), world.state('r2')]).toEqual(['unreckoned', 'unreckoned']);
    world.upstream.release();
    await until(() => world.node.audit().reservedMsat === 0, 'the node has booked the answer');
    await world.later(60_000);
    expect(world.news).toMatchObject([
      { id: 'r1', body: { state: 'settled', spent: 136 } },
      { id: 'r2', body: { state: 'settled', spent: 135 } },
    ]);
    await expectBooks();
    await refund();
    await expectAllHome(world);
  });

  test('is billed at the end, if the node could not be asked before', async () => {
    await begin();
    await deposit(5000);
    await spend('r1');
    world.node.crash();
    expect(await world.finalize('r1')).toMatchObject({ spent: 136, budget: 2000 });
    expect(world.state('r1')).toBe('unreckoned');
    world.node.comeUp();
    expect(await refund()).toMatchObject([{ state: 'returned', kept: 0 }]);
    expect(world.state('r1')).toBe('settled');
    expect(world.news).toEqual([]);
    await expectAllHome(world);
  });

  test('does not begin while the node is away, and nothing is moved for it', async () => {
    await begin();
    await deposit(5000);
    world.node.crash();
    const prepared = await world.prepare('r1');
    expect(refusalOf(prepared)).toMatchObject({ kind: 'account_away' });
    expect(await world.finalize('r1')).toBeUndefined();
    expect(await account().balance(soon())).toMatchObject([{ balance: 5000, seen: undefined }]);
    world.node.comeUp();
    const [seen] = await account().balance(soon());
    expect(seen).toMatchObject({ balance: 5000, seen: { available: 5000, reserved: 0 } });
    await refund();
    await expectAllHome(world);
  });

  test('has a token of its own where the node has forgotten the account', async () => {
    await begin();
    await deposit(5000);
    const error = { message: 'Key not found', type: 'invalid_request_error', code: 'key_not_found' };
    const body = { detail: { error }, error };
    world.node.faults.add({
      endpoint: 'info',
      when: 'before',
      effect: { kind: 'status', status: 401, body },
    });
    await world.prepare('r1');
    expect(world.state('r1')).toBe('running');
    await world.finalize('r1');
    await refund();
    await expectAllHome(world);
  });
});
