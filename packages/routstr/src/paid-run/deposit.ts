import { setTimeout as sleep } from 'node:timers/promises';
import type { CreateOutcome, Evidence, NotCredited } from '../node/outcomes.ts';
import { askForKey, confirmClaimed, worthOf } from './key-at-node.ts';
import type { PaidRunIn } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { needOperator } from './postpone.ts';
import { noteShort } from './short-credit.ts';

/** What became of a run's money on its way to the node. */
export type DepositOutcome =
  | { readonly state: 'deposited'; readonly run: PaidRunIn<'deposited'> }
  /** The node has not credited it, as far as is known: it is to be taken back. */
  | { readonly state: 'not_credited'; readonly outcome: NotCredited }
  /** The node took it for less than half of its worth: nothing runs there, and all of it is owed. */
  | { readonly state: 'credited_short'; readonly creditedMsat: number };

/** Presenting a token again is pointless after this long: whoever waits wants an answer. */
const presentForMs = 60_000;

/**
 * Presents the token until the node has credited it or is not going to
 * (docs/node-protocol.md#what-becomes-of-a-token).
 */
export async function deposit(
  deps: PaidRunDeps,
  run: PaidRunIn<'token_issued'>,
  signal: AbortSignal,
): Promise<DepositOutcome> {
  const node = deps.nodes.at(run.node);
  const since = performance.now();
  let outcome: CreateOutcome = await present();
  for (const pause of deps.waits.present) {
    if (!worthRepeating(outcome) || performance.now() - since > presentForMs) break;
    await sleep(pause, undefined, { signal });
    outcome = await present();
  }
  if (outcome.state === 'credited') {
    deps.reached('run:credited');
    return credited(outcome.balanceMsat, outcome.evidence);
  }
  // It may have been credited all the same: then its account is there.
  if (outcome.state === 'ambiguous' || outcome.state === 'spent') {
    const info = await askForKey(deps, run, signal);
    if (info.state === 'known') return credited(worthOf(info.balance), info.evidence);
  }
  deps.store.move(run.id, ['token_issued'], {
    ...run.body,
    state: 'reclaim',
    reason: outcome.state === 'unspent' || outcome.state === 'ambiguous' ? outcome.reason : outcome.state,
  });
  deps.reached('run:reclaim');
  return { state: 'not_credited', outcome };

  function credited(balanceMsat: number, evidence: Evidence): DepositOutcome {
    // The token nets the budget: the fee of redeeming it is on top.
    const worth = run.ticket.budget * 1000;
    noteShort(deps, run, balanceMsat, evidence);
    if (balanceMsat * 2 >= worth) return { state: 'deposited', run: credit(deps, run, balanceMsat) };
    const taken = credit(deps, run, worth);
    needOperator(deps, taken, 'credited_short', `${balanceMsat} msat for a token of ${run.body.face} sat`);
    return { state: 'credited_short', creditedMsat: balanceMsat };
  }

  async function present(): Promise<CreateOutcome> {
    const answer = await node.create(run.body.token, signal);
    deps.store.record(run.id, 'create', answer.state, answer.evidence);
    return answer;
  }
}

/** The node has it: the token is a key from now on, and in the wallet's books it is gone. */
function credit(
  deps: PaidRunDeps,
  run: PaidRunIn<'token_issued'>,
  creditedMsat: number,
): PaidRunIn<'deposited'> {
  const { wallet, store } = deps;
  // More than it was given is no business of ours.
  const most = Math.min(creditedMsat, run.body.face * 1000);
  const body = { ...run.body, state: 'deposited', creditedMsat: most } as const;
  // Lost, it is found again at the node; on disk with the next step, before the agent begins.
  const moved = wallet.transaction(() => {
    confirmClaimed(wallet, run.body);
    return store.move(run.id, ['token_issued'], body);
  }, 'soon');
  deps.reached('run:deposited');
  return { ...moved, body };
}

/** The same token again is answered with the same account, so nothing is risked by it. */
function worthRepeating(outcome: CreateOutcome): boolean {
  switch (outcome.state) {
    case 'not_sent':
    case 'mint_unavailable':
      return true;
    case 'ambiguous':
      return (
        outcome.reason === 'no_answer' || outcome.reason === 'not_the_node' || outcome.reason === 'node_error'
      );
    default:
      return false;
  }
}
