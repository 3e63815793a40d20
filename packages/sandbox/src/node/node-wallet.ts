import type { Database } from 'bun:sqlite';
import {
  getEncodedToken,
  getTokenMetadata,
  isMintOperationError,
  Mint,
  NetworkError,
  type Proof,
  RateLimitError,
  sumProofs,
  Wallet,
} from '@cashu/cashu-ts';
import { z } from 'zod';
import { swapOver } from './foreign-swap.ts';
import { createMintRequest, MintUnreachableError } from './mint-request.ts';
import type { NodeRefusal } from './node-refusals.ts';
import { enter } from './node-store.ts';
import type { NodeBehaviour } from './node-types.ts';
import { redemption } from './redemption-errors.ts';

/** Sat that the operator of a node mints at a time when its own money runs short. */
const operatorsPart = 64;

export type Redeemed = { readonly amount: number; readonly mint: string };

/** No trusted mint has that much. */
export class NoFundsError extends Error {
  override readonly name = 'NoFundsError';
}

/** The node's own Cashu wallet: one operation at a time, its proofs in the node's database. Amounts in sat. */
export type NodeWallet = {
  /**
   * Swaps the token's proofs for proofs of the node's own.
   * @throws NodeRefusal as the redemption's failure is told to clients
   */
  readonly redeem: (token: string, trusted: readonly string[], life: AbortSignal) => Promise<Redeemed>;
  /**
   * A V4 token without DLEQ proofs, from `preferred` or else from any trusted mint that has the funds.
   * @throws NoFundsError
   * @throws NetworkError
   */
  readonly send: (
    amount: number,
    preferred: string,
    trusted: readonly string[],
    life: AbortSignal,
  ) => Promise<{ readonly token: string; readonly mint: string }>;
  /** An invoice of this mint. */
  readonly invoice: (
    amount: number,
    mint: string,
    life: AbortSignal,
  ) => Promise<{ readonly bolt11: string; readonly quote: string }>;
  /** What came for it; undefined: it is not paid. What is returned puts it into the books. */
  readonly collect: (
    invoice: { readonly amount: number; readonly mint: string; readonly quote: string },
    life: AbortSignal,
  ) => Promise<(() => void) | undefined>;
};

