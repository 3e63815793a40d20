import { afterEach, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { Amount, createHTLCHash, getEncodedToken } from '@cashu/cashu-ts';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { sat } from '@nostr-dm-agent/kit/sat';
import * as secp256k1 from 'tiny-secp256k1';
import { createWallet } from '../src/open-wallet.ts';
import {
  BadMnemonicError,
  BalanceCapError,
  MintError,
  type TokenProblem,
  TokenRefusedError,
} from '../src/wallet-errors.ts';
import { count, createBench, fund, newWords, quiet, soon, stranger } from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

async function problemOf(work: Promise<unknown>): Promise<TokenProblem> {
  const failure = await work.catch((error: unknown) => error);
  if (failure instanceof TokenRefusedError) return failure.problem;
  throw new Error('the token was not refused', { cause: failure });
}
const receive = { cap: true };

test('what is no token, or is cut short, is malformed, and no connection is made for it', async () => {
  const mint = bench.mint();
  const wallet = bench.wallet(mint);
  const token = await (await stranger(mint)).token(100);
  mint.requests.length = 0;
  for (const text of [
    'hello',
    '',
    'cashuB',
    'cashuA',
    'cashuAeyJ0',
    token.slice(0, -40),
    token.slice(0, 30),
    `cashuC${token.slice(6)}`,
  ]) {
    expect(await problemOf(wallet.receive(text, receive, soon())), text).toEqual({ kind: 'malformed' });
  }
  expect(await problemOf(wallet.receive(`cashuB${'A'.repeat(70_000)}`, receive, soon()))).toEqual({
    kind: 'too-large',
    length: 70_006,
    max: 65_536,
  });
  expect(mint.requests).toEqual([]);
});

test('a token of another mint is refused before any connection is made to it', async () => {
  const mint = bench.mint();
  const other = bench.mint();
  const wallet = bench.wallet(mint);
  const token = await (await stranger(other)).token(100);
  other.requests.length = 0;
  expect(await problemOf(wallet.receive(token, receive, soon()))).toEqual({
    kind: 'wrong-mint',
    mint: other.url,
    accepted: wallet.info().mints,
  });
  expect(other.requests).toEqual([]);
  wallet.addMint(`${other.url}/`);
  expect((await wallet.receive(token, receive, soon())).amount).toBe(sat(100));
  expect(wallet.balance().mints).toHaveLength(2);
});

test('another unit, a lock, too many proofs and dust each have their own reason', async () => {
  const mint = bench.mint({ feePpk: 1000 });
  const wallet = bench.wallet(mint, { policy: { maxTokenProofs: 20 } });
  const friend = await stranger(mint);
  const proofs = await friend.proofs(7);
  const encode = (unit: string) => getEncodedToken({ mint: mint.url, proofs, unit });
  expect(await problemOf(wallet.receive(encode('usd'), receive, soon()))).toEqual({
    kind: 'wrong-unit',
    unit: 'usd',
  });

  const key = Buffer.from(secp256k1.pointFromScalar(randomBytes(32), true) ?? []).toString('hex');
  const locked = await friend.token(10, { pubkey: key });
  expect(await problemOf(wallet.receive(locked, receive, soon()))).toEqual({ kind: 'locked', lock: 'P2PK' });
  expect(wallet.decode(locked)).toMatchObject({ amount: 10, lock: 'P2PK', accepted: true, unit: 'sat' });
  const hashed = await friend.token(10, { pubkey: key, hashlock: createHTLCHash().hash });
  expect(await problemOf(wallet.receive(hashed, receive, soon()))).toEqual({ kind: 'locked', lock: 'HTLC' });

  const [one] = proofs.filter((proof) => proof.amount.toNumber() === 1);
  if (!one) throw new Error('no proof of 1 sat');
  const dust = getEncodedToken({ mint: mint.url, proofs: [one], unit: 'sat' });
  expect(await problemOf(wallet.receive(dust, receive, soon()))).toEqual({
    kind: 'dust',
    amount: sat(1),
    fee: sat(1),
  });
  const many = Array.from({ length: 21 }, () => one);
  expect(
    await problemOf(
      wallet.receive(getEncodedToken({ mint: mint.url, proofs: many, unit: 'sat' }), receive, soon()),
    ),
  ).toEqual({ kind: 'too-many-proofs', proofs: 21, max: 20 });
  expect(wallet.operations({ limit: 9 })).toEqual([]);
});

test('spent, forged and already received tokens are told apart; nothing stays open', async () => {
  const mint = bench.mint({ feePpk: 100 });
  const wallet = bench.wallet(mint);
  const friend = await stranger(mint);
  const spent = await friend.token(50);
  await friend.redeem(spent);
  expect(await problemOf(wallet.receive(spent, receive, soon()))).toEqual({ kind: 'spent' });

  const [proof] = await friend.proofs(8);
  if (!proof) throw new Error('no proof');
  const forge = (dleq: boolean) =>
    getEncodedToken(
      { mint: mint.url, proofs: [{ ...proof, secret: randomBytes(32).toString('hex') }], unit: 'sat' },
      { removeDleq: !dleq },
    );
  expect(await problemOf(wallet.receive(forge(true), receive, soon()))).toEqual({ kind: 'bad-signature' });
  expect(await problemOf(wallet.receive(forge(false), receive, soon()))).toEqual({ kind: 'bad-signature' });

  const good = await friend.token(50);
  const first = await wallet.receive(`cashu:${good}`, receive, soon());
  expect(await problemOf(wallet.receive(good, receive, soon()))).toMatchObject({
    kind: 'already-received',
    operation: first.operation,
    amount: first.amount,
  });
  expect(wallet.operations({ limit: 9, unfinished: true })).toEqual([]);
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, spentElsewhere: 0 });
});

