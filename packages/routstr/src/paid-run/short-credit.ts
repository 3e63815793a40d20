import { msatToSatFloor, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { Evidence } from '../node/outcomes.ts';
import type { PaidRun } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { wholeBudget } from './whole-budget.ts';

type Deps = Pick<PaidRunDeps, 'store' | 'wallet' | 'nodes'>;

/**
 * What a node did not credit of a row's token, in whole sat. The mint's fee is on top of what it nets, so the node has it; a
 * sat may be lost to rounding, and Lightning's fee where the node is not known to keep money at that mint and may have
 * swapped it to another one.
 */
export function shortOf(deps: Deps, run: PaidRun, creditedMsat: number): Sat {
  const given = wholeBudget(deps.store, run);
  const missing = given * 1000 - creditedMsat;
  const slack = keepsOurMint(deps, run) ? 1000 : 10_000 + given * 50;
  return missing > slack ? msatToSatFloor(missing) : sat(0);
}

function keepsOurMint({ nodes, wallet }: Deps, { node, body }: PaidRun): boolean {
  const made = 'operation' in body ? body.operation : undefined;
  const mint = made === undefined ? undefined : wallet.operation(made)?.mint;
  return nodes.mintsOf(node)?.some((url) => wallet.acceptedMint(url) === mint) === true;
}

/** Kept with the run, for its owner and the node's operator. Gives what is short. */
export function noteShort(deps: PaidRunDeps, run: PaidRun, creditedMsat: number, evidence: Evidence): Sat {
  const { budget } = run.ticket;
  const short = shortOf(deps, run, creditedMsat);
  if (short > 0) {
    const message = `credited ${creditedMsat} msat for a token that nets ${budget} sat`;
    deps.log.error({ run: run.id, node: run.node, message }, 'a node credited less than it was given');
    deps.store.record(run.id, 'credit', 'short', { ...evidence, message });
  }
  return short;
}
