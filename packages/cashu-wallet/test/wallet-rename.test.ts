/* A mint moves to another address: its money, what is open and its name go with it, and no other mint's do. */
import { Database } from 'bun:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import { RenameRefusedError } from '../src/wallet-errors.ts';
import { type Bench, createBench, fund, newWords, soon, stranger } from './support/wallet-kit.ts';

let bench: Bench;
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.end());

/** A mint whose database is a file, so that it can come up again at another port. */
async function world() {
  const file = join(bench.folder(), 'mint.db');
  const mint = bench.mint({ file, feePpk: 100 });
  const words = newWords();
  const directory = bench.folder();
  const open = (at: SandboxMint = mint): CashuWallet => bench.wallet(at, { words, directory });
  const wallet = open();
  await fund(wallet, 1000);
  /** The same mint somewhere else; the old address is nobody any more. */
  const move = async (): Promise<SandboxMint> => {
    await mint.stop();
    return bench.mint({ file, feePpk: 100 });
  };
  return { mint, file, words, wallet, open, move };
}

/** All of it is at the new address, and worth something there. */
async function works(wallet: CashuWallet, mint: SandboxMint): Promise<void> {
  expect(wallet.info()).toMatchObject({ defaultMint: mint.url, mints: [mint.url] });
  expect(wallet.balance().mints).toMatchObject([{ mint: mint.url }]);
  expect(await wallet.check(soon())).toMatchObject({
    consistent: true,
    problems: [],
    notLooked: [],
    spentElsewhere: 0,
  });
  const { operation } = await wallet.send({ amount: sat(50) }, soon());
  expect(await (await stranger(mint)).redeem(wallet.handOver(operation, 'x'))).toBe(50);
  await fund(wallet, 30);
  expect(mint.audit().balanced).toBe(true);
}

test('the old address is gone: keysets are compared from what is known, and everything goes on at the new one', async () => {
  const { mint, wallet, open, move } = await world();
  mint.lightning.incoming = 'on-demand';
  const late = await wallet.topUp({ amount: sat(77) }, soon());
  const out = await wallet.send({ amount: sat(100) }, soon());
  const token = wallet.handOver(out.operation, 'somebody');
  const other = await wallet.send({ amount: sat(20) }, soon());
  wallet.handOver(other.operation, 'nobody');
  const before = wallet.balance().ready;
  const moved = await move();
  expect(await wallet.renameMint({ from: mint.url, to: `${moved.url}/` }, soon())).toEqual({
    from: mint.url as never,
    to: moved.url as never,
    keysets: 1,
    ready: before,
    configured: true,
    sameKey: true,
  });
  // A token with the old address in it is still ours to take, the invoice still ours to claim.
  moved.pay(moved.quoteOf(late.invoice));
  expect(await wallet.claimTopUp(late.operation, soon())).toBe('paid');
  expect(await wallet.reclaim(other.operation, soon())).toMatchObject({ state: 'reclaimed' });
  expect(wallet.decode(token)).toMatchObject({ accepted: true });
  expect(await wallet.receive(token, { cap: true }, soon())).toMatchObject({ mint: moved.url });
  // Again is no harm; the configuration of before goes on working after a restart, and that is told.
  expect(await wallet.renameMint({ from: mint.url, to: moved.url }, soon())).toMatchObject({ keysets: 0 });
  wallet.close();
  const again = open(mint);
  expect(again.info().moved).toMatchObject([{ before: mint.url, today: moved.url }]);
  await works(again, moved);
  again.close();
  const configured = open(moved);
  expect(configured.info().moved).toEqual([]);
  await works(configured, moved);
});

test('both addresses answer: they are compared as they are now', async () => {
  const { mint, wallet } = await world();
  const door = bench.door(mint);
  expect(await wallet.renameMint({ from: mint.url, to: door }, soon())).toMatchObject({
    keysets: 1,
    ready: sat(1000),
  });
  expect(wallet.balance().mints).toMatchObject([{ mint: door, ready: 1000 }]);
});

