import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type ObservedHouse, startObservedHouse } from '../support/observed-house.ts';
import { type PaidBot, settled, startPaidBot } from '../support/paid-bot.ts';
import type { Passed } from '../support/recording-proxy.ts';

/** Requests are written down where they arrive: in front of the mint and of the node. */
let house: ObservedHouse;
let world: PaidBot;
beforeAll(async () => {
  house = startObservedHouse({ feePpk: 100 });
  world = await startPaidBot(house, { opencode: 'paying', funds: 5000, budget: 1000 });
}, 60_000);
afterAll(async () => {
  await world?.cleanUp();
  await house.stop();
});

const nameOf = ({ method, path }: Passed): string => `${method} ${path}`;

/** What the bot asks for during a task, of both in the order of arrival. */
async function askedDuring(task: string): Promise<string[]> {
  const all = () => [...house.mintRequests(), ...house.nodeRequests()];
  const before = new Set(all());
  await world.ask(task, /did: /);
  await settled(world, 20_000);
  return all()
    .filter((request) => !before.has(request))
    .toSorted((a, b) => a.from - b.from)
    .map(nameOf);
}

const swap = 'POST /v1/swap';
const paidCalls = (calls: number): string[] => [
  swap,
  'POST /v1/balance/create',
  ...Array<string>(calls).fill('POST /v1/chat/completions'),
  'POST /v1/balance/refund',
  swap,
];

test('a paid run is one swap and one deposit, its model calls, one refund and one swap; and nothing else', async () => {
  expect(await askedDuring('1 calls')).toEqual(paidCalls(1));
  expect(await askedDuring('3 calls')).toEqual(paidCalls(3));
}, 60_000);

test('so is the first one of a bot that was started anew', async () => {
  await world.bot.end('SIGTERM');
  await world.bot.start();
  expect(await askedDuring('1 calls')).toEqual(paidCalls(1));
}, 60_000);
