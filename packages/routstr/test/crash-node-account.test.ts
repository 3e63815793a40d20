/*
 * The crash matrix of money that is kept at a node, and of single questions: the bot's process is killed at every step
 * of a deposit, of a run on the account, of its refund and of a question; mint and node go on, or are restarted with or
 * without their memory. Then the bot starts again and everything is counted: wallet, node, ledger and fees are what was
 * put in, to the sat. `CRASH_MATRIX=full`: every moment in every setting; without it those that differ most.
 */
import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { type CrashCase, inLanes } from '@nostr-dm-agent/cashu-wallet/testing/crash-lanes';
import { createVictims } from '@nostr-dm-agent/cashu-wallet/testing/wallet-crash';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { onceThePortIsFree, until } from '@nostr-dm-agent/kit/testing/until';
import type { NodeFault } from '@nostr-dm-agent/sandbox/node';
import { costly, expectAllHome, type PaidWorld, sonnet, startPaidWorld } from './support/paid-world.ts';
import type { ProviderCrashOrder } from './support/provider-crash-child.ts';

const victims = ['a', 'b'].map(() =>
  createVictims<ProviderCrashOrder>(join(import.meta.dir, 'support/provider-crash-child.ts')),
);
type Victim = (typeof victims)[number];
afterAll(async () => {
  for (const each of victims) await each.end();
});

/** What the others do while the bot is dead. */
type Setting = { readonly feePpk: number; readonly node: 'goes on' | 'restarts' | 'restarts, memory lost' };
type Edge = Extract<NodeFault, { when: 'before' | 'after' }>;
type Flight = readonly [Edge['endpoint'], 'before' | 'between' | 'after'] | 'streaming';
type Story = {
  readonly action: ProviderCrashOrder['action'];
  /** What is at the node before. */
  readonly kept: number;
  /** Where the process ends itself; those with a star are among the ones that differ most. */
  readonly checkpoints: readonly string[];
  /** Where it is killed from outside, while a request is with the node. */
  readonly flights: readonly (Flight | readonly ['*', Flight])[];
};
const send = ['send:reserved', 'send:prepared', 'send:answered', 'send:done'];
const receive = ['receive:reserved', 'receive:prepared', '*receive:answered', 'receive:done'];
const around = (endpoint: Edge['endpoint']): readonly Flight[] => [
  [endpoint, 'before'],
  [endpoint, 'between'],
  [endpoint, 'after'],
];

const stories: Readonly<Record<string, Story>> = {
  'a first deposit': {
    action: 'deposit',
    kept: 0,
    checkpoints: [
      'run:created',
      ...send,
      'run:sent',
      'run:token_issued',
      '*run:credited',
      'run:deposited',
      'run:kept',
    ],
    flights: around('create'),
  },
  'a further deposit': {
    action: 'deposit',
    kept: 3000,
    checkpoints: ['run:created', ...send, 'run:sent', 'run:token_issued', 'run:merged'],
    flights: [
      ['topup', 'before'],
      ['topup', 'between'],
      ['*', ['topup', 'after']],
    ],
  },
  'a run on the account': {
    action: 'run',
    kept: 3000,
    checkpoints: ['run:spending', '*run:unreckoned', 'run:settled'],
    flights: [['info', 'before'], ['info', 'after'], ...around('chat'), ['*', 'streaming']],
  },
  'a refund of the account': {
    action: 'refund',
    kept: 3000,
    checkpoints: [
      'run:refund_due',
      '*run:answered',
      'run:answer_kept',
      'run:change_held',
      ...receive,
      'run:settled',
    ],
    flights: around('refund'),
  },
  'a question': {
    action: 'quick',
    kept: 0,
    checkpoints: [
      'run:created',
      ...send,
      'run:sent',
      'run:token_issued',
      '*run:answered',
      'run:change_held',
      ...receive.map((checkpoint) => checkpoint.replace('*', '')),
      'run:settled',
    ],
    flights: [
      ['chat', 'before'],
      ['chat', 'between'],
      ['*', ['chat', 'after']],
    ],
  },
};

const keep = async (world: PaidWorld, amount: number, key: string): Promise<void> => {
  const request = { amount: sat(amount), key, owner: 'ada' };
  expect(await world.provider().account.deposit(request, soon())).toMatchObject({ state: 'deposited' });
};

