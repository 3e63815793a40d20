import { advance } from './advance.ts';
import { isAhead, isIn, isOfUserKey, moneyOf, type PaidRun } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';

/** A start does not wait longer for nodes. */
const longestRecoveryMs = 20_000;

/**
 * At start: settles what an earlier life left open, as far as it gets now. Gives what its owners do not know yet, and
 * what is still owed.
 *
 * @throws the signal's reason
 */
export async function recoverRuns(deps: PaidRunDeps, signal: AbortSignal): Promise<readonly PaidRun[]> {
  const { store, live, log } = deps;
  const enough = AbortSignal.any([signal, AbortSignal.timeout(longestRecoveryMs)]);
  const open = store.open().filter((run) => !live.includes(run));
  await Promise.all(
    open.map(async (run) => {
      try {
        await deps.lock(moneyOf(run), () => advance(deps, run.id, enough));
      } catch (error) {
        signal.throwIfAborted();
        log.warn({ run: run.id, error }, 'a run of an earlier life could not be settled yet');
      }
    }),
  );
  const untold = store.news();
  for (const { id } of untold) store.setTold(id);
  const isNews = (run: PaidRun): boolean => !isAhead(run) || isIn(run, 'needs_operator');
  // What waited for a person before is no news, nor is money that is where it should be.
  const left = store
    .open()
    .filter(
      (run) =>
        !isOfUserKey(run) &&
        open.some(({ id }) => id === run.id) &&
        !isIn(run, 'needs_operator', 'kept', 'unreckoned'),
    );
  // A budget that no run had is back in the wallet, or will be: nobody misses it.
  return [...untold, ...left].filter(isNews);
}
