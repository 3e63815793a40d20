import {
  InsufficientFundsError,
  type KeptTokenId,
  MintError,
  type MintUrl,
  type Received,
  TokenRefusedError,
  UnfinishedOperationError,
} from '@nostr-dm-agent/cashu-wallet';
import { addSat, type Sat, sat, subtractSat, zeroSat } from '@nostr-dm-agent/kit/sat';
import type { NodeUrl } from '../node/node-url.ts';
import type { KeyRefusal } from '../remote/key-facts.ts';
import { mintNamed } from './mint-match.ts';
import { isOpen } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { tokenRefusal, type Whereabouts } from './payment-refusals.ts';

/*
 * A key that a pasted token pays for. The token goes through the wallet: it is redeemed, which proves that it is unspent
 * and takes it out of its giver's hands, and what it brought goes to the node as a token of our own. The token itself as
 * a key would be a key that its giver knows.
 */

export type Refused = { readonly refusal: KeyRefusal; readonly money: Whereabouts };
const unmoved = (refusal: KeyRefusal): Refused => ({ refusal, money: { state: 'never_left' } });
const refuseToken = (problem: TokenRefusedError['problem']): Refused => unmoved({ kind: 'token', problem });

/** Its mint, or why it can't pay for a key at this node: nobody is asked, nothing is sent. */
export function checkToken(
  { wallet, nodes }: PaidRunDeps,
  token: string,
  node: NodeUrl,
): { readonly mint: MintUrl; readonly face: Sat } | Refused {
  try {
    const { mint: url, unit, amount, lock } = wallet.decode(token);
    const mint = wallet.acceptedMint(url);
    const { mints: accepted, maxBalance: cap } = wallet.info();
    if (mint === undefined) return refuseToken({ kind: 'wrong-mint', mint: url, accepted });
    if (unit !== 'sat') return refuseToken({ kind: 'wrong-unit', unit });
    if (lock !== undefined) return refuseToken({ kind: 'locked', lock });
    const listed = nodes.mintsOf(node) ?? [];
    if (mintNamed(wallet, listed, mint) === undefined) {
      return unmoved({ kind: 'mint_not_at_node', mint, listed });
    }
    const { ready, reserved, incoming } = wallet.balance();
    const balance = addSat(ready, reserved, incoming);
    const face = sat(amount);
    if (balance + face > cap) return unmoved({ kind: 'cap', balance, amount: face, cap });
    return { mint, face };
  } catch (error) {
    if (error instanceof TokenRefusedError) return refuseToken(error.problem);
    throw error;
  }
}

/** Puts it on disk, once: to be called in the transaction that makes its row. undefined: it is known, or another key's. */
export function keepOnce({ wallet, store }: PaidRunDeps, token: string, id: string): KeptTokenId | undefined {
  const kept = wallet.keep(token, `for key ${id}`);
  const taken = store.userKeys().some(({ run }) => run.ticket.keptToken === kept && isOpen(run.body));
  return wallet.keptState(kept) === 'new' && !taken ? kept : undefined;
}

/** What it brought into the wallet, or where it is. */
export async function redeemForKey(
  { wallet, log }: PaidRunDeps,
  kept: KeptTokenId,
  signal: AbortSignal,
): Promise<Received | Refused> {
  try {
    return await wallet.redeem(kept, signal);
  } catch (error) {
    if (error instanceof TokenRefusedError) return refuseToken(error.problem);
    signal.throwIfAborted();
    const refusal = tokenRefusal(error);
    if (refusal === undefined) throw error;
    log.warn({ error }, 'a token for a key could not be redeemed yet');
    // It is on disk, and redeemed into the wallet as soon as its mint answers.
    const begun = error instanceof MintError || error instanceof UnfinishedOperationError;
    return { refusal, money: { state: begun ? 'coming' : 'never_left' } };
  }
}

/** The most that a token for the node can net of this much, less what making and redeeming it costs. */
export async function mostOf(
  { wallet }: PaidRunDeps,
  { mint, amount }: Pick<Received, 'mint' | 'amount'>,
  signal: AbortSignal,
): Promise<Sat> {
  let net = amount;
  // Fees fall with the amount: it is found, or nearly, within a few steps.
  for (let tries = 0; tries < 6 && net > 0; tries += 1) {
    const over = await costOf(wallet, { amount: net, mint }, signal).then((cost) => cost - amount);
    if (over <= 0) return net;
    net = net > over ? subtractSat(net, sat(over)) : zeroSat;
  }
  return zeroSat;
}

/** What a token that nets this takes out of the wallet; also where there is not as much. */
async function costOf(
  wallet: PaidRunDeps['wallet'],
  wish: { readonly amount: Sat; readonly mint: MintUrl },
  signal: AbortSignal,
): Promise<Sat> {
  try {
    const { face, fee } = await wallet.quoteSend(wish, signal);
    return addSat(face, fee);
  } catch (error) {
    // What the token brought may be all that there is.
    if (error instanceof InsufficientFundsError) return error.need;
    throw error;
  }
}