async function inWorld(
  setting: Setting,
  { action, kept }: Story,
  work: (world: PaidWorld, order: ProviderCrashOrder) => Promise<void>,
): Promise<void> {
  const world = await startPaidWorld({
    mint: { feePpk: setting.feePpk },
    rules: { model: () => sonnet },
  });
  try {
    if (kept > 0) await keep(world, kept, 'before');
    const { directory, words } = world;
    await world.retire();
    const [mint, node] = [world.mint.url, world.node.url];
    await work(world, { mint, node, directory, words, action, priced: true });
  } finally {
    await world.end();
  }
}

/** A question is cheap. */
const reply = (world: PaidWorld, { action }: Story): void => {
  if (action !== 'quick') world.upstream.reply({ usage: costly });
};

const open = (world: PaidWorld) =>
  world
    .provider()
    .paidRuns.open()
    .map(({ body }) => body);

async function aftermath(world: PaidWorld, setting: Setting): Promise<void> {
  if (setting.node !== 'goes on') {
    world.node.crash(setting.node === 'restarts' ? 'kept' : 'lost');
    await onceThePortIsFree(world.node.comeUp);
    await world.mint.goDown();
    await onceThePortIsFree(world.mint.comeUp);
  }
  world.mint.clearCache();
  await world.restart();
  for (let passes = 0; passes < 8 && open(world).length > 0; passes += 1) {
    await world.later(120_000);
    await world.wallet().recover(AbortSignal.timeout(30_000));
  }
  expect(open(world)).toEqual([]);
  // It goes on as if nothing had been.
  await keep(world, 2500, 'after');
  expect((await world.prepare('r2')).state).toBe('ready');
  expect(world.state('r2')).toBe('spending');
  await world.finalize('r2');
  for (const refund of await world.provider().account.refund(soon())) expect(refund.state).toBe('returned');
  await expectAllHome(world);
}

async function killedAt(setting: Setting, story: Story, killAt: string, victim: Victim): Promise<void> {
  await inWorld(setting, story, async (world, order) => {
    reply(world, story);
    expect(await victim.run({ ...order, killAt })).toMatchObject({ killed: true });
    await aftermath(world, setting);
  });
}

async function killedWhile(setting: Setting, story: Story, flight: Flight, victim: Victim): Promise<void> {
  await inWorld(setting, story, async (world, order) => {
    const { node, upstream } = world;
    if (flight === 'streaming') upstream.reply({ usage: costly, hang: true });
    else {
      reply(world, story);
      const [endpoint, when] = flight;
      const effect = { kind: 'hold' } as const;
      node.faults.add({ endpoint, when, effect });
    }
    const held =
      flight === 'streaming' ? () => node.audit().reservedMsat > 0 : () => node.faults.holding() > 0;
    expect(await victim.run(order, held)).toMatchObject({ killed: true });
    node.faults.clear();
    node.faults.release();
    upstream.release();
    // The node goes on with what it was doing, and may die afterwards.
    if (flight !== 'streaming' && flight[1] === 'between') {
      await until(() => node.audit().balanced, 'the node is done with it');
    }
    await aftermath(world, setting);
  });
}

const all: readonly Setting[] = [
  { feePpk: 100, node: 'goes on' },
  { feePpk: 0, node: 'restarts, memory lost' },
  { feePpk: 100, node: 'restarts' },
];
const full = process.env.CRASH_MATRIX === 'full';

for (const setting of full ? all : all.slice(0, 1)) {
  const { feePpk, node } = setting;
  test(`killed at every step, nothing is lost: ${feePpk} ppk, the node ${node}`, async () => {
    const cases = Object.entries(stories).flatMap(([name, story]): readonly CrashCase<Victim>[] => [
      ...story.checkpoints
        .filter((checkpoint) => full || checkpoint.startsWith('*'))
        .map((checkpoint): CrashCase<Victim> => {
          const at = checkpoint.replace('*', '');
          return [`${name}, killed at ${at}`, (victim) => killedAt(setting, story, at, victim)];
        }),
      ...story.flights
        .filter((flight) => full || flight[0] === '*')
        .map((marked): CrashCase<Victim> => {
          const flight = isMarked(marked) ? marked[1] : marked;
          return [`${name}, killed in ${flight}`, (victim) => killedWhile(setting, story, flight, victim)];
        }),
    ]);
    await inLanes(victims, cases);
  }, 240_000);
}

function isMarked(flight: Story['flights'][number]): flight is readonly ['*', Flight] {
  return flight[0] === '*';
}
