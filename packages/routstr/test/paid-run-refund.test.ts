/**
 * Whatever a node does with a refund, the change comes home or is remembered for its operator
 * (docs/node-protocol.md#what-becomes-of-a-refund).
 */
import { afterEach, describe, expect, test } from 'bun:test';
import { readMintUrl } from '@nostr-dm-agent/cashu-wallet/open';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { type NodeFault, startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { openFilledWallet } from '@nostr-dm-agent/sandbox/testing/filled-wallet';
import { createNodeClient, type NodeClient } from '../src/node/node-client.ts';
import type { NodeUrl } from '../src/node/node-url.ts';
import type { OperatorProblem } from '../src/paid-run/paid-run.ts';
import {
  asked,
  call,
  costly,
  day,
  expectAllHome,
  hour,
  lastEntry,
  type PaidWorld,
  type PaidWorldOptions,
  startPaidWorld,
} from './support/paid-world.ts';

let world: PaidWorld;
/** A run that has spent 136 sat, before it is settled. */
async function spent(options?: PaidWorldOptions): Promise<void> {
  world = await startPaidWorld(options);
  const prepared = await world.prepare('r1');
  world.upstream.reply({ usage: costly });
  expect((await call(prepared)).status).toBe(200);
  // The node books a streamed answer after its last byte; until then a refund is refused as `ongoing`.
  await until(() => world.node.audit().reservedMsat === 0, 'the node has booked the answer');
}
afterEach(() => world.end());

type Effect = Extract<NodeFault, { when: 'before' | 'after' }>['effect'];
const minute = 60_000;
const plain = (status: number, detail: string): Effect => ({
  kind: 'status',
  status,
  body: { detail, request_id: 'req-1' },
});
const coded = (status: number, code: string): Effect => {
  const error = { message: 'as the node words it', type: 'invalid_request_error', code };
  return { kind: 'status', status, body: { detail: { error }, error, request_id: 'req-1' } };
};
const settledWith136 = async (): Promise<void> => {
  expect(world.state('r1')).toBe('settled');
  expect(lastEntry(world)).toMatchObject({ spent: 136, state: 'settled' });
  await expectAllHome(world);
};

/** The node's client with every refund that it answers bent. */
const bent =
  (bend: (node: NodeClient) => NodeClient['refund']) =>
  (url: NodeUrl): NodeClient => {
    const node = createNodeClient(url);
    return { ...node, refund: bend(node) };
  };

describe('the change is back when the reply is sent, although', () => {
  const passing: readonly (readonly [string, NodeFault])[] = [
    [
      'the balance changed at that moment',
      { endpoint: 'refund', when: 'between', effect: { kind: 'refuse', why: 'race' } },
    ],
    [
      'requests were still reserved',
      {
        endpoint: 'refund',
        when: 'before',
        effect: plain(400, 'Cannot refund key. There are ongoing requests for this api key.'),
      },
    ],
    [
      'a refund was in progress',
      { endpoint: 'refund', when: 'before', effect: coded(409, 'refund_in_progress') },
    ],
    [
      'it was pending',
      { endpoint: 'refund', when: 'before', effect: plain(425, 'Refund is pending; retry shortly.') },
    ],
    [
      'the node had had too many requests',
      { endpoint: 'refund', when: 'before', effect: plain(429, 'slow down') },
    ],
    [
      'its mint was away for a moment',
      { endpoint: 'refund', when: 'between', effect: { kind: 'refuse', why: 'mint-away' } },
    ],
    [
      'the refund failed once',
      { endpoint: 'refund', when: 'between', effect: { kind: 'refuse', why: 'failed' } },
    ],
    ['a proxy failed', { endpoint: 'refund', when: 'before', effect: { kind: 'html' } }],
    ['a proxy hid the answer', { endpoint: 'refund', when: 'after', effect: { kind: 'html' } }],
    ['the answer was lost', { endpoint: 'refund', when: 'after', effect: { kind: 'drop' } }],
    ['the answer was cut', { endpoint: 'refund', when: 'after', effect: { kind: 'truncate' } }],
    ['the request was sent twice', { endpoint: 'refund', when: 'before', effect: { kind: 'repeat' } }],
    [
      'the node broke',
      {
        endpoint: 'refund',
        when: 'before',
        effect: plain(500, 'Internal server error, please contact support'),
      },
    ],
    [
      'the node was killed before it did anything',
      { endpoint: 'refund', when: 'before', effect: { kind: 'crash', memory: 'lost' } },
    ],
    [
      'the node was killed after it had made the change',
      { endpoint: 'refund', when: 'after', effect: { kind: 'crash', memory: 'lost' } },
    ],
    [
      'the node forgot the account for a moment',
      { endpoint: 'refund', when: 'before', effect: coded(401, 'key_not_found') },
    ],
    [
      'the node refused it for a moment',
      { endpoint: 'refund', when: 'before', effect: plain(403, 'not now') },
    ],
    [
      'the node said "too small", wrongly',
      { endpoint: 'refund', when: 'before', effect: plain(400, 'Balance too small to refund') },
    ],
    [
      'the node said "no balance", wrongly',
      { endpoint: 'refund', when: 'before', effect: plain(400, 'No balance to refund') },
    ],
  ];
  for (const [what, fault] of passing) {
    test(what, async () => {
      await spent();
      world.node.faults.add(fault);
      expect(await world.finalize('r1')).toMatchObject({ spent: 136, budget: 2000 });
      expect(world.news).toEqual([]);
      await settledWith136();
    });
  }

  test('its first answer came too late', async () => {
    await spent({ timeouts: { refund: 300 } });
    world.node.faults.add({ endpoint: 'refund', when: 'after', effect: { kind: 'hold' } });
    await world.finalize('r1');
    world.node.faults.release();
    await settledWith136();
  });

  test('the node says another amount than its token has: the proofs count', async () => {
    await spent({
      nodes: {
        at: bent(
          (node) => (key, keep, signal) =>
            node.refund(key, (raw) => keep(raw.replace(/"sats":\s*"\d+"/, '"sats":"5"')), signal),
        ),
      },
    });
    await world.finalize('r1');
    await settledWith136();
  });

  test('the mint changes its keys while the agent works, and again before the change is made', async () => {
    await spent({ mint: { keysetVersion: '01' } });
    world.mint.rotate();
    world.node.faults.add({
      endpoint: 'refund',
      when: 'between',
      effect: { kind: 'run', run: () => void world.mint.rotate() },
    });
    await world.finalize('r1');
    await settledWith136();
  });

  for (const profile of ['legacy', 'main'] as const) {
    test(`the node is of the kind "${profile}"`, async () => {
      await spent({ node: { profile } });
      await world.finalize('r1');
      await settledWith136();
    });
  }

  test('it comes from another mint that the wallet accepts', async () => {
    const other = startSandboxMint();
    try {
      const second = readMintUrl(other.url);
      world = await startPaidWorld({ wallet: { mints: [second] } });
      const node = startSandboxNode({
        mints: [world.mint.url, other.url],
        upstream: { baseUrl: world.upstream.baseUrl },
        behaviour: { refundMint: other.url },
      });
      try {
        // The node has money at both: somebody else pays there.
        const payer = await openFilledWallet(other.url, 3000);
        await fetch(`${node.url}/v1/balance/create?initial_balance_token=${await payer.token(2500)}`);
        world.settings.node = node.url;
        await world.prepare('r1');
        await world.finalize('r1');
        expect(world.state('r1')).toBe('settled');
        expect(world.wallet().balance().mints).toContainEqual(
          expect.objectContaining({ mint: second, ready: lastEntry(world).refund }),
        );
        expect(node.audit()).toMatchObject({ balanced: true });
      } finally {
        await node.stop();
      }
    } finally {
      await other.stop();
    }
  });
});

describe('the reply does not wait for the change, which is asked for in the background, when', () => {
  test('the agent was killed in mid-answer: the whole answer is charged, then the rest comes', async () => {
    world = await startPaidWorld();
    const prepared = await world.prepare('r1');
    world.upstream.reply({ usage: costly, hang: true });
    const agent = new AbortController();
    const request = call(prepared, { signal: agent.signal });
    await until(() => world.node.audit().reservedMsat > 0, 'the node has reserved');
    agent.abort();
    await expect(request).rejects.toThrow();
    expect(await world.finalize('r1')).toMatchObject({ budget: 2000, owed: expect.any(Number) });
    expect(world.state('r1')).toBe('refund_due');
    expect(new Set(world.outcomes('r1', 'refund'))).toEqual(new Set(['ongoing']));
    expect(world.provider().owed()).toMatchObject({ runs: 0, dueRuns: 1 });
    const { due } = world.provider().owed();
    expect(world.provider().status()).toMatchObject({
      running: 0,
      owed: { dueRuns: 1, dueAt: [{ mint: world.mint.url, due }] },
    });
    await world.later(30_000);
    expect(world.news).toEqual([]);
    world.upstream.release();
    await until(() => world.node.audit().reservedMsat === 0, 'the node has charged');
    await world.later(2 * minute);
    expect(world.told()).toEqual(['r1 settled']);
    await settledWith136();
  });

  test('a reservation stands until it is stale', async () => {
    world = await startPaidWorld({ node: { behaviour: { onDisconnect: 'keep' } } });
    const prepared = await world.prepare('r1');
    world.upstream.reply({ hang: true });
    const agent = new AbortController();
    const request = call(prepared, { signal: agent.signal });
    await until(() => world.node.audit().reservedMsat > 0, 'the node has reserved');
    agent.abort();
    await expect(request).rejects.toThrow();
    await world.finalize('r1');
    for (let minutes = 0; minutes < 4; minutes += 1) await world.later(minute);
    expect(world.state('r1')).toBe('refund_due');
    for (let minutes = 0; minutes < 4; minutes += 1) await world.later(minute);
    expect(world.state('r1')).toBe('settled');
    expect(lastEntry(world).spent).toBe(sat(0));
    await expectAllHome(world);
  });

  test('the node stays away for a day: it is asked now and then, and announced once', async () => {
    await spent();
    world.node.crash();
    expect(await world.finalize('r1')).toMatchObject({ spent: 136, budget: 2000, owed: 1864 });
    for (let hours = 0; hours < 26; hours += 1) await world.later(hour);
    const asks = world.outcomes('r1', 'refund');
    expect(new Set(asks)).toEqual(new Set(['not_sent']));
    expect(asks.length).toBeGreaterThan(20);
    expect(asks.length).toBeLessThan(35);
    // From then on once a day.
    for (let hours = 0; hours < 72; hours += 1) await world.later(hour);
    expect(world.outcomes('r1', 'refund').length - asks.length).toBeLessThan(9);
    expect(world.news).toEqual([]);
    world.node.comeUp();
    await world.later(day);
    await world.later(day);
    expect(world.news).toMatchObject([{ id: 'r1', body: { state: 'settled', spent: 136 } }]);
    await settledWith136();
  });

  test('the node wants to be left alone for ever: it is asked again within the hour', async () => {
    let asks = 0;
    await spent({
      nodes: {
        at: bent((node) => async (key, keep, signal) => {
          asks += 1;
          if (asks > 1) return node.refund(key, keep, signal);
          const evidence = { status: 425, code: undefined, message: 'pending', requestId: 'req-1' };
          return { state: 'pending', retryAfterMs: 1e300, evidence };
        }),
      },
    });
    expect(await world.finalize('r1')).toMatchObject({ spent: 136, budget: 2000, owed: 1864 });
    await world.later(hour + minute);
    await settledWith136();
  });

  test('the node is back long before it is asked again: the next run makes that now', async () => {
    await spent();
    world.node.crash();
    await world.finalize('r1');
    for (let hours = 0; hours < 10; hours += 1) await world.later(hour);
    world.node.comeUp();
    const asks = world.outcomes('r1', 'refund').length;
    world.clock.offset += minute;
    await world.provider().lookAfter(soon());
    expect(world.outcomes('r1', 'refund')).toHaveLength(asks);
    await world.prepare('r2');
    await until(() => world.news.length > 0, 'the change is back');
    expect(world.state('r1')).toBe('settled');
    await world.finalize('r2');
    await expectAllHome(world);
  });

  test('its mint is away: the node puts the balance back, and gives it later', async () => {
    await spent();
    await world.mint.goDown();
    await world.finalize('r1');
    expect(world.outcomes('r1', 'refund')).toContain('failed_restored');
    world.mint.comeUp();
    await world.later(minute);
    await settledWith136();
  });

  test('the node is still making it: its "no balance" is not believed', async () => {
    await spent({ timeouts: { refund: 300 } });
    world.node.faults.add({ endpoint: 'refund', when: 'between', effect: { kind: 'hold' } });
    await world.finalize('r1');
    expect(world.state('r1')).toBe('refund_due');
    expect(world.outcomes('r1', 'refund')).toEqual(expect.arrayContaining(['ambiguous', 'no_balance']));
    world.node.faults.release();
    await until(() => world.node.audit().changeTokens.length === 1, 'the change is made');
    await world.later(2 * minute);
    await settledWith136();
  });

  test('the mint goes away when the change is there: it is kept, and redeemed by whoever comes first', async () => {
    for (const who of ['queue', 'wallet'] as const) {
      await spent({
        provider: {
          onCheckpoint: (checkpoint) => {
            if (checkpoint === 'run:change_held') void world.mint.goDown();
          },
        },
      });
      expect(await world.finalize('r1')).toMatchObject({ spent: 136 });
      expect(world.state('r1')).toBe('change_held');
      expect(world.wallet().balance().incoming).toBeGreaterThan(1800);
      world.mint.comeUp();
      if (who === 'wallet') {
        // The wallet's own recovery knows nothing of runs, and closes this one in the same transaction.
        await world.wallet().recover(soon());
        expect(world.state('r1')).toBe('settled');
      }
      await world.later(minute);
      expect(world.news).toHaveLength(1);
      await settledWith136();
      if (who === 'queue') await world.end();
    }
  });

  test('it is asked for by the queue on its own', async () => {
    await spent();
    world.node.faults.add({ endpoint: 'refund', when: 'before', effect: { kind: 'html' }, times: 2 });
    await world.finalize('r1');
    expect(world.state('r1')).toBe('refund_due');
    world.clock.offset += minute;
    world.provider().start();
    await until(() => world.news.length > 0, 'the change is announced');
    await settledWith136();
  });

  test('the bot dies with the answer on disk, and an old node forgets it: the answer is enough', async () => {
    let alive = true;
    await spent({
      node: { profile: 'legacy' },
      provider: {
        onCheckpoint: (checkpoint) => {
          if (alive && checkpoint === 'run:answer_kept') throw new Error('the bot dies');
        },
      },
    });
    await expect(world.finalize('r1')).rejects.toThrow('the bot dies');
    world.node.crash('lost');
    world.node.comeUp();
    alive = false;
    expect(await world.restart()).toMatchObject([{ id: 'r1', body: { state: 'settled' } }]);
    await settledWith136();
  });

  test('the bot dies meanwhile: its next life goes on asking, and says so', async () => {
    await spent();
    world.node.crash();
    await world.finalize('r1');
    expect(await world.restart()).toMatchObject([{ id: 'r1', body: { state: 'refund_due' } }]);
    world.node.comeUp();
    world.clock.offset += hour;
    expect(await world.restart()).toMatchObject([{ id: 'r1', body: { state: 'settled' } }]);
    expect(await world.restart()).toEqual([]);
    expect(world.news).toEqual([]);
    await settledWith136();
  });
});

describe('it is remembered for the node’s operator, with the evidence, when', () => {
  /** Told once, asked about daily. */
  const expectOperator = async (reason: { trouble: OperatorProblem; detail?: string }): Promise<void> => {
    expect(world.state('r1')).toBe('needs_operator');
    await world.provider().lookAfter(soon());
    expect(world.news).toMatchObject([{ id: 'r1', body: reason }]);
    expect(world.provider().owed()).toMatchObject({ doubtful: 1 });
    expect(lastEntry(world).state).toBe('needs_operator');
    const before = asked(world.node, '/refund');
    for (let hours = 0; hours < 72; hours += 6) await world.later(6 * hour);
    expect(asked(world.node, '/refund') - before).toBeLessThanOrEqual(4);
    expect(world.news).toHaveLength(1);
    expect(
      world
        .provider()
        .paidRuns.evidence('r1')
        .some(({ requestId }) => requestId !== undefined),
    ).toBe(true);
  };

  test('the node was killed between debit and change', async () => {
    await spent();
    world.node.faults.add({ endpoint: 'refund', when: 'between', effect: { kind: 'crash', memory: 'lost' } });
    await world.finalize('r1');
    expect(world.state('r1')).toBe('refund_due');
    await world.later(5 * minute);
    expect(world.state('r1')).toBe('refund_due');
    await world.later(6 * minute);
    await expectOperator({ trouble: 'balance_missing' });
    expect(world.node.audit().missingMsat).toBeGreaterThan(1_800_000);
  });

  test('the node withholds it', async () => {
    await spent();
    world.node.faults.add({
      endpoint: 'refund',
      when: 'between',
      effect: { kind: 'refuse', why: 'withheld' },
    });
    await world.finalize('r1');
    await world.later(11 * minute);
    await world.later(minute);
    await expectOperator({ trouble: 'balance_missing' });
  });

  test('a node of the newer kind says that it is stuck', async () => {
    await spent({ node: { profile: 'main' } });
    world.node.faults.add({
      endpoint: 'refund',
      when: 'between',
      effect: { kind: 'refuse', why: 'withheld' },
    });
    await world.finalize('r1');
    await expectOperator({ trouble: 'refund_stuck' });
  });

  test('the answer is lost and an old node forgets it', async () => {
    await spent({ node: { profile: 'legacy' } });
    world.node.faults.add({ endpoint: 'refund', when: 'after', effect: { kind: 'crash', memory: 'lost' } });
    await world.finalize('r1');
    await world.later(11 * minute);
    await world.later(minute);
    await expectOperator({ trouble: 'balance_missing' });
  });

  test('the node took it back', async () => {
    await spent();
    const effect = { kind: 'crash', memory: 'lost', stayDown: true } as const;
    world.node.faults.add({ endpoint: 'refund', when: 'after', effect });
    await world.finalize('r1');
    world.node.sweep();
    world.node.comeUp();
    await world.later(minute);
    await expectOperator({ trouble: 'change_swept' });
  });

  test('the node has lost its books', async () => {
    await spent();
    const port = Number(new URL(world.node.url).port);
    world.node.crash();
    const another = startSandboxNode({
      mints: [world.mint.url],
      upstream: { baseUrl: world.upstream.baseUrl },
      port,
    });
    try {
      await world.finalize('r1');
      expect(world.state('r1')).toBe('refund_due');
      await world.later(11 * minute);
      expect(world.state('r1')).toBe('needs_operator');
      await world.provider().lookAfter(soon());
      expect(world.news).toMatchObject([{ body: { trouble: 'key_unknown' } }]);
    } finally {
      await another.stop();
    }
    // It comes back with its books: the money is there, and is taken.
    world.node.comeUp();
    await world.later(25 * hour);
    expect(world.news).toHaveLength(2);
    await settledWith136();
  });

  test('the node refuses for a day, for a reason of its own', async () => {
    await spent();
    world.node.faults.add({
      endpoint: 'refund',
      when: 'before',
      effect: plain(403, 'no refunds'),
      times: 99,
    });
    await world.finalize('r1');
    for (let hours = 0; hours < 23; hours += 1) await world.later(hour);
    expect(world.state('r1')).toBe('refund_due');
    for (let hours = 0; hours < 3; hours += 1) await world.later(hour);
    await expectOperator({ trouble: 'refund_refused', detail: 'no refunds' });
    world.node.faults.clear();
    await world.later(day);
    await settledWith136();
  });

  test('what the node calls a token is none', async () => {
    await spent();
    const effect: Effect = { kind: 'status', status: 200, body: { token: 'cashuBnonsense', sats: '1864' } };
    world.node.faults.add({ endpoint: 'refund', when: 'before', effect, times: 99 });
    await world.finalize('r1');
    await expectOperator({ trouble: 'change_refused' });
  });

  test('its answer has no token', async () => {
    await spent();
    const effect: Effect = { kind: 'status', status: 200, body: { recipient: 'somebody@else' } };
    world.node.faults.add({ endpoint: 'refund', when: 'before', effect, times: 10 });
    await world.finalize('r1');
    await world.later(11 * minute);
    expect(world.state('r1')).toBe('needs_operator');
    world.node.faults.clear();
    await world.later(25 * hour);
    await settledWith136();
  });

  test('somebody else was faster with the change token', async () => {
    let stolen = false;
    let before = Number.POSITIVE_INFINITY;
    const swaps = () => world.mint.requests.filter((line) => line === 'POST /v1/swap').length;
    await spent({
      provider: {
        onCheckpoint: (checkpoint) => {
          if (checkpoint !== 'run:change_held') return;
          before = swaps();
          const effect = { kind: 'wait', until: () => stolen } as const;
          world.mint.faults.add({ path: '/v1/swap', when: 'before', effect });
        },
      },
    });
    const thief = await openFilledWallet(world.mint.url, 100);
    const settling = world.finalize('r1');
    await until(() => swaps() > before, 'our swap is on its way');
    await thief.receive(world.node.audit().changeTokens[0]?.token ?? '');
    stolen = true;
    await settling;
    await expectOperator({ trouble: 'change_spent' });
  });
});
