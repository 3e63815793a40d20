/*
 * Money moves from one mint to another over Lightning. The two sandbox mints pay each other's invoices; the wallet's
 * process is killed at every point of both halves, recovered, and counted.
 */
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import { createSandboxNetwork, type SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import { readMintUrl } from '../src/mints/mint-list.ts';
import { InsufficientFundsError, MintError } from '../src/wallet-errors.ts';
import type { MoveOperations, MoveQuote } from '../src/wallet-types.ts';
import { createVictims } from './support/wallet-crash.ts';
import {
  type Bench,
  balanceFromWords,
  createBench,
  fund,
  newWords,
  type OpenOptions,
  soon,
} from './support/wallet-kit.ts';

const day = 24 * 3_600_000;

let bench: Bench;
let here: SandboxMint;
let there: SandboxMint;
let words: string;
let directory: string;
beforeEach(() => {
  bench = createBench();
  const network = createSandboxNetwork();
  here = bench.mint({ feePpk: 100, network });
  there = bench.mint({ feePpk: 0, incoming: 'on-demand', network });
  words = newWords();
  directory = bench.folder();
});
afterEach(() => bench.end());

const open = (options: Partial<OpenOptions> = {}): CashuWallet =>
  bench.wallet(here, { words, directory, mints: [readMintUrl(there.url)], ...options });
const readyAt = (wallet: CashuWallet, mint: SandboxMint): number =>
  wallet.balance().mints.find((part) => part.mint === mint.url)?.ready ?? 0;
/** What both mints' books and the words say is what the wallet says. */
async function addsUp(wallet: CashuWallet): Promise<number> {
  const { ready, reserved, incoming } = wallet.balance();
  expect({ reserved, incoming }).toEqual({ reserved: sat(0), incoming: sat(0) });
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
  const outstanding = here.audit().totalOutstanding + there.audit().totalOutstanding;
  expect(outstanding).toBe(ready);
  expect((await balanceFromWords(here, words)) + (await balanceFromWords(there, words))).toBe(ready);
  expect([here.audit().balanced, there.audit().balanced]).toEqual([true, true]);
  return ready;
}
const offer = (wallet: CashuWallet, amount: number): Promise<MoveQuote> =>
  wallet.quoteMove({ amount: sat(amount), to: readMintUrl(there.url) }, soon());
const both = ({ withdrawal, topUp }: MoveQuote): MoveOperations => ({
  withdrawal: withdrawal.operation,
  topUp: topUp.operation,
});

describe('money moves', () => {
  test('for the fee that was said, and nothing is left open', async () => {
    const wallet = open();
    await fund(wallet, 1000);
    const quote = await offer(wallet, 400);
    expect(wallet.balance().ready).toBe(sat(1000));
    const moved = await wallet.move(both(quote), soon());
    if (moved.state !== 'moved') throw new Error(moved.state);
    expect(moved.fee).toBeLessThanOrEqual(quote.withdrawal.feeReserve + quote.withdrawal.inputFee);
    expect(readyAt(wallet, there)).toBe(400);
    expect(await addsUp(wallet)).toBe(1000 - moved.fee);
    expect(wallet.operations({ limit: 10, unfinished: true })).toEqual([]);
    // The same once more, as after a restart: nothing is paid twice.
    expect(await wallet.move(both(quote), soon())).toEqual(moved);
  });

  test('in a wallet that is full: the balance does not grow', async () => {
    const wallet = open({ maxBalance: sat(1000) });
    await fund(wallet, 1000);
    expect(await wallet.move(both(await offer(wallet, 500)), soon())).toMatchObject({ state: 'moved' });
  });

  test('not without the money for it, and no invoice is left behind', async () => {
    const wallet = open();
    await fund(wallet, 100);
    await expect(offer(wallet, 100)).rejects.toBeInstanceOf(InsufficientFundsError);
    await here.goDown();
    await expect(offer(wallet, 50)).rejects.toBeInstanceOf(MintError);
    here.comeUp();
    expect(wallet.operations({ limit: 10, unfinished: true })).toEqual([]);
    expect(wallet.balance().ready).toBe(sat(100));
  });

  test('not when the payment fails: the money stays here', async () => {
    const wallet = open();
    await fund(wallet, 1000);
    const quote = await offer(wallet, 400);
    here.lightning.outgoing = 'failed';
    await expect(wallet.move(both(quote), soon())).rejects.toThrow();
    await wallet.recover(soon());
    expect(readyAt(wallet, here)).toBe(1000);
    expect(await addsUp(wallet)).toBe(1000);
  });
});

describe('what is paid arrives', () => {
  test('when the other mint is away for days, and the wallet is restarted meanwhile', async () => {
    const clock = { offset: 0, now: () => Date.now() + clock.offset };
    let wallet = open({ clock });
    await fund(wallet, 1000);
    const quote = await offer(wallet, 400);
    await there.goDown();
    const paid = await wallet.move(both(quote), soon());
    expect(paid).toMatchObject({ state: 'paid', amount: sat(400) });
    expect(wallet.balance().incoming).toBe(sat(400));
    wallet.close();
    clock.offset += 4 * day;
    wallet = open({ clock });
    await wallet.recover(soon());
    clock.offset += 4 * day;
    there.comeUp();
    await wallet.recover(soon());
    expect(readyAt(wallet, there)).toBe(400);
    await addsUp(wallet);
  });

  test('when the payment hangs until long after the invoice has expired', async () => {
    const clock = { offset: 0, now: () => Date.now() + clock.offset };
    const wallet = open({ clock });
    await fund(wallet, 1000);
    here.lightning.outgoing = 'pending';
    const quote = await offer(wallet, 400);
    const other = await offer(wallet, 10);
    expect(await wallet.move(both(quote), soon())).toMatchObject({ state: 'pending' });
    clock.offset += 3 * day;
    await wallet.recover(soon());
    // The one that nobody paid is given up, the one that is being paid is not.
    const states = new Map(wallet.operations({ limit: 10 }).map((each) => [each.operation, each.state]));
    expect(states.get(other.topUp.operation)).toBe('expired');
    expect(states.get(quote.topUp.operation)).toBe('quoted');
    here.settle(here.meltQuoteOf(quote.topUp.invoice), 'paid');
    await wallet.recover(soon());
    expect(readyAt(wallet, there)).toBe(400);
    await addsUp(wallet);
  });
});

describe('killed anywhere, it arrives or it never left', () => {
  const victims = createVictims();
  afterAll(() => victims.end());
  const points = ['reserved', 'prepared', 'answered', 'done'] as const;
  const checkpoints = (['melt', 'mint'] as const).flatMap((half) =>
    points.map((point) => `${half}:${point}`),
  );
  const requests = [
    ['before the one has it', '/v1/melt/bolt11', 'before'],
    ['after the one has done it', '/v1/melt/bolt11', 'after'],
    ['before the other has it', '/v1/mint/bolt11', 'before'],
    ['after the other has done it', '/v1/mint/bolt11', 'after'],
  ] as const;
  const moving = () => ({ kind: 'move', amount: 400, to: there.url }) as const;
  const order = () => ({ mint: here.url, directory, words, action: moving() });

  async function recovered(arrived: boolean): Promise<void> {
    const wallet = open();
    expect(await wallet.recover(soon())).toMatchObject({ waiting: [], troubled: [] });
    expect(readyAt(wallet, there)).toBe(arrived ? 400 : 0);
    const left = await addsUp(wallet);
    expect(left).toBeGreaterThan(arrived ? 985 : 999);
    // It goes on as if nothing had been.
    const next = await wallet.move(both(await offer(wallet, 50)), soon());
    expect(next.state).toBe('moved');
    wallet.close();
  }

  for (const checkpoint of checkpoints) {
    test(`at ${checkpoint}`, async () => {
      const before = open();
      await fund(before, 1000);
      before.close();
      expect(await victims.run({ ...order(), killAt: checkpoint })).toMatchObject({ killed: true });
      await recovered(!['melt:reserved', 'melt:prepared'].includes(checkpoint));
    });
  }
  for (const [moment, path, when] of requests) {
    test(moment, async () => {
      const before = open();
      await fund(before, 1000);
      before.close();
      const mint = path === '/v1/melt/bolt11' ? here : there;
      mint.faults.add({ path, when, effect: { kind: 'hold' } });
      const life = await victims.run(order(), () => mint.faults.holding() > 0);
      expect(life).toMatchObject({ killed: true });
      mint.faults.clear();
      // Whoever dies takes his connection with him: what was not begun is not begun.
      mint.clearCache();
      mint.faults.release();
      await recovered(!(path === '/v1/melt/bolt11' && when === 'before'));
    });
  }
});
