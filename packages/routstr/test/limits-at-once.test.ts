/** Several that begin at the same moment do not pass a limit together that only one of them fits into. */
import { afterEach, expect, test } from 'bun:test';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { QuickResult } from '../src/paid-run/quick.ts';
import type { PreparedPaidRun } from '../src/paid-run/run-ticket.ts';
import {
  expectAllHome,
  type PaidWorld,
  type PaidWorldOptions,
  sonnet,
  sonnetPrice,
  startPaidWorld,
} from './support/paid-world.ts';

let world: PaidWorld;
/** As in a bot: prices are known, so a run looks for an account first. */
const begin = async (rules: PaidWorldOptions['rules'] = {}): Promise<void> => {
  world = await startPaidWorld({ rules: { model: () => sonnet, ...rules } });
};
afterEach(() => world.end());

const names = ['a', 'b', 'c', 'd'];
const prepareAll = (owner = 'ada'): Promise<PreparedPaidRun[]> =>
  Promise.all(names.map((name) => world.prepare(name, { owner })));
const finalizeAll = () => Promise.all(names.map((name) => world.finalize(name)));
const begun = (all: readonly { readonly state: string }[]): number =>
  all.filter(({ state }) => state !== 'refused').length;

test('runs, against the limit of all', async () => {
  await begin();
  world.settings.limit = sat(3000);
  const prepared = await prepareAll();
  expect(begun(prepared)).toBe(1);
  expect(prepared.filter(({ state }) => state === 'refused')[0]).toMatchObject({
    refusal: { kind: 'day_limit', limit: 3000 },
  });
  await finalizeAll();
  await expectAllHome(world);
});

test('runs, against the limit of their owner, and nobody else is held up by it', async () => {
  await begin({ ownerLimit: (owner) => (owner === 'ada' ? sat(3000) : undefined) });
  const [his, hers] = await Promise.all([prepareAll(), world.prepare('e', { owner: 'eve' })]);
  expect(begun(his)).toBe(1);
  expect(hers.state).toBe('ready');
  await Promise.all([finalizeAll(), world.finalize('e')]);
  await expectAllHome(world);
});

test('runs, against the money that their owner brought in', async () => {
  const brought = (owner: string): Sat => sat(3000 - world.provider().usedSince(0, owner));
  await begin({ ownMoney: brought });
  expect(begun(await prepareAll())).toBe(1);
  await finalizeAll();
  await expectAllHome(world);
});

test('runs on money that is kept at the node', async () => {
  await begin();
  const account = world.provider().account;
  await account.deposit({ amount: sat(9000), key: 'k', owner: 'ada' }, soon());
  world.settings.limit = sat(3000);
  expect(begun(await prepareAll())).toBe(1);
  expect(names.filter((name) => world.state(name) === 'spending')).toHaveLength(1);
  await finalizeAll();
  await account.refund(soon());
  await expectAllHome(world);
});

test('additions to runs on money that is kept at the node', async () => {
  await begin();
  const { account, more } = world.provider();
  await account.deposit({ amount: sat(9000), key: 'k', owner: 'ada' }, soon());
  await Promise.all(['a', 'b'].map((name) => world.prepare(name)));
  world.settings.limit = sat(5500);
  const added = await Promise.all(['a', 'b', 'a', 'b'].map((name) => more(name, sat(1000), soon())));
  expect(begun(added)).toBe(1);
  await Promise.all(['a', 'b'].map((name) => world.finalize(name)));
  await account.refund(soon());
  await expectAllHome(world);
});

test('single questions', async () => {
  await begin();
  const model = {
    ...{ id: 'claude-sonnet-4.5', sat: sonnetPrice.sat, usd: sonnetPrice.usd },
    ...{ limit: { context: 200_000, output: 16_384 }, reasoning: false },
  };
  const ask = (key: string): Promise<QuickResult> =>
    world.provider().quick({ key, owner: 'ada', question: 'How far is the moon?', model }, soon());
  // One takes up to 17 sat.
  world.settings.limit = sat(25);
  expect(begun(await Promise.all(names.map(ask)))).toBe(1);
  await expectAllHome(world);
});
