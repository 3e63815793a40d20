import { issueToken } from './deposit.ts';
import { isIn, type PaidRun, type PaidRunIn } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { PaidRunStateError } from './paid-run-store.ts';
import { type TokenRefusal, tokenRefusal } from './payment-refusals.ts';

/** The row with its token, or why there is none. */
export async function issueOrRefuse(
  deps: PaidRunDeps,
  created: PaidRun,
  signal: AbortSignal,
): Promise<
  | { readonly state: 'issued'; readonly run: PaidRunIn<'token_issued'> }
  | { readonly state: 'refused'; readonly refusal: TokenRefusal }
> {
  if (!isIn(created, 'created')) throw new PaidRunStateError(created.id, created.body.state);
  let run: PaidRun;
  try {
    run = await issueToken(deps, created, signal);
  } catch (error) {
    const refusal = signal.aborted ? undefined : tokenRefusal(error);
    if (refusal === undefined) throw error;
    deps.log.warn({ run: created.id, error }, 'no budget token was made');
    return { state: 'refused', refusal };
  }
  if (!isIn(run, 'token_issued')) throw new PaidRunStateError(run.id, run.body.state);
  return { state: 'issued', run };
}
