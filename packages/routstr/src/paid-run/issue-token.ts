import { sat } from '@nostr-dm-agent/kit/sat';
import { chooseMint, mintNamed } from './mint-match.ts';
import { isIn, type PaidRun, type PaidRunIn, sendKeyOf } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { PaidRunStateError } from './paid-run-store.ts';
import { type TokenRefusal, tokenRefusal } from './payment-refusals.ts';

/**
 * Makes the run's budget token. What fails leaves the run `void` when nothing moved, else `created`, to be recovered.
 *
 * @throws WalletError as `Spend.send` does
 */
export async function issueToken(
  deps: PaidRunDeps,
  run: PaidRunIn<'created'>,
  signal: AbortSignal,
): Promise<PaidRun> {
  const { wallet, store } = deps;
  const key = sendKeyOf(run);
  try {
    const { budget } = run.ticket;
    const listed = deps.nodes.mintsOf(run.node);
    const at = mintNamed(wallet, listed, run.ticket.mint) ?? chooseMint(wallet, listed, budget);
    const where = at.state === 'chosen' ? { mint: at.mint, mintName: at.name } : {};
    const sent = await wallet.send({ amount: budget, ...where, key, note: `run ${run.id}` }, signal);
    deps.reached('run:sent');
    const issued = wallet.transaction(() =>
      store.move(run.id, ['created'], {
        state: 'token_issued',
        operation: sent.operation,
        token: wallet.handOver(sent.operation, run.node),
        out: sat(sent.face + sent.fee),
        face: sent.face,
      }),
    );
    deps.reached('run:token_issued');
    return issued;
  } catch (error) {
    if (wallet.operationFor(key) === undefined) store.move(run.id, ['created'], { state: 'void' });
    throw error;
  }
}

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