test('a token that was refused once, and whose numbers another one had: spent by its sender, it is nothing of ours', async () => {
  const mint = bench.mint({ cache: false });
  const wallet = bench.wallet(mint);
  const { proofs, redeem } = await stranger(mint);
  const encode = (given: Awaited<ReturnType<typeof proofs>>) =>
    getEncodedToken({ mint: mint.url, proofs: given, unit: 'sat' });
  const [refused, other] = [encode(await proofs(64)), encode(await proofs(64))];
  mint.faults.add({ path: '/v1/swap', when: 'before', effect: { kind: 'status', status: 403 } });
  await expect(wallet.receive(refused, { cap: true }, soon())).rejects.toThrow(TokenRefusedError);
  await wallet.receive(other, { cap: true }, soon());
  await redeem(refused);
  await expect(wallet.receive(refused, { cap: true }, soon())).rejects.toMatchObject({
    problem: { kind: 'spent' },
  });
  expect(await wallet.check(soon())).toMatchObject({ consistent: true });
  expect(wallet.balance().ready).toBe(sat(64));
});

test('of a token that is partly spent the rest is taken', async () => {
  const mint = bench.mint({ feePpk: 100 });
  const wallet = bench.wallet(mint);
  const friend = await stranger(mint);
  const proofs = await friend.proofs(96);
  const token = getEncodedToken({ mint: mint.url, proofs, unit: 'sat' });
  await friend.wallet.receive(proofs.filter((proof) => proof.amount.toNumber() === 32));
  expect(await wallet.receive(token, receive, soon())).toMatchObject({ amount: sat(63), fee: sat(1) });
  expect(wallet.balance()).toMatchObject({ ready: sat(63), incoming: sat(0) });
});

test('the balance has a cap; change that comes back by itself does not', async () => {
  const mint = bench.mint();
  const wallet = bench.wallet(mint, { maxBalance: sat(150) });
  await fund(wallet, 100);
  const token = await (await stranger(mint)).token(60);
  const failure = await wallet.receive(token, receive, soon()).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(BalanceCapError);
  if (failure instanceof BalanceCapError) {
    expect([failure.balance, failure.amount, failure.cap]).toEqual([sat(100), sat(60), sat(150)]);
  }
  expect((await wallet.redeem(wallet.keep(token, 'node'), soon())).amount).toBe(sat(60));
});

test('what a token that can’t be redeemed says of its worth is not on its way in, and fills no wallet', async () => {
  const mint = bench.mint();
  const wallet = bench.wallet(mint, { maxBalance: sat(1000) });
  const { proofs, token } = await stranger(mint);
  const honest = await proofs(1);
  const forged = (url: string, amount: number) =>
    getEncodedToken({
      ...{ mint: url, unit: 'sat' },
      proofs: honest.map((proof) => ({ ...proof, amount: Amount.from(amount) })),
    });
  for (const url of ['https://mint.elsewhere.example', mint.url]) {
    const id = wallet.keep(forged(url, 2 ** 20), 'a node');
    await expect(wallet.redeem(id, soon())).rejects.toThrow(TokenRefusedError);
  }
  expect(wallet.balance().incoming).toBe(sat(0));
  expect((await wallet.receive(await token(100), { cap: true }, soon())).amount).toBe(sat(100));
});

test('a token of a keyset that the wallet never saw is received: it asks for keysets once', async () => {
  const mint = bench.mint({ feePpk: 100 });
  const wallet = bench.wallet(mint);
  await fund(wallet, 10);
  mint.rotate();
  const fresh = await (await stranger(mint)).token(40);
  mint.rotate();
  expect((await wallet.receive(fresh, receive, soon())).amount).toBe(sat(39));
});

