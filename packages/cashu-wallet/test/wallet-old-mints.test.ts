/* Mints without the optional NUTs: what they can't be asked is not waited for, and nothing is lost or locked. */
import { afterEach, expect, test } from 'bun:test';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { z } from 'zod';
import type { CashuWallet } from '../src/faces.ts';
import { giveProofs } from './support/give-proofs.ts';
import { createBench, fund, newWords, soon, stranger } from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

const infoSchema = z.looseObject({ nuts: z.record(z.string(), z.unknown()) });
const paths = { 7: '/v1/checkstate', 9: '/v1/restore' } as const;

function withoutNuts(mint: SandboxMint, nuts: readonly (keyof typeof paths)[]): void {
  const times = Number.POSITIVE_INFINITY;
  const edit = (body: string): string => {
    const info = infoSchema.parse(JSON.parse(body));
    return JSON.stringify({
      ...info,
      nuts: Object.fromEntries(
        Object.entries(info.nuts).filter(([nut]) => !nuts.some((n) => `${n}` === nut)),
      ),
    });
  };
  mint.faults.add({ path: '/v1/info', when: 'after', times, effect: { kind: 'edit', edit } });
  for (const nut of nuts)
    mint.faults.add({ path: paths[nut], when: 'before', times, effect: { kind: 'status', status: 404 } });
}

async function moneyGoesInAndOut(mint: SandboxMint, wallet: CashuWallet): Promise<void> {
  const friend = await stranger(mint);
  const before = wallet.balance().ready;
  await fund(wallet, 64);
  await fund(wallet, 1000);
  expect(await wallet.receive(await friend.token(100), { cap: true }, soon())).toMatchObject({
    amount: sat(100),
  });
  const { operation } = await wallet.send({ amount: sat(20) }, soon());
  expect(await friend.redeem(wallet.handOver(operation, 'a friend'))).toBe(20);
  const quote = await wallet.quoteWithdrawal({ invoice: mint.invoice(10) }, soon());
  expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'paid', fee: sat(1) });
  const { ready, reserved, incoming } = wallet.balance();
  expect({ ready, reserved, incoming }).toEqual({
    ready: sat(before + 64 + 1000 + 100 - 20 - 11),
    reserved: sat(0),
    incoming: sat(0),
  });
  expect(mint.audit()).toMatchObject({ balanced: true, paidUnissued: 0, pending: 0 });
}

test.each([[[7]], [[9]], [[7, 9]]] as const)(
  'a mint without NUT %p takes and gives money, also with a database that is older than what it signed',
  async (nuts) => {
    const mint = bench.mint({ cache: false });
    withoutNuts(mint, nuts);
    const life = { words: newWords(), directory: bench.folder() };
    const first = bench.wallet(mint, life);
    const copy = join(bench.folder(), 'copy.db');
    first.backup(copy);
    await moneyGoesInAndOut(mint, first);
    const { file } = first.info();
    first.close();
    for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
    copyFileSync(copy, file);
    await moneyGoesInAndOut(mint, bench.wallet(mint, life));
  },
);

test('small proofs of a keyset that signs no more, and whose keys were never asked for, are gathered and tidied', async () => {
  const mint = bench.mint({ maxInputs: 20 });
  const life = { words: newWords(), directory: bench.folder() };
  bench.wallet(mint, life).close();
  await giveProofs(mint, life, Array(60).fill(1));
  mint.rotate();
  const wallet = bench.wallet(mint, { ...life, policy: { maxInputs: 20, manyProofs: 50 } });
  await wallet.warmUp(soon());
  expect(await wallet.send({ amount: sat(45) }, soon())).toMatchObject({ face: sat(45) });
  expect(wallet.balance()).toMatchObject({ ready: sat(15), reserved: sat(0), sent: sat(45) });
});
