/** One question, paid by the token that travels with it: answered, refused or cut off, what it did not cost comes home. */
import { afterEach, describe, expect, test } from 'bun:test';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { NodeFault } from '@nostr-dm-agent/sandbox/node';
import type { QuickResult } from '../src/paid-run/quick.ts';
import {
  day,
  expectAllHome,
  lastEntry,
  type PaidWorld,
  type PaidWorldOptions,
  refusalOf,
  sonnetPrice,
  startPaidWorld,
} from './support/paid-world.ts';

let world: PaidWorld;
const begin = async (options: PaidWorldOptions = {}): Promise<void> => {
  world = await startPaidWorld(options);
};
afterEach(() => world.end());

const model = {
  ...{ id: 'claude-sonnet-4.5', sat: sonnetPrice.sat, usd: sonnetPrice.usd },
  ...{ limit: { context: 200_000, output: 16_384 }, reasoning: false },
};
let messages = 0;
const ask = (
  question = 'How far is the moon?',
  key = `m${messages++}`,
  signal = soon(),
): Promise<QuickResult> => world.provider().quick({ key, owner: 'ada', question, model }, signal);
const open = (): readonly string[] =>
  world
    .provider()
    .paidRuns.open()
    .map(({ body }) => body.state);
const fault = (
  when: 'before' | 'after',
  effect: Extract<NodeFault, { when: 'before' | 'after' }>['effect'],
): void => world.node.faults.add({ endpoint: 'chat', when, effect });

describe('a question', () => {
  for (const profile of ['legacy', '0.4.5', 'main'] as const) {
    test(`is answered by one request, and the change comes with it, at a node like ${profile}`, async () => {
      await begin({ node: { profile } });
      world.upstream.reply({
        text: 'About 384,400 km.',
        usage: { prompt_tokens: 60, completion_tokens: 200, total_tokens: 260 },
      });
      expect(await ask()).toMatchObject({
        ...{ state: 'answered', text: 'About 384,400 km.', end: 'whole', model: 'claude-sonnet-4.5' },
        ...{ spent: 4, owed: false },
      });
      expect(world.node.requests).toEqual(['POST /v1/chat/completions']);
      expect(lastEntry(world)).toMatchObject({
        ...{ provider: 'routstr', model: 'routstr/claude-sonnet-4.5', owner: 'ada', state: 'settled' },
        ...{ promptPrefix: 'How far is the moon?', spent: 4 },
      });
      await expectAllHome(world);
    });
  }

  test('never asks for more than about a thousand tokens, as a stream', async () => {
    await begin();
    await ask('x'.repeat(9000));
    const [sent] = world.upstream.requests;
    expect(sent?.body).toMatchObject({ stream: true, max_tokens: 1024 });
    // 3,000 tokens of question and 1,024 of answer at 3 and 15 msat.
    expect(lastEntry(world).budget).toBeGreaterThanOrEqual(25);
    expect(lastEntry(world).budget).toBeLessThan(40);
    await expectAllHome(world);
  });

  test('is refused with the numbers when there is too little, or the day has cost enough', async () => {
    await begin({ funds: 10 });
    expect(refusalOf(await ask())).toMatchObject({ kind: 'short', have: 10 });
    world.settings.limit = sat(5);
    expect(refusalOf(await ask())).toMatchObject({ kind: 'day_limit', limit: 5 });
    expect(world.node.requests).toEqual([]);
    await expectAllHome(world);
  });

  test('is refused when it takes more than its asker may spend at once', async () => {
    await begin();
    const asking = { key: 'm', owner: 'eve', question: 'How far is the moon?', model };
    const result = await world.provider().quick({ ...asking, most: sat(10) }, soon());
    expect(refusalOf(result)).toMatchObject({ kind: 'too_dear', most: 10 });
    expect(world.node.requests).toEqual([]);
    expect(await world.provider().quick({ ...asking, most: sat(20) }, soon())).toMatchObject({
      state: 'answered',
    });
    await expectAllHome(world);
  });

  test('that is asked again by the same message is not asked, and its answer is not paid twice', async () => {
    await begin();
    expect(await ask('hi', 'm')).toMatchObject({ state: 'answered' });
    expect(refusalOf(await ask('hi', 'm'))).toMatchObject({ kind: 'asked_before', money: { state: 'back' } });
    expect(world.upstream.requests).toHaveLength(1);
    await expectAllHome(world);
  });
});

/** The money is in the wallet again. */
const isBack = { money: { state: 'back' } };

