/*
 * A token comes in. Its proofs need not all be alike: some may be of a token of ours that nobody has claimed, some may be
 * in already or on their way in. What is to be had is had; what is not is left out.
 */
import { addSat, sat } from '@nostr-dm-agent/kit/sat';
import { type ReadToken, readProofs, readToken, requireAcceptable } from '../mints/read-token.ts';
import { bringFor } from '../store/brought-in.ts';
import { requireRoom } from '../store/holdings.ts';
import { yOf } from '../store/proofs.ts';
import type { Core } from '../wallet-core.ts';
import { TokenRefusedError } from '../wallet-errors.ts';
import type { KeptTokenId, OperationId, Received, ReceiveOptions } from '../wallet-types.ts';
import { finishReceive, type ReceiveOrigin, receiveProofs } from './receive.ts';
import { takeBack } from './take-back.ts';

type TokenOptions = ReceiveOptions & Pick<ReceiveOrigin, 'note' | 'also'> & { readonly kept?: KeptTokenId };

/**
 * Redeems a token.
 *
 * @throws TokenRefusedError, BalanceCapError, MintError, UnfinishedOperationError (it will be redeemed when the mint
 *   can be asked again)
 */
export async function receiveToken(
  core: Core,
  text: string,
  options: TokenOptions,
  signal: AbortSignal,
): Promise<Received> {
  const token = readToken(core, text);
  const ours = wholeTokensIn(core, token);
  const comesBack = new Set(ours.flatMap((id) => core.proofs.heldBy(id, 'sent').map(({ secret }) => secret)));
  const parts: Received[] = [];
  let refusal: unknown;
  if (token.proofs.length === 0 || token.proofs.some(({ secret }) => !comesBack.has(secret))) {
    try {
      parts.push(await receiveOthers(core, token, comesBack, options, signal));
    } catch (error) {
      // Ours is to be had all the same.
      if (!(error instanceof TokenRefusedError) || ours.length === 0) throw error;
      refusal = error;
    }
  }
  for (const id of ours) {
    const back = await takeBack(core, id, signal);
    if (back?.before === true) refusal ??= alreadyReceived(core, back.received.operation);
    else if (back !== undefined) parts.push(back.received);
  }
  const [first] = parts;
  if (first === undefined) throw refusal ?? new TokenRefusedError({ kind: 'spent' });
  return {
    ...first,
    amount: addSat(...parts.map(({ amount }) => amount)),
    fee: addSat(...parts.map(({ fee }) => fee)),
  };
}

/** The sends of ours that this token has all of: what is left of one that was split is its holder's. */
function wholeTokensIn(core: Core, { proofs }: ReadToken): readonly OperationId[] {
  const secrets = new Set(proofs.map(({ secret }) => secret));
  const sends = new Set([...secrets].map(core.proofs.sentBySecret).filter((id) => id !== undefined));
  return [...sends].filter((id) => core.proofs.heldBy(id, 'sent').every(({ secret }) => secrets.has(secret)));
}

/** A token but for the proofs that come back as what they are. */
async function receiveOthers(
  core: Core,
  token: ReadToken,
  except: ReadonlySet<string>,
  { cap, owner, kept, note, also }: TokenOptions,
  signal: AbortSignal,
): Promise<Received> {
  const mint = requireAcceptable(core, token);
  if (cap) requireRoomFor(core, token.proofs);
  const { session, proofs: all } = await readProofs(core, mint, token, signal);
  const proofs = all.filter(({ secret }) => !except.has(secret));
  let finished: Received | undefined;
  for (;;) {
    const { fresh, underWay, received } = sortOut(core, proofs);
    if (underWay !== undefined) {
      finished = (await finishReceive(core, underWay, signal)) ?? finished;
    } else if (fresh.length > 0) {
      const origin = {
        kept,
        note,
        also: (id: OperationId): void => {
          bringFor(core.store, id, owner);
          also?.(id);
        },
        // Somebody else may have begun with one of them while this was prepared, or filled the wallet.
        isStale: (): boolean => {
          if (sortOut(core, fresh).fresh.length < fresh.length) return true;
          if (cap) requireRoomFor(core, fresh);
          return false;
        },
      };
      const outcome = await receiveProofs(core, session, mint, fresh, origin, signal);
      if (outcome !== undefined) return outcome;
    } else if (finished !== undefined) {
      return finished;
    } else {
      throw refuseKnown(core, received);
    }
  }
}

/** Room for what is not in the wallet in any way. @throws BalanceCapError */
function requireRoomFor(core: Core, proofs: ReadToken['proofs']): void {
  const fresh = sortOut(core, proofs).fresh.filter(
    ({ secret }) => core.proofs.sentBySecret(secret) === undefined,
  );
  if (fresh.length > 0) requireRoom(core, sat(fresh.reduce((sum, { amount }) => sum + amount, 0)));
}

type Sorted<P> = {
  readonly fresh: readonly P[];
  /** A receipt that has one of them, and whose end is not known. */
  readonly underWay: OperationId | undefined;
  /** A receipt that took one of them. */
  readonly received: OperationId | undefined;
};

/** What is known of each proof. Those that are in the wallet itself, and not given away, are in none of these. */
function sortOut<P extends { readonly secret: string }>(core: Core, proofs: readonly P[]): Sorted<P> {
  const fresh: P[] = [];
  let underWay: OperationId | undefined;
  let received: OperationId | undefined;
  for (const proof of proofs) {
    const receipts = core.journal.withInputs([proof]).filter(({ kind }) => kind === 'receive');
    underWay ??= receipts.find(({ state }) => state === 'prepared')?.operation;
    const taken = receipts.find(({ state }) => state === 'prepared' || state === 'done');
    if (taken) received ??= taken.operation;
    else if (!core.proofs.isHere(yOf(proof))) fresh.push(proof);
  }
  return { fresh, underWay, received };
}

function refuseKnown(core: Core, received: OperationId | undefined): TokenRefusedError {
  if (received === undefined) {
    return new TokenRefusedError({ kind: 'refused', detail: 'these proofs are in this wallet' });
  }
  return alreadyReceived(core, received);
}

export function alreadyReceived(core: Core, received: OperationId): TokenRefusedError {
  const { operation, amount, updatedAt } = core.journal.head(received);
  return new TokenRefusedError({ kind: 'already-received', operation, amount, at: updatedAt });
}
