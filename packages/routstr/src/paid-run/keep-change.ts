import { readRefundBody } from '../node/node-client.ts';
import type { PaidRun, PaidRunIn } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';

export type Asking = PaidRunIn<'refund_due' | 'needs_operator'>;

/** Keeps the token of an answer in the wallet. undefined: there is none in it that is not known as bad. */
export function hold(deps: PaidRunDeps, run: Asking, raw: string): PaidRun | undefined {
  const { wallet, store } = deps;
  const token = readRefundBody(raw)?.token;
  if (token === undefined) return undefined;
  const { operation, token: key, out, face, creditedMsat, dueSince, meteredMsat, ...rest } = run.body;
  if (creditedMsat === undefined) return undefined;
  // The answer that it is in was kept before, and the swap that redeems it comes after.
  const held = wallet.transaction(() => {
    const keptToken = wallet.keep(token, `change of run ${run.id}`);
    if ('keptToken' in rest && rest.keptToken === keptToken) return undefined;
    return store.move(run.id, [run.body.state], {
      state: 'change_held',
      operation,
      token: key,
      out,
      face,
      creditedMsat,
      dueSince,
      meteredMsat,
      keptToken,
    });
  }, 'soon');
  if (held) deps.reached('run:change_held');
  return held;
}