test('a mint moves twice, and back', async () => {
  const { mint, wallet } = await world();
  const [second, third] = [bench.door(mint), bench.door(mint)];
  await wallet.renameMint({ from: mint.url, to: second }, soon());
  await wallet.renameMint({ from: second, to: third }, soon());
  expect(wallet.info()).toMatchObject({ defaultMint: third, mints: [third] });
  expect(wallet.acceptedMint(mint.url)).toBe(third as never);
  await wallet.renameMint({ from: third, to: mint.url }, soon());
  expect(wallet.info()).toMatchObject({ defaultMint: mint.url, mints: [mint.url], moved: [] });
  expect(wallet.acceptedMint(second)).toBe(mint.url as never);
  await works(wallet, mint);
});

describe('another mint is refused with what differs, and nothing is changed', () => {
  const refused = async (
    wallet: CashuWallet,
    from: string,
    to: string,
  ): Promise<RenameRefusedError['problem']> => {
    const before = { info: wallet.info(), balance: wallet.balance() };
    const error: unknown = await wallet.renameMint({ from, to }, soon()).catch((cause: unknown) => cause);
    expect({ info: wallet.info(), balance: wallet.balance() }).toEqual(before);
    if (!(error instanceof RenameRefusedError)) throw error;
    return error.problem;
  };
  test('one with keysets of its own', async () => {
    const { mint, wallet } = await world();
    const other = bench.mint();
    const [keyset] = mint.keysets();
    expect(await refused(wallet, mint.url, other.url)).toEqual({
      kind: 'differs',
      missing: [keyset?.id ?? ''],
      different: [],
    });
  });
  test('one that shows the same id with other keys', async () => {
    const { mint, wallet } = await world();
    const other = bench.mint();
    const [keyset] = mint.keysets();
    const [theirs] = other.keysets();
    const lie = (body: string): string => body.replaceAll(theirs?.id ?? '', keyset?.id ?? '');
    for (const path of ['/v1/keysets', '/v1/keys']) {
      other.faults.add({ path, when: 'after', times: 9, effect: { kind: 'edit', edit: lie } });
    }
    const error: unknown = await wallet
      .renameMint({ from: mint.url, to: other.url }, soon())
      .catch((cause: unknown) => cause);
    // An id is made of its keys, so the lie does not even load.
    expect(error).toBeInstanceOf(Error);
    expect(wallet.info().defaultMint).toBe(mint.url as never);
  });
  test('one that lacks an old keyset of which there is money', async () => {
    const { mint, wallet, file, move } = await world();
    const [old] = mint.keysets();
    mint.rotate();
    await fund(wallet, 10);
    const moved = await move();
    moved.faults.add({
      path: '/v1/keysets',
      when: 'after',
      times: 9,
      effect: {
        kind: 'edit',
        edit: (body) => {
          const { keysets } = JSON.parse(body);
          return JSON.stringify({ keysets: keysets.filter(({ id }: { id: string }) => id !== old?.id) });
        },
      },
    });
    expect(file).not.toBe('');
    expect(await refused(wallet, mint.url, moved.url)).toEqual({
      kind: 'differs',
      missing: [old?.id ?? ''],
      different: [],
    });
  });
  test('one that is known by itself, and one of which nothing is known', async () => {
    const { mint, wallet } = await world();
    const other = bench.mint();
    const added = wallet.addMint(other.url);
    expect(await refused(wallet, other.url, bench.door(other))).toEqual({ kind: 'nothing-known' });
    await wallet.warmUp(soon());
    expect(await refused(wallet, mint.url, added)).toMatchObject({ kind: 'another-mint' });
  });
});

test('one transaction: what is written under the old address by somebody who was slow is moved, too', async () => {
  const { mint, wallet } = await world();
  const { file } = wallet.info();
  const door = bench.door(mint);
  await wallet.renameMint({ from: mint.url, to: door }, soon());
  const db = new Database(file);
  db.query('UPDATE proofs SET mint = ?').run(mint.url);
  db.close();
  await wallet.recover(soon());
  expect(wallet.balance().mints).toMatchObject([{ mint: door, ready: 1000 }]);
});
