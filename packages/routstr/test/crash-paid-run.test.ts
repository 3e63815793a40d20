/*
 * The crash matrix of a paid run: the bot's process is killed at every step, node and mint are restarted with or
 * without their memory, then the bot starts again, and everything is counted: wallet, node, ledger and fees are what
 * was put in, to the sat, and no run ever had more than one budget at stake.
 */
import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { type CrashCase, inLanes, share } from '@nostr-dm-agent/cashu-wallet/testing/crash-lanes';
import { createVictims } from '@nostr-dm-agent/cashu-wallet/testing/wallet-crash';
import { onceThePortIsFree, until } from '@nostr-dm-agent/kit/testing/until';
import type { NodeFault } from '@nostr-dm-agent/sandbox/node';
import { costly, expectAllHome, type PaidWorld, startPaidWorld } from './support/paid-world.ts';
import type { ProviderCrashOrder } from './support/provider-crash-child.ts';

const victims = ['a', 'b'].map(() =>
  createVictims<ProviderCrashOrder>(join(import.meta.dir, 'support/provider-crash-child.ts')),
);
type Victim = (typeof victims)[number];
afterAll(async () => {
  for (const each of victims) await each.end();
});

/** What the others do while the bot is dead. */
type Setting = {
  readonly feePpk: number;
  readonly node: 'goes on' | 'restarts' | 'restarts, memory lost';
  /** The bot's machine goes down with it: of what it wrote it has what it waited for the disk for. */
  readonly powerCut?: true;
};

/** Ends itself there. The wallet's own moments are those between the steps of its swaps. */
const checkpoints = [
  'run:created',
  'send:reserved',
  'send:prepared',
  'send:answered',
  'send:done',
  'run:sent',
  'run:token_issued',
  'run:credited',
  'run:deposited',
  'run:running',
  'run:refund_due',
  'run:answered',
  'run:answer_kept',
  'run:change_held',
  'receive:reserved',
  'receive:prepared',
  'receive:answered',
  'receive:done',
  'run:settled',
];

type Edge = Extract<NodeFault, { when: 'before' | 'after' }>;
/** Killed from outside while a request is with somebody else, who goes on with it afterwards. */
const flights = [
  'our swap is asked for',
  'our swap is signed',
  'create is asked for',
  'create is half done',
  'create is done',
  'an answer is streaming',
  'refund is asked for',
  'refund is half done',
  'refund is done',
  'the swap of the change is asked for',
  'the swap of the change is signed',
] as const;
type Flight = (typeof flights)[number];

/** Holds the request; tells when it is held, and lets it go. */
function holdAt(world: PaidWorld, flight: Flight): { readonly held: () => boolean; readonly go: () => void } {
  const { mint, node, upstream } = world;
  const atNode = (fault: NodeFault) => {
    node.faults.add(fault);
    return { held: () => node.faults.holding() > 0, go: node.faults.release };
  };
  const edge = (endpoint: Edge['endpoint'], when: Edge['when']) =>
    atNode({ endpoint, when, effect: { kind: 'hold' } });
  const atMint = (when: 'before' | 'after', nth: number) => {
    // `delay` goes on when it is released; the swaps before it pass.
    if (nth > 0)
      mint.faults.add({ path: '/v1/swap', when, effect: { kind: 'run', run: () => undefined }, times: nth });
    mint.faults.add({ path: '/v1/swap', when, effect: { kind: 'delay' } });
    return { held: () => mint.faults.holding() > 0, go: mint.faults.release };
  };
  switch (flight) {
    case 'our swap is asked for':
      return atMint('before', 0);
    case 'our swap is signed':
      return atMint('after', 0);
    case 'create is asked for':
      return edge('create', 'before');
    case 'create is half done':
      return atNode({ endpoint: 'create', when: 'between', effect: { kind: 'hold' } });
    case 'create is done':
      return edge('create', 'after');
    case 'an answer is streaming':
      upstream.reply({ usage: costly, hang: true });
      return { held: () => node.audit().reservedMsat > 0, go: upstream.release };
    case 'refund is asked for':
      return edge('refund', 'before');
    case 'refund is half done':
      return atNode({ endpoint: 'refund', when: 'between', effect: { kind: 'hold' } });
    case 'refund is done':
      return edge('refund', 'after');
    // Ours, the node's two, ours.
    case 'the swap of the change is asked for':
      return atMint('before', 3);
    case 'the swap of the change is signed':
      return atMint('after', 3);
  }
}

/** A node that dies with money half way loses it; the story of that is in paid-run-refund.test.ts. */
const losesMoney = (flight: Flight): boolean =>
  flight === 'create is half done' || flight === 'refund is half done';

async function inWorld(
  setting: Setting,
  work: (world: PaidWorld, order: ProviderCrashOrder) => Promise<void>,
) {
  const world = await startPaidWorld({ mint: { feePpk: setting.feePpk } });
  try {
    const { directory, words } = world;
    await world.retire();
    await work(world, { mint: world.mint.url, node: world.node.url, directory, words, action: 'run' });
  } finally {
    await world.end();
  }
}

