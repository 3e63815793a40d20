import { afterEach, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import {
  createP2PKsecret,
  getEncodedToken,
  isMintOperationError,
  type Proof,
  sumProofs,
  Wallet,
} from '@cashu/cashu-ts';
import { decode } from 'light-bolt11-decoder';
import * as secp256k1 from 'tiny-secp256k1';
import { type SandboxMint, type SandboxMintOptions, startSandboxMint } from '../src/mint/sandbox-mint.ts';

const running: SandboxMint[] = [];
afterEach(async () => {
  for (const mint of running.splice(0)) await mint.stop();
});
const start = (options?: SandboxMintOptions): SandboxMint => {
  const mint = startSandboxMint(options);
  running.push(mint);
  return mint;
};

/** An independent wallet (cashu-ts alone) with money. */
async function walletWith(mint: SandboxMint, amount: number) {
  const wallet = new Wallet(mint.url, { bip39seed: new Uint8Array(randomBytes(64)), requireSigDleq: true });
  await wallet.loadMint();
  const quote = await wallet.createMintQuoteBolt11(amount);
  const proofs = amount === 0 ? [] : await wallet.mintProofsBolt11(amount, quote.quote);
  return { wallet, proofs };
}

async function codeOf(work: Promise<unknown>): Promise<number> {
  try {
    await work;
  } catch (error) {
    if (isMintOperationError(error)) return error.code;
    throw error;
  }
  throw new Error('the mint did not refuse');
}

const total = (proofs: readonly Proof[]): number => sumProofs([...proofs]).toNumber();

for (const keysetVersion of ['00', '01'] as const) {
  test(`mint, send, receive and melt balance to the sat (keyset ${keysetVersion}, 100 ppk)`, async () => {
    const mint = start({ feePpk: 100, keysetVersion });
    const alice = await walletWith(mint, 1000);
    expect(alice.wallet.keysetId.startsWith(keysetVersion)).toBe(true);
    const { keep, send } = await alice.wallet.ops.send(300, alice.proofs).includeFees(true).run();
    const bob = new Wallet(mint.url, { bip39seed: new Uint8Array(randomBytes(64)) });
    await bob.loadMint();
    const got = await bob.receive(getEncodedToken({ mint: mint.url, proofs: send, unit: 'sat' }));
    expect(total(got)).toBe(300);

    const quote = await bob.createMeltQuoteBolt11(mint.invoice(200));
    const melted = await bob.meltProofsBolt11(quote, got);
    expect(melted.quote.state).toBe('PAID');
    const audit = mint.audit();
    expect(audit.balanced).toBe(true);
    expect(audit).toMatchObject({ minted: 1000, melted: 201 });
    expect(audit.totalOutstanding).toBe(total(keep) + total(melted.change));
    await bob
      .checkProofsStates(got)
      .then((states) => expect(states.every((s) => s.state === 'SPENT')).toBe(true));
  });
}

test('a proof is spent once, and a forged one never', async () => {
  const mint = start({ cache: false });
  const { wallet, proofs } = await walletWith(mint, 64);
  const preview = await wallet.ops.receive(proofs).prepare();
  await wallet.completeSwap(preview);
  expect(await codeOf(wallet.completeSwap(preview))).toBe(11001);
  const [first] = (await walletWith(mint, 8)).proofs;
  if (!first) throw new Error('no proof');
  expect(
    await codeOf(
      wallet.receive([{ id: first.id, amount: first.amount, C: first.C, secret: 'another secret' }]),
    ),
  ).toBe(10001);
});

test('an answer that was lost comes from the cache, or from restore once the cache is gone', async () => {
  const mint = start();
  const { wallet, proofs } = await walletWith(mint, 64);
  const preview = await wallet.ops.receive(proofs).asDeterministic().prepare();
  mint.faults.add({ path: '/v1/swap', when: 'after', effect: { kind: 'status', status: 504 } });
  expect(total((await wallet.completeSwap(preview)).keep)).toBe(64);
  mint.clearCache();
  expect(await codeOf(wallet.completeSwap(preview))).toBe(11001);
  const { signatures } = await wallet.mint.restore({
    outputs: (preview.keepOutputs ?? []).map((o) => o.blindedMessage),
  });
  expect(signatures).toHaveLength(preview.keepOutputs?.length ?? -1);
});

test('after a rotation the old keyset signs nothing, is listed without keys, and its proofs stay good', async () => {
  const mint = start({ feePpk: 100 });
  const { wallet, proofs } = await walletWith(mint, 64);
  const preview = await wallet.ops.send(10, proofs).prepare();
  const fresh = mint.rotate();
  expect(await codeOf(wallet.completeSwap(preview))).toBe(12002);
  const later = new Wallet(mint.url);
  await later.loadMint();
  expect(later.keysetId).toBe(fresh.id);
  expect(later.keyChain.getKeyset(preview.keysetId).hasKeys).toBe(false);
  await later.keyChain.ensureKeysetKeys(preview.keysetId);
  expect(total(await later.receive(proofs))).toBe(63);
});

test('invoices are real BOLT11, signed, and paid when the test says so, even late', async () => {
  const mint = start({ incoming: 'on-demand', clock: { now: () => Date.now() - 7_200_000 } });
  const wallet = new Wallet(mint.url);
  await wallet.loadMint();
  const quote = await wallet.createMintQuoteBolt11(1234, 'coffee');
  const { sections } = decode(quote.request);
  expect(sections.find((s) => s.name === 'amount')?.value).toBe('1234000');
  expect(sections.find((s) => s.name === 'description')?.value).toBe('coffee');
  const signature = Buffer.from(String(sections.find((s) => s.name === 'signature')?.value), 'hex');
  expect(signature).toHaveLength(65);
  expect(await codeOf(wallet.mintProofsBolt11(1234, quote.quote))).toBe(20001);
  mint.pay(quote.quote);
  expect(total(await wallet.mintProofsBolt11(1234, quote.quote))).toBe(1234);
});

test('an invoice of this mint is settled inside it', async () => {
  const mint = start({ incoming: 'on-demand' });
  mint.lightning.incoming = 'at-once';
  const { wallet, proofs } = await walletWith(mint, 100);
  mint.lightning.incoming = 'on-demand';
  const quote = await wallet.createMintQuoteBolt11(40);
  const melt = await wallet.createMeltQuoteBolt11(quote.request);
  expect(melt.fee_reserve.toNumber()).toBe(0);
  const { change } = await wallet.meltProofsBolt11(melt, proofs);
  expect(total(change)).toBe(60);
  expect((await wallet.checkMintQuoteBolt11(quote.quote)).state).toBe('PAID');
  expect(
    await codeOf(wallet.createMeltQuoteBolt11(quote.request).then((q) => wallet.meltProofsBolt11(q, change))),
  ).toBe(20006);
});

test('a pending payment holds its inputs until it is settled; a failed one gives them back', async () => {
  const mint = start({ outgoing: 'pending', cache: false });
  const { wallet, proofs } = await walletWith(mint, 100);
  const quote = await wallet.createMeltQuoteBolt11(mint.invoice(50));
  const preview = await wallet.prepareMelt('bolt11', quote, proofs);
  expect((await wallet.completeMelt(preview)).quote.state).toBe('PENDING');
  expect(await codeOf(wallet.receive(proofs))).toBe(11002);
  mint.settle(quote.quote, 'failed');
  expect((await wallet.checkProofsStates(proofs)).every((s) => s.state === 'UNSPENT')).toBe(true);
  expect((await wallet.completeMelt(preview).catch((e) => e)).quote?.state).toBe('PENDING');
  mint.settle(quote.quote, 'paid');
  const paid = await wallet.checkMeltQuoteBolt11(quote.quote);
  expect(total(wallet.createMeltChangeProofs(preview.outputData, paid.change ?? []))).toBe(49);
  expect(mint.audit()).toMatchObject({ balanced: true, melted: 51 });
});

test('a locked quote (NUT-20) is issued to its key alone, a locked proof (NUT-11) to its owner', async () => {
  const mint = start();
  const wallet = new Wallet(mint.url);
  await wallet.loadMint();
  const key = randomBytes(32);
  const publicKey = Buffer.from(secp256k1.pointFromScalar(key, true) ?? []).toString('hex');
  const quote = await wallet.createLockedMintQuote(21, publicKey);
  expect(await codeOf(wallet.mintProofsBolt11(21, quote.quote))).toBe(20008);
  const minted = await wallet.mintProofsBolt11(21, quote, { privkey: key.toString('hex') });
  expect(createP2PKsecret(publicKey)).toContain('P2PK');
  const { send } = await wallet.ops.send(20, minted).asP2PK({ pubkey: publicKey }).run();
  expect(await codeOf(wallet.receive(send))).toBe(20008);
  expect(total(await wallet.receive(send, { privkey: key.toString('hex') }))).toBe(20);
});

test('a paid quote is announced over the WebSocket', async () => {
  const mint = start({ incoming: { afterMs: 30 } });
  const wallet = new Wallet(mint.url);
  await wallet.loadMint();
  const quote = await wallet.createMintQuoteBolt11(5);
  const paid = await wallet.on.onceMintPaid(quote.quote, { timeoutMs: 10_000 });
  expect(paid.state).toBe('PAID');
  wallet.mint.disconnectWebSocket();
});

test('a mint that goes down and comes back remembers everything', async () => {
  const mint = start();
  const { wallet, proofs } = await walletWith(mint, 16);
  await mint.goDown();
  await expect(fetch(`${mint.url}/v1/info`)).rejects.toThrow();
  mint.comeUp();
  expect(total(await wallet.receive(proofs))).toBe(16);
});
