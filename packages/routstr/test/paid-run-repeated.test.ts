/** A token that belongs to another run, or came in as something else, is no change of this one (core #378, #412). */
import { afterEach, describe, expect, test } from 'bun:test';
import { rewritten, soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { createNodeClient, type NodeClient } from '../src/node/node-client.ts';
import type { NodeUrl } from '../src/node/node-url.ts';
import {
  call,
  costly,
  expectAllHome,
  lastEntry,
  type PaidWorld,
  ready,
  sonnetPrice,
  startPaidWorld,
} from './support/paid-world.ts';

let world: PaidWorld;
afterEach(() => world.end());

const minute = 60_000;
const day = 24 * 60 * minute;

/** What the node answers to a refund instead of what is right; undefined: nothing. */
let stale: string | undefined;
let given: string | undefined;
let asks = 0;
function bent(url: NodeUrl): NodeClient {
  const node = createNodeClient(url);
  return {
    ...node,
    refund: async (key, keep, signal) => {
      asks += 1;
      if (stale === undefined) {
        return node.refund(
          key,
          (raw) => {
            given = raw;
            keep(raw);
          },
          signal,
        );
      }
      keep(stale);
      const evidence = { status: 200, code: undefined, message: '', requestId: 'req-1' };
      return { state: 'token', token: JSON.parse(stale).token, raw: stale, evidence };
    },
  };
}

async function begin(): Promise<void> {
  stale = undefined;
  world = await startPaidWorld({ nodes: { at: bent } });
}

async function spend(run: string): Promise<void> {
  const prepared = await world.prepare(run);
  world.upstream.reply({ usage: costly });
  expect((await call(prepared)).status).toBe(200);
  await until(() => world.node.audit().reservedMsat === 0, 'the node has booked the answer');
}

/** A first run's change, as the node gave it. */
async function firstRun(): Promise<string> {
  await spend('r1');
  await world.finalize('r1');
  expect(world.state('r1')).toBe('settled');
  return JSON.parse(given ?? '').token;
}

const sources: readonly (readonly [string, () => Promise<string>])[] = [
  ['of the run before', firstRun],
  ['of the run before, written differently', async () => rewritten(world.mint, await firstRun())],
  ['that was given to the node for a run that goes on', async () => ready(await world.prepare('r9')).key],
];

describe.each(sources)('the change is a token %s', (_name, source) => {
  test('for a moment: it is asked for again, and the right one is booked', async () => {
    await begin();
    const token = await source();
    await spend('r2');
    stale = JSON.stringify({ token, sats: '1864' });
    await world.finalize('r2');
    expect(world.state('r2')).not.toBe('settled');
    stale = undefined;
    await world.later(minute);
    await world.later(11 * minute);
    await world.later(day);
    expect(world.state('r2')).toBe('settled');
    if (world.state('r9') !== undefined) await world.finalize('r9');
    await expectAllHome(world);
    expect(
      world
        .wallet()
        .ledger.latest(9)
        .filter(({ spent }) => spent === 136).length,
    ).toBeGreaterThan(0);
  });

  test('for good: it is for a person, told once, and is asked about each day', async () => {
    await begin();
    const token = await source();
    await spend('r2');
    stale = JSON.stringify({ token });
    await world.finalize('r2');
    for (let minutes = 0; minutes < 13; minutes += 1) await world.later(minute);
    expect(world.state('r2')).toBe('needs_operator');
    expect(world.news.map(({ id }) => id)).toEqual(['r2']);
    expect(world.provider().owed()).toMatchObject({ due: sat(1864), doubtful: 1 });
    const before = asks;
    for (let hours = 0; hours < 72; hours += 6) await world.later(6 * 60 * minute);
    expect(asks - before).toBeWithin(2, 5);
    expect(world.news).toHaveLength(1);
    stale = undefined;
    await world.later(day);
    expect(world.state('r2')).toBe('settled');
    if (world.state('r9') !== undefined) await world.finalize('r9');
    await expectAllHome(world);
  });
});

test('a bot that dies with such a change in its hand does not book it either', async () => {
  let dies = false;
  stale = undefined;
  const onCheckpoint = (checkpoint: string): void => {
    if (dies && checkpoint === 'run:change_held') throw new Error('the bot dies');
  };
  world = await startPaidWorld({ nodes: { at: bent }, provider: { onCheckpoint } });
  const token = await rewritten(world.mint, await firstRun());
  await spend('r2');
  stale = JSON.stringify({ token });
  dies = true;
  await expect(world.finalize('r2')).rejects.toThrow('the bot dies');
  expect(world.state('r2')).not.toBe('settled');
  dies = false;
  await world.restart();
  expect(world.state('r2')).toBe('refund_due');
  expect(world.news).toEqual([]);
  stale = undefined;
  await world.later(minute);
  expect(lastEntry(world)).toMatchObject({ spent: 136, state: 'settled' });
  await expectAllHome(world);
});

test('so is the change of money that was kept at the node', async () => {
  await begin();
  const token = await firstRun();
  const { account } = world.provider();
  await account.deposit({ amount: sat(1000), key: 'd', owner: 'ada' }, soon());
  stale = JSON.stringify({ token });
  expect(await account.refund(soon())).toMatchObject([{ state: 'under_way' }]);
  stale = undefined;
  await world.later(minute);
  expect(account.books()).toEqual([]);
  await expectAllHome(world);
});

test('so is the change in the header of an answer: what the question left over is asked for', async () => {
  stale = undefined;
  let header: string | undefined;
  const at = (url: NodeUrl): NodeClient => {
    const node = createNodeClient(url);
    const callOnce: NodeClient['callOnce'] = (request, keep, signal) =>
      node.callOnce(request, (right) => keep(header ?? right), signal);
    return { ...node, callOnce };
  };
  world = await startPaidWorld({ nodes: { at } });
  const model = {
    ...{ id: 'claude-sonnet-4.5', sat: sonnetPrice.sat, usd: sonnetPrice.usd },
    ...{ limit: { context: 200_000, output: 16_384 }, reasoning: false },
  };
  const ask = (key: string) =>
    world.provider().quick({ key, owner: 'ada', question: 'How far is the moon?', model }, soon());
  await ask('a');
  header = world.node.audit().changeTokens[0]?.token ?? '';
  expect(header).not.toBe('');
  expect(await ask('b')).toMatchObject({ state: 'answered' });
  header = undefined;
  for (let minutes = 0; minutes < 3; minutes += 1) await world.later(minute);
  await expectAllHome(world);
});
