import type { RefundOutcome } from '../node/outcomes.ts';
import { close, noChange } from './close-books.ts';
import type { Asking } from './keep-change.ts';
import { type PaidRun, type PaidRunIn, tokenOf } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { needOperator, wait } from './postpone.ts';
import { doubtMs } from './retry-pauses.ts';

/** The most that a node can charge whose bill, or the tokens in it, come to this much. */
export const mostFor = (billedMsat: number): number => billedMsat * 1.05;

/** The node has redeemed the token of a question: what it gives back of it is to be asked for. */
export function paymentTaken(deps: PaidRunDeps, run: PaidRunIn<'reclaim'>): PaidRun {
  return deps.store.move(run.id, ['reclaim'], {
    ...tokenOf(run.body),
    state: 'refund_due',
    creditedMsat: run.ticket.budget * 1000,
    dueSince: deps.clock.now(),
    meteredMsat: run.body.meteredMsat,
    mostMsat: run.body.meteredMsat === undefined ? undefined : mostFor(run.body.meteredMsat),
  });
}

/**
 * What the answers of `POST /refund` mean when it was asked by `x-cashu`
 * (docs/node-protocol.md#what-becomes-of-a-refund); undefined: the same as for an account. A node that owes nothing
 * says 425 for ever (seen with 0.4.5), as does one whose upstream failed, and a node before 0.4.5 knows no such call
 * at all: then the bill that came with the answer decides.
 */
export function believeNode(deps: PaidRunDeps, run: Asking, outcome: RefundOutcome): PaidRun | undefined {
  const { creditedMsat = 0, meteredMsat = 0, dueSince } = run.body;
  const spentAll = meteredMsat + 999 >= creditedMsat;
  const inDoubt = deps.clock.now() - dueSince < doubtMs;
  switch (outcome.state) {
    case 'pending':
      if (spentAll) return close(deps, run, noChange);
      if (inDoubt) return wait(deps, run, 'under_way', outcome.retryAfterMs);
      return needOperator(deps, run, 'refund_stuck', outcome.evidence.message);
    case 'unknown_key':
    case 'refused':
    case 'no_balance':
    case 'too_small':
      if (spentAll) return close(deps, run, noChange);
      if (inDoubt) return wait(deps, run, 'doubt');
      return needOperator(deps, run, 'not_credited', outcome.evidence.message);
    default:
      return undefined;
  }
}