const proofSchema = z.object({ id: z.string(), secret: z.string(), C: z.string(), amount: z.number() });
const decimal = (proof: Proof): number => proof.amount.toNumber();

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions that take turns
export function createNodeWallet(
  db: Database,
  behaviour: NodeBehaviour,
  timeoutMs: number,
  places?: Readonly<Record<string, string>>,
): NodeWallet {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work, work);
    last = mine;
    return mine;
  };

  async function open(mint: string, life: AbortSignal): Promise<Wallet> {
    const customRequest = createMintRequest(life, timeoutMs, places);
    const wallet = new Wallet(new Mint(mint, { customRequest }), { unit: 'sat' });
    await wallet.loadMint();
    return wallet;
  }

  const keep = (mint: string, proofs: readonly Proof[]): void => {
    const put = db.query('INSERT INTO proofs (secret, mint, amount, proof) VALUES (?, ?, ?, ?)');
    for (const proof of proofs) {
      const { id, secret, C } = proof;
      put.run(secret, mint, decimal(proof), JSON.stringify({ id, secret, C, amount: decimal(proof) }));
    }
  };
  const heldAt = (mint: string) =>
    db
      .query<{ proof: string }, [string]>('SELECT proof FROM proofs WHERE mint = ?')
      .all(mint)
      .map((row) => proofSchema.parse(JSON.parse(row.proof)));
  const balanceAt = (mint: string): number => heldAt(mint).reduce((sum, proof) => sum + proof.amount, 0);
  const forget = (secrets: readonly string[]): void => {
    const remove = db.query('DELETE FROM proofs WHERE secret = ?');
    for (const secret of secrets) remove.run(secret);
  };

  async function redeem(token: string, trusted: readonly string[], life: AbortSignal): Promise<Redeemed> {
    const about = describe(token);
    const foreign = !trusted.includes(about.mint);
    if (foreign && behaviour.foreignMints !== 'swap') {
      throw behaviour.foreignMints === 'reject' ? redemption.untrustedMint() : redemption.swapFailed();
    }
    if (about.unit !== 'sat') throw redemption.failed();
    const wallet = await openToRedeem(about.mint, life);
    const proofs = decode(wallet, token);
    if (new Set(proofs.map((proof) => proof.id)).size > 1) throw redemption.failed();
    if (foreign) return swapIn(wallet, proofs, trusted[0] ?? '', life);
    const fee = wallet.getFeesForProofs(proofs).toNumber();
    const face = sumProofs(proofs).toNumber();
    // Refused before the mint is asked: the token stays unspent.
    if (face - fee <= 0) throw redemption.failed();
    try {
      // An inactive keyset's keys are asked for before they are needed to check DLEQ proofs.
      for (const proof of proofs) await wallet.keyChain.ensureKeysetKeys(proof.id);
      const fresh = await wallet.ops.receive(proofs).asRandom().run();
      life.throwIfAborted();
      keep(about.mint, fresh);
    } catch (cause) {
      life.throwIfAborted();
      throw explainSwap(cause);
    }
    return { amount: face - fee, mint: about.mint };
  }

  async function openToRedeem(mint: string, life: AbortSignal): Promise<Wallet> {
    try {
      return await open(mint, life);
    } catch (cause) {
      life.throwIfAborted();
      throw cause instanceof RateLimitError ? redemption.rateLimited() : redemption.mintAway();
    }
  }

  async function swapIn(
    source: Wallet,
    proofs: readonly Proof[],
    mint: string,
    life: AbortSignal,
  ): Promise<Redeemed> {
    const fresh = await swapOver(source, proofs, await openToRedeem(mint, life));
    life.throwIfAborted();
    keep(mint, fresh);
    return { amount: sumProofs([...fresh]).toNumber(), mint };
  }

  async function send(amount: number, preferred: string, trusted: readonly string[], life: AbortSignal) {
    const candidates = [...new Set([...(trusted.includes(preferred) ? [preferred] : []), ...trusted])];
    let near: { readonly wallet: Wallet; readonly mint: string } | undefined;
    for (const mint of candidates) {
      let wallet: Wallet;
      try {
        wallet = await open(mint, life);
      } catch (cause) {
        life.throwIfAborted();
        if (cause instanceof NetworkError) continue;
        throw cause;
      }
      if (balanceAt(mint) >= amount) return { token: await sendFrom(wallet, mint, amount, life), mint };
      if (amount - balanceAt(mint) < operatorsPart) near ??= { wallet, mint };
    }
    // What swaps have cost so far is missing where nothing was earned: the operator's to pay.
    if (behaviour.operatorTopsUp && near !== undefined)
      return { token: await sendFrom(near.wallet, near.mint, amount, life), mint: near.mint };
    throw new NoFundsError(`no trusted mint has ${amount} sat available`);
  }

  async function sendFrom(wallet: Wallet, mint: string, amount: number, life: AbortSignal): Promise<string> {
    const keys = new Set(wallet.keyChain.getKeysets().map((keyset) => keyset.id));
    const usable = () => heldAt(mint).filter((proof) => keys.has(proof.id));
    if (wallet.getFeesForProofs(usable()).toNumber() + amount > balanceAt(mint) && behaviour.operatorTopsUp) {
      await topUp(wallet, mint, life);
    }
    const before = usable();
    for (const id of new Set(before.map((proof) => proof.id))) await wallet.keyChain.ensureKeysetKeys(id);
    const { keep: kept, send: sent } = await wallet.ops.send(amount, before).asRandom().keepAsRandom().run();
    life.throwIfAborted();
    const total = before.reduce((sum, proof) => sum + proof.amount, 0);
    db.transaction(() => {
      forget(before.map((proof) => proof.secret));
      keep(mint, kept);
      enter(db, 'send_fee', total - sumProofs(kept).toNumber() - sumProofs(sent).toNumber());
    })();
    return getEncodedToken({ mint, proofs: sent, unit: 'sat' }, { removeDleq: true });
  }

  /** The operator's own money, by Lightning. */
  async function topUp(wallet: Wallet, mint: string, life: AbortSignal): Promise<void> {
    const amount = operatorsPart;
    const quote = await wallet.createMintQuoteBolt11(amount);
    const proofs = await wallet.mintProofsBolt11(amount, quote);
    life.throwIfAborted();
    db.transaction(() => {
      keep(mint, proofs);
      enter(db, 'float', amount);
    })();
  }

  return {
    invoice: async (amount, mint, life) => {
      const { request, quote } = await (await open(mint, life)).createMintQuoteBolt11(amount);
      life.throwIfAborted();
      return { bolt11: request, quote };
    },
    collect: ({ amount, mint, quote }, life) =>
      inTurn(async () => {
        const wallet = await open(mint, life);
        const { state } = await wallet.checkMintQuoteBolt11(quote);
        if (state !== 'PAID') return undefined;
        const proofs = await wallet.mintProofsBolt11(amount, quote);
        life.throwIfAborted();
        return () => keep(mint, proofs);
      }),
    redeem: (token, trusted, life) => inTurn(() => redeem(token, trusted, life)),
    send: (amount, preferred, trusted, life) => inTurn(() => send(amount, preferred, trusted, life)),
  };
}

/** The mint and unit that a token names. @throws NodeRefusal 400 `invalid_cashu_token` */
export function describe(token: string): {
  readonly mint: string;
  readonly unit: string;
  readonly amount: number;
} {
  try {
    const { mint, unit, amount } = getTokenMetadata(token);
    return { mint, unit, amount: amount.toNumber() };
  } catch (cause) {
    throw Object.assign(redemption.undecodable(), { cause });
  }
}

function decode(wallet: Wallet, token: string): Proof[] {
  try {
    return wallet.decodeToken(token).proofs;
  } catch (cause) {
    throw Object.assign(redemption.failed(), { cause });
  }
}

/** What became of a redemption that the mint or the way to it ended. */
function explainSwap(cause: unknown): NodeRefusal {
  if (cause instanceof RateLimitError) return redemption.rateLimited();
  if (cause instanceof MintUnreachableError) return redemption.mintAway();
  if (cause instanceof NetworkError) return redemption.consumed();
  if (isMintOperationError(cause) && cause.code === 11001) return redemption.spent();
  return redemption.internal();
}
