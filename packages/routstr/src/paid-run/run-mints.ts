import type { PaidRun } from './paid-run.ts';
import type { PayingWallet } from './paid-run-deps.ts';

/** So many are remembered: reading a token of many proofs takes a while, and a view asks again and again. */
const mostRemembered = 1000;

/** At which mint the token of a run was made, as the wallet names it; undefined where there is none, or it can't be read. */
export function createRunMints(
  wallet: Pick<PayingWallet, 'decode' | 'acceptedMint'>,
): (run: PaidRun) => string | undefined {
  const found = new Map<string, string | undefined>();
  return ({ id, body }) => {
    if (!('token' in body)) return undefined;
    if (!found.has(id)) {
      if (found.size >= mostRemembered) found.clear();
      found.set(id, written(body.token, wallet));
    }
    const mint = found.get(id);
    // A mint may be known by another address by now.
    return mint === undefined ? undefined : (wallet.acceptedMint(mint) ?? mint);
  };
}

function written(token: string, { decode }: Pick<PayingWallet, 'decode'>): string | undefined {
  try {
    return decode(token).mint;
  } catch {
    // Nothing is decided by it: the sum of all has the amount.
    return undefined;
  }
}
