/*
 * The wallet against a mint that is not ours, and against that mint's own wallet: every operation as an owner sees it.
 */

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { copyFileSync, rmSync } from 'node:fs';
import { getEncodedToken } from '@cashu/cashu-ts';
import type { CashuWallet } from '@nostr-dm-agent/cashu-wallet';
import { InvoiceRefusedError, MintError, TokenRefusedError } from '@nostr-dm-agent/cashu-wallet';
import { keyIn, nprofileOf, payloadOf } from '@nostr-dm-agent/cashu-wallet/testing/payer';
import {
  type Bench,
  createBench,
  fund,
  newWords,
  soon,
  stranger,
} from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { pointFromScalar } from 'tiny-secp256k1';
import { foreignInvoice } from './invoice.ts';
import type { MintFront } from './mint-front.ts';
import { type NutshellMint, type NutshellSettings, startNutshell } from './nutshell.ts';
import { installNutshell, type Nutshell, nutshellVersion, skipped } from './nutshell-install.ts';
import { createNutshellWallet } from './nutshell-wallet.ts';
import { unspentFromWords } from './words.ts';

/** What the swap to the exact sum cost: a payment that fails after it does not bring that back. */
const swapFee = (wallet: Pick<CashuWallet, 'operations'>): number =>
  wallet.operations({ limit: 3 }).find(({ state }) => state === 'regrouped')?.fee ?? 0;

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

const handed = async (wallet: CashuWallet, amount: number): Promise<string> =>
  wallet.handOver((await wallet.send({ amount: sat(amount) }, soon())).operation, 'a friend');