async function aftermath(world: PaidWorld, setting: Setting): Promise<void> {
  if (setting.node !== 'goes on') {
    world.node.crash(setting.node === 'restarts' ? 'kept' : 'lost');
    await onceThePortIsFree(world.node.comeUp);
    await world.mint.goDown();
    await onceThePortIsFree(world.mint.comeUp);
  }
  world.mint.clearCache();
  await world.restart();
  for (let passes = 0; passes < 8 && world.provider().paidRuns.open().length > 0; passes += 1) {
    await world.later(120_000);
    await world.wallet().recover(AbortSignal.timeout(30_000));
  }
  expect(
    world
      .provider()
      .paidRuns.open()
      .map(({ body }) => body),
  ).toEqual([]);
  await expectAllHome(world);
  // One budget, ever: what clients paid in at the node is one deposit at most.
  expect(world.node.audit().creditedMsat).toBeLessThanOrEqual(2_000_000);
  // It goes on as if nothing had been.
  expect((await world.prepare('r2')).state).toBe('ready');
  await world.finalize('r2');
  await expectAllHome(world);
}

async function killedAt(
  setting: Setting,
  killAt: string,
  victim: Victim,
  action: ProviderCrashOrder['action'] = 'run',
): Promise<void> {
  await inWorld(setting, async (world, order) => {
    world.upstream.reply({ usage: costly });
    const { powerCut } = setting;
    expect(await victim.run({ ...order, action, killAt, powerCut })).toMatchObject({ killed: true });
    await aftermath(world, setting);
  });
}

async function killedWhile(setting: Setting, flight: Flight, victim: Victim): Promise<void> {
  await inWorld(setting, async (world, order) => {
    const { held, go } = holdAt(world, flight);
    if (flight !== 'an answer is streaming') world.upstream.reply({ usage: costly });
    expect(await victim.run(order, held)).toMatchObject({ killed: true });
    world.node.faults.clear();
    world.mint.faults.clear();
    go();
    if (losesMoney(flight)) {
      // The node goes on with what it was doing, and may die afterwards.
      await until(() => world.node.audit().balanced, 'the node is done with it');
    }
    await aftermath(world, setting);
  });
}

/** Killed in its first life, and in its second one while it recovers. */
async function killedTwice(setting: Setting, first: string, second: string, victim: Victim): Promise<void> {
  await inWorld(setting, async (world, order) => {
    world.upstream.reply({ usage: costly });
    expect(await victim.run({ ...order, killAt: first })).toMatchObject({ killed: true });
    expect(await victim.run({ ...order, action: 'recover', killAt: second })).toMatchObject({ killed: true });
    await aftermath(world, setting);
  });
}

const all: readonly Setting[] = [
  { feePpk: 100, node: 'goes on' },
  { feePpk: 0, node: 'restarts, memory lost', powerCut: true },
  { feePpk: 0, node: 'restarts, memory lost' },
  { feePpk: 100, node: 'restarts' },
];
// Each step meets one of the settings; `CRASH_MATRIX=full`: all.
const settings = all;

for (const [at, setting] of settings.entries()) {
  const { feePpk, node, powerCut } = setting;
  const how = powerCut ? 'by a power cut ' : '';
  test(`killed ${how}at every step, nothing is lost: ${feePpk} ppk, the node ${node}`, async () => {
    const cases: readonly (readonly CrashCase<Victim>[])[] = [
      checkpoints.map((checkpoint) => [
        `killed at ${checkpoint}`,
        (victim) => killedAt(setting, checkpoint, victim),
      ]),
      flights.map((flight) => [`killed while ${flight}`, (victim) => killedWhile(setting, flight, victim)]),
    ];
    await inLanes(victims, share(cases, { setting: at, of: settings.length }));
  }, 240_000);
}

test('killed around a budget that was made ahead, nothing is lost', async () => {
  const steps = [
    'send:prepared',
    'send:answered',
    'run:ahead',
    'run:created',
    'run:token_issued',
    'run:running',
  ];
  const cases = [
    { feePpk: 100, node: 'goes on' },
    { feePpk: 0, node: 'goes on', powerCut: true },
  ] as const;
  const all = cases.map((setting) =>
    [...steps, 'run:settled'].map(
      (step): CrashCase<Victim> => [
        `killed at ${step}`,
        (victim) => killedAt(setting, step, victim, 'run ahead'),
      ],
    ),
  );
  // Each step in one of the settings; `CRASH_MATRIX=full`: in both.
  await inLanes(victims, share(all, { setting: 0, of: 2 }));
}, 240_000);

test('killed again while it recovers, nothing is lost', async () => {
  const setting: Setting = { feePpk: 100, node: 'goes on' };
  const twice: readonly (readonly [string, readonly string[]])[] = [
    ['run:sent', ['run:sent', 'run:token_issued', 'run:reclaim', 'receive:answered']],
    [
      'run:token_issued',
      ['run:reclaim', 'receive:prepared', 'receive:answered', 'receive:done', 'run:settled'],
    ],
    ['run:credited', ['run:reclaim', 'run:answered', 'run:change_held']],
    [
      'run:running',
      ['run:refund_due', 'run:answer_kept', 'receive:prepared', 'receive:answered', 'run:settled'],
    ],
    ['run:answer_kept', ['run:change_held']],
  ];
  const cases = twice.map(([first, seconds]) =>
    seconds.map(
      (second): CrashCase<Victim> => [
        `killed at ${first}, then at ${second}`,
        (victim) => killedTwice(setting, first, second, victim),
      ],
    ),
  );
  // Every second one; `CRASH_MATRIX=full`: all.
  await inLanes(victims, share(cases, { setting: 0, of: 2 }));
}, 240_000);
