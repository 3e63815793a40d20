/** `check` holds money at nodes against what they say, and the ledger against the runs; it names what it could not look at. */
import { afterEach, expect, test } from 'bun:test';
import { join } from 'node:path';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { createNodeClient, type NodeClient } from '../src/node/node-client.ts';
import type { NodeUrl } from '../src/node/node-url.ts';
import { runsLeftIn } from '../src/paid-run/runs-left.ts';
import { call, costly, expectAllHome, type PaidWorld, sonnet, startPaidWorld } from './support/paid-world.ts';

let world: PaidWorld;
afterEach(() => world.end());

/** What the node says of a key, bent. */
let says: 'truth' | 'less' | 'nothing';
async function begin(): Promise<void> {
  says = 'truth';
  const at = (url: NodeUrl): NodeClient => {
    const node = createNodeClient(url);
    const info: NodeClient['info'] = async (key, signal) => {
      const info = await node.info(key, signal);
      if (says === 'nothing') return { state: 'unknown_key', evidence: info.evidence };
      if (says === 'truth' || info.state !== 'known') return info;
      return { ...info, balance: { ...info.balance, availableMsat: info.balance.availableMsat - 300_000 } };
    };
    return { ...node, info };
  };
  world = await startPaidWorld({ mint: { feePpk: 0 }, nodes: { at }, rules: { model: () => sonnet } });
}
const check = () => world.wallet().check(soon());
const deposit = (amount: number) =>
  world.provider().account.deposit({ amount: sat(amount), key: 'd', owner: 'ada' }, soon());

test('money that is kept at a node is there, is less, or is not known any more', async () => {
  await begin();
  await deposit(3000);
  expect(await check()).toMatchObject({ consistent: true, problems: [], notLooked: [] });
  says = 'less';
  expect(await check()).toMatchObject({
    consistent: false,
    problems: [{ kind: 'node', run: 'deposit-d', expected: 3000, found: 2700 }],
  });
  says = 'nothing';
  expect((await check()).problems).toMatchObject([{ kind: 'node', expected: 3000, found: undefined }]);
  says = 'truth';
  const prepared = await world.prepare('r1');
  world.upstream.reply({ usage: costly });
  await call(prepared);
  expect((await check()).notLooked).toMatchObject([{ what: 'run', run: 'deposit-d', why: 'under_way' }]);
  await world.finalize('r1');
  // What it cost is off it.
  expect(await check()).toMatchObject({ consistent: true, notLooked: [] });
  await world.provider().account.refund(soon());
  await expectAllHome(world);
});

test('what a node owes is named as not proven, with why', async () => {
  await begin();
  const prepared = await world.prepare('r1');
  expect((await check()).notLooked).toMatchObject([{ run: 'r1', amount: 2000, why: 'under_way' }]);
  world.upstream.reply({ usage: costly });
  await call(prepared);
  world.node.crash();
  await world.finalize('r1');
  expect(await check()).toMatchObject({
    consistent: true,
    notLooked: [{ what: 'run', run: 'r1', amount: 1864, why: 'node_away' }],
  });
  world.node.comeUp();
  expect((await check()).notLooked).toMatchObject([{ run: 'r1', why: 'owed' }]);
  says = 'less';
  expect((await check()).problems).toMatchObject([{ run: 'r1', expected: 1864, found: 1564 }]);
  says = 'truth';
  await world.later(60_000);
  await expectAllHome(world);
});

test('a row of the ledger that says something else than its run is named', async () => {
  await begin();
  await deposit(3000);
  const [row] = world.wallet().ledger.latest(1);
  if (!row) throw new Error('no row');
  const { wallet } = world;
  const change = (budget: number) =>
    wallet().transaction(() => wallet().ledger.update(row.id, { ...row, budget: sat(budget) }));
  change(2999);
  expect(await check()).toMatchObject({
    consistent: false,
    problems: [{ kind: 'ledger-other', run: 'deposit-d' }],
  });
  change(3000);
  expect(await check()).toMatchObject({ consistent: true });
  // One that is settled, too, though its row adds up.
  await world.provider().account.refund(soon());
  expect(await check()).toMatchObject({ consistent: true });
  const [closed] = wallet().ledger.latest(1);
  if (!closed) throw new Error('no row');
  const other = { ...closed, spent: sat(closed.spent + 1), refund: sat(closed.refund - 1) };
  wallet().transaction(() => wallet().ledger.update(row.id, other));
  expect((await check()).problems).toEqual([{ kind: 'ledger-other', run: 'deposit-d' }]);
});

test('runs that a database alone knows are counted beside another one, with what may be at their node', async () => {
  await begin();
  const { file } = world.wallet().info();
  const older = join(world.directory, 'older.db');
  world.wallet().backup(older);
  await world.prepare('r1');
  expect(runsLeftIn(file, older)).toEqual({ runs: 1, amount: sat(2000) });
  expect(runsLeftIn(file, file)).toEqual({ runs: 0, amount: sat(0) });
  await world.finalize('r1');
  expect(runsLeftIn(file, older)).toEqual({ runs: 0, amount: sat(0) });
});