describe('nothing is lost when', () => {
  test('the node has no model of that name, wants more, or cannot redeem it: it is taken back', async () => {
    await begin();
    const plain = (status: number, body: object) => fault('before', { kind: 'status', status, body });
    plain(400, { error: { message: "Model 'x' not found", type: 'invalid_model', code: 400 } });
    expect(refusalOf(await ask())).toMatchObject(isBack);
    plain(402, {
      detail: {
        reason: 'Insufficient balance',
        amount_required_msat: 540_000,
        type: 'minimum_balance_required',
      },
    });
    expect(refusalOf(await ask())).toMatchObject({ outcome: { neededMsat: 540_000 } });
    plain(503, { error: { message: 'mint away', type: 'mint_error', code: 'cashu_mint_unreachable' } });
    expect(refusalOf(await ask())).toMatchObject(isBack);
    fault('before', { kind: 'html' });
    expect(refusalOf(await ask())).toMatchObject(isBack);
    world.node.crash();
    expect(refusalOf(await ask())).toMatchObject({ outcome: { state: 'not_sent' }, ...isBack });
    await expectAllHome(world);
  });

  test('the model behind the node fails: the node gives it back with its error', async () => {
    await begin();
    world.upstream.reply({ status: 429 });
    expect(refusalOf(await ask())).toMatchObject({
      outcome: { state: 'refused', evidence: { status: 429 } },
      ...isBack,
    });
    await expectAllHome(world);
  });

  test('the answer is lost: what it did not cost is asked for, and there', async () => {
    await begin();
    for (const kind of ['drop', 'html'] as const) {
      fault('after', { kind });
      expect(refusalOf(await ask())).toMatchObject({ money: { state: 'back', spent: 1 } });
    }
    expect(open()).toEqual([]);
    await expectAllHome(world);
  });

  test('the answer is cut off: the change was in its header', async () => {
    await begin();
    fault('after', { kind: 'truncate' });
    expect(await ask()).toMatchObject({ state: 'answered', end: 'broken', spent: 1, owed: false });
    await expectAllHome(world);
  });

  test('it takes too long: the change comes when the node is done, and is told', async () => {
    await begin({ provider: { waits: { answer: 100 } } });
    world.upstream.reply({ hang: true });
    expect(refusalOf(await ask())).toMatchObject({ money: { state: 'coming' } });
    expect(open()).toEqual(['refund_due']);
    world.upstream.release();
    await until(() => world.node.audit().refundedMsat > 0, 'the node has made the change');
    await world.later(60_000);
    expect(world.news).toMatchObject([
      { ticket: { purpose: 'quick', prompt: 'How far is the moon?' }, body: { state: 'settled', spent: 1 } },
    ]);
    await expectAllHome(world);
  });

  test('all of it was spent, or the node gives no change for an answer without a bill', async () => {
    await begin();
    world.upstream.reply({ usage: { prompt_tokens: 9000, completion_tokens: 900, total_tokens: 9900 } });
    const dear = await ask();
    expect(dear).toMatchObject({ state: 'answered', owed: false });
    expect(dear.state === 'answered' ? dear.spent : 0).toBeGreaterThan(15);
    world.upstream.reply({ usage: null });
    expect(await ask()).toMatchObject({ state: 'answered', owed: false });
    expect(open()).toEqual([]);
    await expectAllHome(world);
  });

  test('the mint is away when the change comes: it is redeemed later', async () => {
    await begin();
    fault('after', { kind: 'run', run: () => world.mint.goDown() });
    expect(await ask()).toMatchObject({ state: 'answered', spent: 1, owed: true });
    world.mint.comeUp();
    await world.later(60_000);
    expect(world.news).toHaveLength(1);
    await expectAllHome(world);
  });

  test('the bot dies: the token is taken back, or the change fetched, whichever is there', async () => {
    await begin();
    for (const when of ['after', 'before'] as const) {
      fault(when, { kind: 'hold' });
      const stop = new AbortController();
      const dying = ask('hi', when, stop.signal);
      await until(() => world.node.faults.holding() === 1, 'the node has the question');
      stop.abort('interrupted');
      await expect(dying).rejects.toBe('interrupted');
      expect(await world.restart()).toMatchObject([{ ticket: { purpose: 'quick', prompt: 'hi' } }]);
      world.node.faults.release();
      await until(() => world.node.faults.holding() === 0, 'the node goes on');
      expect(refusalOf(await ask('hi', when))).toMatchObject({ kind: 'asked_before', ...isBack });
    }
    await expectAllHome(world);
  });

  test('the node takes the money and its upstream is away: it is remembered for the operator', async () => {
    await begin();
    await world.upstream.stop();
    expect(refusalOf(await ask())).toMatchObject({ money: { state: 'coming' } });
    for (let minutes = 0; minutes < 20; minutes += 1) await world.later(60_000);
    expect(open()).toEqual(['needs_operator']);
    expect(world.news).toMatchObject([{ ticket: { purpose: 'quick' }, body: { trouble: 'refund_stuck' } }]);
    await world.later(day);
    expect(world.news).toHaveLength(1);
  });
});
