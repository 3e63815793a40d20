/*
 * The crash matrix of keys that users have in hand: the process is killed at every step of making one (from the wallet, from
 * a pasted token, from an invoice), of adding to one and of its refund. Then another one has the wallet: what became of
 * it is told once, what was asked for can be asked again, and everything is counted to the sat. `CRASH_MATRIX=full`:
 * every moment; without it those that differ most.
 */
import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { type CrashCase, inLanes } from '@nostr-dm-agent/cashu-wallet/testing/crash-lanes';
import { createVictims } from '@nostr-dm-agent/cashu-wallet/testing/wallet-crash';
import { soon, stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { NodeFault } from '@nostr-dm-agent/sandbox/node';
import { parseNodeUrl } from '../src/node/node-url.ts';
import { expectHome } from './support/keys-home.ts';
import { type PaidWorld, startPaidWorld } from './support/paid-world.ts';
import type { ProviderCrashOrder } from './support/provider-crash-child.ts';

const victims = ['a', 'b'].map(() =>
  createVictims<ProviderCrashOrder>(join(import.meta.dir, 'support/provider-crash-child.ts')),
);
type Victim = (typeof victims)[number];
afterAll(async () => {
  for (const each of victims) await each.end();
});

type Edge = Extract<NodeFault, { when: 'before' | 'after' }>;
type Flight = readonly [endpoint: Edge['endpoint'], when: 'before' | 'between' | 'after'];
type Story = {
  readonly action: ProviderCrashOrder['action'];
  /** Where the process ends itself; those with a star are among the ones that differ most. */
  readonly checkpoints: readonly string[];
  /** Where it is killed from outside, while a request is with the node. */
  readonly flights: readonly (readonly [...Flight] | readonly [...Flight, '*'])[];
};
const send = ['send:reserved', 'send:prepared', 'send:answered', 'send:done', 'run:sent'];
const receive = ['receive:reserved', 'receive:prepared', 'receive:answered', '*receive:done'];
const deposit = ['run:token_issued', '*run:credited', 'run:deposited', 'run:kept'];
const around = (endpoint: Edge['endpoint']): readonly Flight[] => [
  [endpoint, 'before'],
  [endpoint, 'between'],
  [endpoint, 'after'],
];

const stories: Readonly<Record<string, Story>> = {
  'a key of the wallet': {
    action: 'key of wallet',
    checkpoints: ['*run:created', ...send, ...deposit],
    flights: [
      ['create', 'before'],
      ['create', 'between', '*'],
      ['create', 'after'],
    ],
  },
  'a key of a token': {
    action: 'key of token',
    checkpoints: ['*run:created', ...receive, ...send, ...deposit],
    flights: around('create'),
  },
  'a key of an invoice': {
    action: 'key of invoice',
    checkpoints: ['run:created', '*run:invoiced', 'run:kept'],
    // An invoice that nobody saw is paid by nobody: with the answer to its making nothing is lost.
    flights: [
      ['invoice', 'before'],
      ['invoice-status', 'before'],
      ['invoice-status', 'after', '*'],
    ],
  },
  'more on a key': {
    action: 'more on key',
    checkpoints: ['run:created', ...send, 'run:token_issued', '*run:merged'],
    flights: [
      ['topup', 'before'],
      ['topup', 'between'],
      ['topup', 'after', '*'],
    ],
  },
  'a refund of a key': {
    action: 'key back',
    checkpoints: ['run:refund_due', '*run:answered', 'run:answer_kept', '*run:change_held', 'run:settled'],
    flights: around('refund'),
  },
};

const keys = (world: PaidWorld) => world.provider().keys;
const wish = (world: PaidWorld, id: string, amount: number) =>
  keys(world).make(
    { id, node: parseNodeUrl(world.node.url), payment: { from: 'wallet', amount: sat(amount) } },
    soon(),
  );

async function inWorld(
  { action }: Story,
  work: (world: PaidWorld, order: ProviderCrashOrder) => Promise<void>,
): Promise<void> {
  const world = await startPaidWorld();
  try {
    expect(await wish(world, 'key-0', 1000)).toMatchObject({ state: 'made' });
    const token = action === 'key of token' ? await (await stranger(world.mint)).token(700) : undefined;
    const { directory, words } = world;
    await world.retire();
    if (action === 'key of invoice') world.mint.lightning.incoming = { afterMs: 30 };
    const order = { mint: world.mint.url, node: world.node.url, directory, words, action };
    await work(world, { ...order, ...(token !== undefined && { token }) });
  } finally {
    await world.end();
  }
}

/** Another process has the wallet: everything is told, asked again, and brought home. */
async function aftermath(world: PaidWorld, { action }: Story, token: string | undefined): Promise<void> {
  const { mint } = world;
  mint.lightning.incoming = 'at-once';
  mint.clearCache();
  await world.restart();
  const open = () =>
    keys(world)
      .list('open')
      .filter(({ state, arriving }) => state !== 'kept' || arriving > 0);
  for (let passes = 0; passes < 8 && open().length > 0; passes += 1) {
    await world.later(120_000);
    await world.wallet().recover(AbortSignal.timeout(30_000));
  }
  expect(open()).toEqual([]);
  const news = keys(world).news();
  expect(news.length).toBeLessThanOrEqual(1);
  for (const { did } of news) {
    expect(did).toBe(action === 'more on key' ? 'topup' : action === 'key back' ? 'refund' : 'make');
  }
  expect(keys(world).news()).toEqual([]);

  let outside = 0;
  if (token !== undefined) {
    // It is in the wallet, on a key, or nobody has taken it yet.
    const node = parseNodeUrl(world.node.url);
    const again = await keys(world).make({ id: 'key-2', node, payment: { from: 'token', token } }, soon());
    if (again.state !== 'made') expect(again).toMatchObject({ refusal: { kind: 'token_known' } });
    outside = 699;
  }
  const first = keys(world)
    .list('all')
    .find(({ id }) => id === 'key-1');
  if (action === 'key of invoice' && first?.state === 'kept') outside = 700;
  // The same order under the same name, as who asked and heard nothing asks again: it is done once.
  if (action === 'key of wallet') {
    expect(await wish(world, 'key-1', 700)).toMatchObject({ state: 'made', key: { deposited: 700 } });
  }
  for (const { id } of keys(world).list('open')) {
    expect(await keys(world).refund(id, soon())).toMatchObject({ state: 'returned' });
  }
  await expectHome(world, outside);
}

const killedAt = (story: Story, killAt: string, victim: Victim): Promise<void> =>
  inWorld(story, async (world, order) => {
    expect(await victim.run({ ...order, killAt })).toMatchObject({ killed: true });
    await aftermath(world, story, order.token);
  });

const killedWhile = (story: Story, [endpoint, when]: Flight, victim: Victim): Promise<void> =>
  inWorld(story, async (world, order) => {
    const { node } = world;
    node.faults.add({ endpoint, when, effect: { kind: 'hold' } });
    expect(await victim.run(order, () => node.faults.holding() > 0)).toMatchObject({ killed: true });
    node.faults.clear();
    node.faults.release();
    if (when === 'between') await until(() => node.audit().balanced, 'the node is done with it');
    await aftermath(world, story, order.token);
  });

const full = process.env.CRASH_MATRIX === 'full';

test('killed at every step, nothing is lost, and what became of it is told once', async () => {
  const cases = Object.entries(stories).flatMap(([name, story]): readonly CrashCase<Victim>[] => [
    ...story.checkpoints
      .filter((checkpoint) => full || checkpoint.startsWith('*'))
      .map((checkpoint): CrashCase<Victim> => {
        const at = checkpoint.replace('*', '');
        return [`${name}, killed at ${at}`, (victim) => killedAt(story, at, victim)];
      }),
    ...story.flights
      .filter((flight) => full || flight[2] === '*')
      .map(
        ([endpoint, when]): CrashCase<Victim> => [
          `${name}, killed in ${endpoint} ${when}`,
          (victim) => killedWhile(story, [endpoint, when], victim),
        ],
      ),
  ]);
  await inLanes(victims, cases);
}, 240_000);
