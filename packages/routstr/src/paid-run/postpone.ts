import { type OperatorProblem, type PaidRun, type PaidRunIn, tokenOf } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { longestAskedMs, pauseFor, type Waiting } from './retry-pauses.ts';

/**
 * Not now: the run is looked at again after a pause that grows.
 *
 * @param leastMs what the node asked for; it is not trusted to end
 */
export function wait(deps: PaidRunDeps, run: PaidRun, waiting: Waiting, leastMs = 0): PaidRun {
  const now = deps.clock.now();
  const dueSince = 'dueSince' in run.body ? run.body.dueSince : run.createdAt;
  // The state may be younger than what the caller has in hand.
  const { attempts } = deps.store.get(run.id);
  // Once a person was called, asking goes on, and seldom.
  const pace = run.body.state === 'needs_operator' ? 'operator' : waiting;
  const pause = Math.max(Math.min(leastMs, longestAskedMs), pauseFor(pace, attempts, now - dueSince));
  deps.store.postpone(run.id, now + pause, true);
  return deps.store.get(run.id);
}

/** A person has to look. Nothing is thrown away, and it goes on being asked about. The first reason stays. */
export function needOperator(
  deps: PaidRunDeps,
  run: PaidRunIn<'deposited' | 'reclaim' | 'refund_due' | 'change_held' | 'needs_operator'>,
  problem: OperatorProblem,
  detail: string,
): PaidRun {
  if (run.body.state === 'needs_operator') return wait(deps, run, 'operator');
  deps.log.error({ run: run.id, node: run.node, problem, detail }, 'a node withholds money');
  deps.store.move(run.id, [run.body.state], {
    ...tokenOf(run.body),
    state: 'needs_operator',
    trouble: problem,
    detail,
    creditedMsat: 'creditedMsat' in run.body ? run.body.creditedMsat : undefined,
    dueSince: 'dueSince' in run.body ? run.body.dueSince : deps.clock.now(),
    meteredMsat: 'meteredMsat' in run.body ? run.body.meteredMsat : undefined,
    mostMsat: 'mostMsat' in run.body ? run.body.mostMsat : undefined,
    keptToken: 'keptToken' in run.body ? run.body.keptToken : undefined,
  });
  return wait(deps, deps.store.get(run.id), 'operator');
}
