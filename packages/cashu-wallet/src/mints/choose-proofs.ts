import { Amount, type KeyChain, type SelectProofs, type Wallet } from '@cashu/cashu-ts';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { type StoredProof, sumProofs } from '../store/stored-proof.ts';
import { type Coin, feeOf, gather, selectCoins } from './selection.ts';

type Chosen<T> = Coin & { readonly proof: T };

const coinsOf = <T extends { readonly id: string }>(
  proofs: readonly T[],
  keyChain: KeyChain,
  amountOf: (proof: T) => number,
): readonly Chosen<T>[] => {
  const newest = outputKeyset(keyChain);
  return proofs.map((proof) => ({
    proof,
    amount: amountOf(proof),
    feePpk: keyChain.getKeyset(proof.id).fee,
    stale: proof.id !== newest,
  }));
};

/** The keyset that new proofs are of; undefined: none can be made. */
function outputKeyset(keyChain: KeyChain): string | undefined {
  try {
    return keyChain.getCheapestKeyset().id;
  } catch {
    return undefined;
  }
}

/**
 * How cashu-ts is told to choose: its own way drops every larger proof when one equals the amount without its fee, and so
 * refuses what could be paid.
 */
export const chooseProofs =
  (most: number): SelectProofs =>
  (given, amount, keyChain, includeFees = false) => {
    const proofs = given.map((proof) => ({ ...proof, amount: Amount.from(proof.amount) }));
    const coins = coinsOf(proofs, keyChain, (proof) => proof.amount.toNumber());
    const need = Amount.from(amount).toNumber();
    const chosen = selectCoins(includeFees ? coins : coins.map((c) => ({ ...c, feePpk: 0 })), need, most);
    const send = (chosen ?? []).map(({ proof }) => proof);
    const sent = new Set(send);
    return { keep: proofs.filter((proof) => !sent.has(proof)), send };
  };

/** How an amount is paid with many small proofs. */
export type GatheredProofs = {
  /** To be swapped for fewer ones first, and then looked again; empty: nothing. */
  readonly first: readonly StoredProof[];
  /** What that costs, as often as it takes. */
  readonly gatherFee: Sat;
  /** What the last inputs cost, and are worth. */
  readonly inputFee: Sat;
  readonly inputs: Sat;
};

/** @returns undefined when there is not enough */
export function gatherProofs(
  { keyChain }: Pick<Wallet, 'keyChain'>,
  proofs: readonly StoredProof[],
  need: Sat,
  most: number,
): GatheredProofs | undefined {
  const coins = coinsOf(proofs, keyChain, ({ amount }) => amount);
  const id = outputKeyset(keyChain);
  const way = gather(coins, need, most, id === undefined ? 0 : keyChain.getKeyset(id).fee);
  if (way === undefined) return undefined;
  return {
    first: way.first.map(({ proof }) => proof),
    gatherFee: sat(way.fee),
    inputFee: sat(feeOf(way.inputs)),
    inputs: sat(way.inputs.reduce((sum, { amount }) => sum + amount, 0)),
  };
}

/** The largest sum that these are worth after their fees. */
export function mostOf(
  session: Pick<Wallet, 'keyChain'>,
  proofs: readonly StoredProof[],
  maxInputs: number,
): Sat {
  let [low, high]: [number, number] = [0, sumProofs(proofs)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (gatherProofs(session, proofs, sat(middle), maxInputs) === undefined) high = middle - 1;
    else low = middle;
  }
  return sat(low);
}