test('change is on disk before it is redeemed, and is redeemed when the mint is back', async () => {
  const mint = bench.mint();
  const words = newWords();
  const directory = bench.folder();
  const wallet = bench.wallet(mint, { words, directory });
  const token = await (await stranger(mint)).token(60);
  await mint.goDown();
  const id = wallet.keep(token, 'node');
  expect(wallet.keep(` ${token}\n`, 'node')).toBe(id);
  await expect(wallet.redeem(id, soon())).rejects.toThrow(MintError);
  expect(wallet.balance().incoming).toBe(sat(60));
  wallet.close();
  mint.comeUp();
  const later = bench.wallet(mint, { words, directory });
  // At start everything is tried at once; later the pauses between tries grow.
  await later.recover(soon(), 'due');
  expect(later.balance().incoming).toBe(sat(60));
  await later.recover(soon());
  expect(later.balance()).toMatchObject({ ready: sat(60), incoming: sat(0) });
  expect((await later.redeem(id, soon())).amount).toBe(sat(60));
  expect(count(mint, '/v1/swap')).toBe(2);
});

test('neither words nor tokens are in a log or an error', async () => {
  const lines: string[] = [];
  const write = (facts: Record<string, unknown>, message: string) => {
    lines.push(`${Bun.inspect(facts, { depth: 9 })} ${message}`);
  };
  const log: Logger = { debug: write, info: write, warn: write, error: write, child: () => log };
  const mint = bench.mint({ feePpk: 100 });
  const words = newWords();
  const wallet = bench.wallet(mint, { words, log });
  await fund(wallet, 100);
  const friend = await stranger(mint);
  const token = await friend.token(20);
  mint.faults.add({ path: '/v1/swap', when: 'before', effect: { kind: 'status', status: 503 }, times: 3 });
  const errors = [
    await wallet.receive(token, receive, soon()).catch((error: unknown) => error),
    await wallet.recover(soon()),
    await wallet.receive(token.slice(0, -40), receive, soon()).catch((error: unknown) => error),
    await wallet.redeem(wallet.keep(token.slice(0, -30), 'node'), soon()).catch((error: unknown) => error),
  ];
  const said = `${lines.join('\n')}\n${errors.map((error) => Bun.inspect(error, { depth: 9 })).join('\n')}`;
  expect(lines.length).toBeGreaterThan(0);
  expect(said).not.toContain(token.slice(0, 40));
  for (const { secret } of friend.wallet.decodeToken(token).proofs) expect(said).not.toContain(secret);
  expect(said).not.toContain(words.split(' ').slice(0, 3).join(' '));
});

test('words are checked with the position of what is wrong; an address that is none is refused', async () => {
  const words = newWords().split(' ');
  const open = (mnemonic: string, mintUrl = 'https://mint.example') =>
    createWallet(
      { mnemonic, mintUrl, mints: [], directory: bench.folder(), maxBalance: sat(1) },
      { log: quiet },
    );
  const problem = (mnemonic: string) => {
    try {
      open(mnemonic).close();
      return undefined;
    } catch (error) {
      if (error instanceof BadMnemonicError) return error.problem;
      throw error;
    }
  };
  expect(problem(words.with(2, 'notaword').with(7, 'xyz').join(' '))).toEqual({
    kind: 'unknown-words',
    positions: [3, 8],
  });
  expect(problem(words.slice(1).join(' '))).toEqual({ kind: 'length', words: 11 });
  expect(problem(Array(12).fill('zoo').join(' '))).toEqual({ kind: 'checksum' });
  expect(problem(`  ${words.join('  ').toUpperCase()} `)).toBeUndefined();
  for (const url of [
    'http://mint.example',
    'ftp://x',
    'mint.example',
    'https://user:pw@mint.example',
    'https://x/?a=b',
  ]) {
    expect(() => open(words.join(' '), url), url).toThrow(MintError);
  }
});

test('a token is read wherever it stands: with a scheme, in a URL, in prose; of two none is chosen', async () => {
  const mint = bench.mint();
  const wallet = bench.wallet(mint);
  const friend = await stranger(mint);
  const [token, other] = [await friend.token(21), await friend.token(22)];
  for (const text of [
    token,
    `  ${token}\n`,
    `cashu:${token}`,
    `web+cashu://${token}`,
    `C${token.slice(1)}`,
    `https://wallet.example/#token=${token}`,
    `Here, for you: ${token}. Thanks!`,
  ]) {
    expect(wallet.decode(text).amount, text).toBe(21);
  }
  expect(() => wallet.decode(`${token} ${other}`)).toThrow(TokenRefusedError);
  expect(
    (await wallet.receive(`https://wallet.example/?token=${encodeURIComponent(other)}`, receive, soon()))
      .amount,
  ).toBe(sat(22));
});
