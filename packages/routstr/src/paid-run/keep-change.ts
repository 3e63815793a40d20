import { readRefundBody } from '../node/node-client.ts';
import { type PaidRun, type PaidRunIn, tokenOf } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';

export type Asking = PaidRunIn<'refund_due' | 'needs_operator'>;

/** Keeps the token of an answer in the wallet. undefined: there is none in it that is not known as bad. */
export function keepChange(deps: PaidRunDeps, run: Asking, raw: string): PaidRun | undefined {
  const { wallet, store } = deps;
  const token = readRefundBody(raw);
  if (token === undefined) return undefined;
  const { creditedMsat, dueSince, meteredMsat } = run.body;
  if (creditedMsat === undefined) return undefined;
  // The answer that it is in was kept before, and the swap that redeems it comes after.
  const kept = wallet.transaction(() => {
    const keptToken = wallet.keep(token, `change of run ${run.id}`);
    if ('keptToken' in run.body && run.body.keptToken === keptToken) return undefined;
    return store.move(run.id, [run.body.state], {
      ...tokenOf(run.body),
      ...{ state: 'change_held', creditedMsat, dueSince, meteredMsat, keptToken },
    });
  }, 'soon');
  if (kept) deps.reached('run:change_held');
  return kept;
}
