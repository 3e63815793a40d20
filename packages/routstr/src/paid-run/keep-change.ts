import type { KeptTokenId } from '@nostr-dm-agent/cashu-wallet';
import { readRefundBody } from '../node/node-client.ts';
import { dueOf, type PaidRun, type PaidRunIn, tokenOf } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';

export type Asking = PaidRunIn<'refund_due' | 'needs_operator'>;

/**
 * Keeps the token of an answer in the wallet. `none`: there is no token in it; `repeated`: one that is no change of this
 * run, because it came before, for another run or as something else, or is known to be worth nothing.
 */
export function keepChange(deps: PaidRunDeps, run: Asking, raw: string): PaidRun | 'none' | 'repeated' {
  const { wallet, store } = deps;
  const token = readRefundBody(raw);
  const { creditedMsat } = run.body;
  if (token === undefined || creditedMsat === undefined) return 'none';
  // The answer that it is in was kept before, and the swap that redeems it comes after.
  const kept = wallet.transaction(() => {
    const keptToken = keepToken(deps, run.id, token);
    if (keptToken === undefined) return undefined;
    if ('keptToken' in run.body && run.body.keptToken === keptToken) return undefined;
    return store.move(run.id, [run.body.state], {
      ...tokenOf(run.body),
      ...dueOf({ ...run.body, creditedMsat }),
      state: 'change_held',
      keptToken,
    });
  }, 'soon');
  if (kept) deps.reached('run:change_held');
  return kept ?? 'repeated';
}

/** The token of a run's change, put away. undefined: it is no change of this run. Inside a transaction. */
export function keepToken(
  { wallet, store }: PaidRunDeps,
  run: string,
  token: string,
): KeptTokenId | undefined {
  const keptToken = wallet.keep(token, `change of run ${run}`);
  const of = store.byKeptToken(keptToken);
  if (of !== undefined && of.id !== run) return undefined;
  // Known by what is in it: the same proofs can be written in many ways.
  const state = wallet.keptState(keptToken);
  return state === 'known' || state === 'spent' ? undefined : keptToken;
}