// With fees all that happens without them happens, too: both by INTEROP=full.
for (const feePpk of process.env.INTEROP === 'full' ? [0, 100] : [100]) {
  describe.skipIf(skipped)(`Nutshell ${nutshellVersion}, ${feePpk} ppk`, () => {
    let nutshell: Nutshell;
    let mint: NutshellMint;
    let bench: Bench;
    let front: MintFront;
    beforeAll(async () => {
      nutshell = await installNutshell();
      mint = await startNutshell(nutshell, feePpk);
      bench = createBench();
      front = mint.front();
    });
    afterAll(async () => {
      // Not there when Nutshell could not be installed.
      await bench?.end();
      await mint?.stop();
    });

    /** The same mint with other settings for the length of `work`. */
    const withMint = async (settings: NutshellSettings, work: () => Promise<void>): Promise<void> => {
      await mint.kill();
      await mint.start(settings);
      try {
        await work();
      } finally {
        await mint.kill();
        await mint.start();
      }
    };
    const funded = async (amount: number): Promise<CashuWallet> => {
      const wallet = bench.wallet(front);
      await fund(wallet, amount);
      return wallet;
    };
    const theirs = (words?: string) => {
      const wallet = createNutshellWallet(nutshell, front.url);
      return { ...wallet, restored: () => wallet.restore(words ?? '') };
    };
    /** The books add up, nothing is held, and the words alone find the same. */
    const audit = async (wallet: CashuWallet, words?: string): Promise<Sat> => {
      expect((await wallet.recover(soon())).waiting).toEqual([]);
      expect(await wallet.check(soon())).toMatchObject({
        consistent: true,
        problems: [],
        spentElsewhere: sat(0),
        unreachable: [],
      });
      const { ready, sent, reserved, incoming } = wallet.balance();
      expect({ reserved, incoming }).toEqual({ reserved: sat(0), incoming: sat(0) });
      if (words !== undefined) expect(await unspentFromWords(front.url, words)).toBe(ready + sent);
      return ready;
    };

    test('a top-up that is paid comes in, and is told over the WebSocket', async () => {
      const wallet = await funded(1000);
      expect(wallet.balance()).toMatchObject({ ready: sat(1000), incoming: sat(0) });
      await audit(wallet);
    });

    test('an invoice that is paid later comes in later, also after both were restarted', async () => {
      const words = newWords();
      const directory = bench.folder();
      const before = bench.wallet(front, { words, directory });
      await withMint({ FAKEWALLET_BRR: 'FALSE' }, async () => {
        const { operation, invoice } = await before.topUp({ amount: sat(210) }, soon());
        expect(invoice).toStartWith('lnbc2100n1');
        expect(await before.claimTopUp(operation, soon())).toBe('unpaid');
        before.close();
      });
      const after = bench.wallet(front, { words, directory });
      await until(
        async () => {
          await after.recover(soon());
          return after.balance().ready === 210;
        },
        'the top-up is in',
        30_000,
      );
      await audit(after, words);
    });

    test("a token of Nutshell's own wallet is received, and what we send nets it exactly what was asked for", async () => {
      const other = theirs();
      try {
        await other.receive(await handed(await funded(1000), 500));
        const wallet = bench.wallet(front);
        const token = await other.token(200);
        const { amount, fee } = await wallet.receive(token, { cap: true }, soon());
        expect(amount + fee).toBeGreaterThanOrEqual(200);
        expect(await audit(wallet)).toBe(amount);

        const before = await other.balance();
        await other.receive(await handed(wallet, 100));
        expect((await other.balance()) - before).toBe(100);
        await audit(wallet);
        expect(wallet.operations({ limit: 1 })).toMatchObject([{ kind: 'send', state: 'claimed' }]);

        expect(await failure(wallet.receive(token, { cap: true }, soon()))).toMatchObject({
          problem: { kind: 'already-received' },
        });
      } finally {
        other.end();
      }
    });

    test("a payment request is paid by Nutshell's command line, in either writing, and nets exactly what was asked for", async () => {
      const wallet = bench.wallet(front);
      wallet.requests.reachedAt(nprofileOf, () => undefined);
      const payer = theirs();
      await payer.receive(await handed(await funded(1000), 900));
      let paid = 0;
      await withMint({ FAKEWALLET_BRR: 'FALSE' }, async () => {
        for (const [amount, writing] of [
          [300, 'text'],
          [123, 'qr'],
        ] as const) {
          const { operation, request } = await wallet.topUp({ amount: sat(amount) }, soon());
          if (request === undefined) throw new Error('no request was made');
          const token = await payer.pay(request[writing]);
          // It prints what it does not deliver. In a payload it has the short keyset ids of the token.
          const { proofs } = (await stranger(front)).wallet.decodeToken(token);
          const short = proofs.map((proof) => ({ ...proof, id: proof.id.slice(0, 16) }));
          const payload = payloadOf(request.text, front.url, short);
          expect(wallet.requests.deliver(keyIn(request.text), payload)).toBe('kept');
          expect(await wallet.requests.redeemNext(soon())).toBe('redeemed');
          paid += amount;
          expect(wallet.balance().ready).toBe(sat(paid));
          expect(wallet.requests.news().at(-1)).toMatchObject({ kind: 'came', received: { amount } });
          expect(wallet.requests.paidFor(operation)).toBeGreaterThanOrEqual(amount);
        }
      });
      await audit(wallet);
      payer.end();
    });

    test('a second wallet of ours nets exactly what was sent, whatever the amount', async () => {
      const from = await funded(5000);
      const to = bench.wallet(front);
      let sum = 0;
      for (const amount of [1, 2, 63, 1000, 1023]) {
        const sent = await from.send({ amount: sat(amount) }, soon());
        const got = await to.receive(from.handOver(sent.operation, 'to'), { cap: true }, soon());
        expect(got).toMatchObject({ amount: sat(amount), fee: sat(sent.face - amount) });
        sum += amount;
      }
      expect(await audit(to)).toBe(sat(sum));
      await audit(from);
    });

    test('an unclaimed token is taken back; a claimed one is known to be', async () => {
      const words = newWords();
      const wallet = bench.wallet(front, { words });
      await fund(wallet, 1000);
      const unclaimed = await wallet.send({ amount: sat(100) }, soon());
      expect(await wallet.reclaim(unclaimed.operation, soon())).toMatchObject({ state: 'reclaimed' });
      expect(await audit(wallet, words)).toBeGreaterThanOrEqual(1000 - 3);

      const claimed = await wallet.send({ amount: sat(100) }, soon());
      const text = wallet.handOver(claimed.operation, 'x');
      await bench.wallet(front).receive(text, { cap: true }, soon());
      expect(await wallet.reclaim(claimed.operation, soon())).toEqual({ state: 'claimed' });
      const spent = await failure(bench.wallet(front).receive(text, { cap: true }, soon()));
      expect(spent).toBeInstanceOf(TokenRefusedError);
      expect(spent).toMatchObject({ problem: { kind: 'spent' } });
    });

    test('an invoice from elsewhere is paid, and the reserve that Lightning did not need comes back', async () => {
      const words = newWords();
      const wallet = bench.wallet(front, { words });
      await fund(wallet, 2000);
      const quote = await wallet.quoteWithdrawal({ invoice: foreignInvoice(1000) }, soon());
      expect(quote).toMatchObject({ amount: sat(1000), feeReserve: sat(10) });
      const paid = await wallet.withdraw(quote.operation, soon());
      // FakeWallet's Lightning costs 1 sat; the rest is the mint's fee for the proofs.
      expect(paid).toMatchObject({ state: 'paid', amount: sat(1000), fee: sat(1 + quote.inputFee) });
      expect(await audit(wallet, words)).toBe(sat(1000 - 1 - quote.inputFee));
    });

    test('an invoice of the mint itself is settled inside, without a Lightning fee', async () => {
      const from = await funded(1000);
      await withMint({ FAKEWALLET_BRR: 'FALSE' }, async () => {
        const to = bench.wallet(front);
        const { operation, invoice } = await to.topUp({ amount: sat(300) }, soon());
        const quote = await from.quoteWithdrawal({ invoice }, soon());
        expect(quote.feeReserve).toBe(sat(0));
        expect(await from.withdraw(quote.operation, soon())).toMatchObject({ state: 'paid' });
        expect(await to.claimTopUp(operation, soon())).toBe('paid');
        expect(await audit(to)).toBe(sat(300));
        expect(await audit(from)).toBe(sat(700 - quote.inputFee));
        expect(await failure(from.quoteWithdrawal({ invoice }, soon()))).toBeInstanceOf(InvoiceRefusedError);
      });
    });

    test('a payment that fails leaves the money where it was', async () => {
      const words = newWords();
      const wallet = bench.wallet(front, { words });
      await fund(wallet, 1000);
      await withMint(
        { FAKEWALLET_PAY_INVOICE_STATE: 'FAILED', FAKEWALLET_PAYMENT_STATE: 'FAILED' },
        async () => {
          const { operation } = await wallet.quoteWithdrawal({ invoice: foreignInvoice(200) }, soon());
          expect(await failure(wallet.withdraw(operation, soon()))).toBeInstanceOf(InvoiceRefusedError);
          expect(await audit(wallet, words)).toBe(sat(1000 - swapFee(wallet)));
        },
      );
    });

    test.each([
      ['SETTLED', 'paid'],
      ['FAILED', 'rolled_back'],
    ])(
      'a payment that hangs stays reserved, over a restart of the mint, until it is %s',
      async (outcome, state) => {
        const words = newWords();
        const wallet = bench.wallet(front, { words });
        await fund(wallet, 1000);
        const hanging = { FAKEWALLET_PAY_INVOICE_STATE: 'PENDING', FAKEWALLET_PAYMENT_STATE: 'PENDING' };
        await withMint(hanging, async () => {
          const { operation } = await wallet.quoteWithdrawal({ invoice: foreignInvoice(200) }, soon());
          expect(await wallet.withdraw(operation, soon())).toMatchObject({ state: 'pending' });
          expect((await wallet.recover(soon())).waiting).toMatchObject([{ operation, state: 'pending' }]);
          expect(wallet.balance().reserved).toBeGreaterThanOrEqual(200);
          // At once: a mint that starts looks after what is open, and by default all is paid.
          await mint.kill();
          await mint.start({ FAKEWALLET_PAYMENT_STATE: outcome });
          const ready = await audit(wallet, words);
          // The swap to the exact sum may stand before it.
          expect(wallet.operations({ limit: 3 })).toContainEqual(
            expect.objectContaining({ kind: 'melt', state }),
          );
          if (state === 'rolled_back') expect(ready).toBe(sat(1000 - swapFee(wallet)));
          else expect(ready).toBeWithin(1000 - 200 - 5, 1000 - 200 + 1);
        });
      },
    );

    test('a mint that dies while it pays is asked again, and what it says counts', async () => {
      const words = newWords();
      const wallet = bench.wallet(front, { words });
      await fund(wallet, 1000);
      await withMint({ FAKEWALLET_DELAY_OUTGOING_PAYMENT: '30' }, async () => {
        const { operation } = await wallet.quoteWithdrawal({ invoice: foreignInvoice(200) }, soon());
        const paying = failure(wallet.withdraw(operation, soon()));
        // The mint also holds proofs during the swap before it; killed there, Nutshell never gives them back.
        const asked = front.requests.length;
        const paid = () => front.requests.slice(asked).includes('POST /v1/melt/bolt11');
        await until(() => paid() && mint.books().pending > 0, 'the mint has the proofs in its hands');
        await mint.kill();
        expect(await paying).toMatchObject({ name: 'UnfinishedOperationError' });
        expect(wallet.balance().reserved).toBeGreaterThanOrEqual(200);
      });
      const ready = await audit(wallet, words);
      const melt = wallet.operations({ limit: 3 }).find(({ kind }) => kind === 'melt');
      expect(melt).toMatchObject({ open: false });
      expect(ready).toBe(
        sat(melt?.state === 'paid' ? 1000 - 200 - (melt?.fee ?? 0) : 1000 - swapFee(wallet)),
      );
    });

    test("the words alone bring everything back, in our wallet and in Nutshell's", async () => {
      const words = newWords();
      const lost = bench.wallet(front, { words });
      await fund(lost, 777);
      await lost.send({ amount: sat(100) }, soon());
      const { ready, sent } = lost.balance();
      lost.close();

      const found = bench.wallet(front, { words });
      expect(await found.restore(soon())).toMatchObject({ recovered: sat(ready + sent), unreachable: [] });
      expect(await audit(found, words)).toBe(sat(ready + sent));
      expect(await found.restore(soon())).toMatchObject({ recovered: sat(0), proofs: 0 });

      const other = theirs(words);
      try {
        expect(await other.restored()).toBe(ready + sent);
      } finally {
        other.end();
      }
      // The numbers go on after those that were found.
      await found.send({ amount: sat(50) }, soon());
      await audit(found, words);
    });

    test('a database that is put back, and the same words elsewhere: older money is found and told, and nothing is used twice', async () => {
      const words = newWords();
      const directory = bench.folder();
      const first = bench.wallet(front, { words, directory });
      await fund(first, 500);
      const { file } = first.info();
      const copy = `${bench.folder()}/copy.db`;
      first.backup(copy);
      await fund(first, 300);
      const friend = await stranger(front);
      await friend.redeem(await handed(first, 600));
      const left = first.balance().ready;
      first.close();
      for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
      copyFileSync(copy, file);

      const back = bench.wallet(front, { words, directory });
      // The amount that was topped up before: the same numbers, and another quote.
      await fund(back, 300);
      const token = await friend.proofs(200);
      await back.receive(
        getEncodedToken({ mint: front.url, proofs: token, unit: 'sat' }),
        { cap: true },
        soon(),
      );
      const [receipt] = back.operations({ limit: 1 });
      expect(back.found().reduce((sum, { recovered }) => sum + recovered, 0)).toBeGreaterThan(0);
      await back.check(soon());
      expect(await audit(back, words)).toBe(sat(left + 300 + (receipt?.amount ?? 0)));

      const elsewhere = bench.wallet(front, { words });
      await fund(elsewhere, 300);
      expect(elsewhere.balance().ready).toBe(sat(back.balance().ready + 300));
      expect(await audit(elsewhere, words)).toBe(elsewhere.balance().ready);
    });

    test('after a rotation of its keyset, money of the old one is spent, received and restored', async () => {
      const words = newWords();
      const wallet = bench.wallet(front, { words });
      await fund(wallet, 1000);
      const other = theirs();
      try {
        await other.receive(await handed(wallet, 200));
        const old = await other.token(100);
        await withMint({ MINT_DERIVATION_PATH: "m/0'/0'/1'" }, async () => {
          // The wallet does not know yet: the mint's refusal tells it.
          expect(await wallet.send({ amount: sat(100) }, soon())).toMatchObject({ amount: sat(100) });
          const { amount } = await wallet.receive(old, { cap: true }, soon());
          expect(amount).toBeGreaterThan(90);
          const { operation } = await wallet.quoteWithdrawal({ invoice: foreignInvoice(100) }, soon());
          expect(await wallet.withdraw(operation, soon())).toMatchObject({ state: 'paid' });
          await fund(wallet, 50);
          const ready = await audit(wallet, words);
          const { sent } = wallet.balance();
          const restored = bench.wallet(front, { words });
          expect(await restored.restore(soon())).toMatchObject({ recovered: sat(ready + sent) });
        });
      } finally {
        other.end();
      }
    });

    test('what cannot be received is refused, and costs nothing', async () => {
      const wallet = await funded(100);
      const elsewhere = mint.front();
      const token = await (await stranger(elsewhere)).token(50);
      const asked = elsewhere.requests.length;
      const wrong = await failure(wallet.receive(token, { cap: true }, soon()));
      expect(wrong).toMatchObject({ problem: { kind: 'wrong-mint', mint: elsewhere.url } });
      expect(elsewhere.requests.length).toBe(asked);

      const someone = await stranger(front);
      const good = await someone.token(50);
      expect(await failure(wallet.receive(good.slice(0, -20), { cap: true }, soon()))).toMatchObject({
        problem: { kind: 'malformed' },
      });
      const pubkey = Buffer.from(pointFromScalar(randomBytes(32)) ?? []).toString('hex');
      const locked = await someone.token(50, { pubkey });
      expect(await failure(wallet.receive(locked, { cap: true }, soon()))).toMatchObject({
        problem: { kind: 'locked' },
      });
      expect(await audit(wallet)).toBe(sat(100));
    });

    test('a mint that is away loses nothing, and is asked again', async () => {
      const wallet = await funded(500);
      await mint.kill();
      try {
        expect(await failure(wallet.send({ amount: sat(100) }, soon()))).toBeDefined();
        expect(await failure(wallet.topUp({ amount: sat(100) }, soon()))).toBeInstanceOf(MintError);
      } finally {
        await mint.start();
      }
      await wallet.recover(soon());
      const { ready, sent } = wallet.balance();
      expect(ready + sent).toBeWithin(495, 501);
      await audit(wallet);
    });
  });
}

test.if(skipped)('the interop suite was skipped: INTEROP_SKIP=1', () => {
  expect(process.env.INTEROP_SKIP).toBe('1');
});
