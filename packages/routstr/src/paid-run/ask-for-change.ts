import { TokenRefusedError } from '@nostr-dm-agent/cashu-wallet';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { isApiKey, keyOf } from '../node/api-key.ts';
import type { Evidence, RefundOutcome } from '../node/outcomes.ts';
import { close, isExplained, noChange } from './close-books.ts';
import { type Asking, keepChange } from './keep-change.ts';
import { askForKey, worthOf } from './key-at-node.ts';
import { dueOf, isIn, type OperatorProblem, type PaidRun, type PaidRunIn, tokenOf } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { needOperator, wait } from './postpone.ts';
import { believeNode } from './question-change.ts';
import { day, doubtMs, silenceMs } from './retry-pauses.ts';

/**
 * Asks once for the change of a run, and acts on what the node says (docs/node-protocol.md#what-becomes-of-a-refund).
 */
export async function askForChange(deps: PaidRunDeps, run: Asking, signal: AbortSignal): Promise<PaidRun> {
  // An earlier answer that was kept and not acted on: the node may not give it again.
  for (const raw of deps.store.answers(run.id)) {
    const kept = keepChange(deps, run, raw);
    if (typeof kept !== 'string') return kept;
  }
  const keep = (raw: string): void => {
    deps.reached('run:answered');
    deps.store.keepAnswer(run.id, raw);
    deps.reached('run:answer_kept');
  };
  const node = deps.nodes.at(run.node);
  const { token } = run.body;
  const quick = run.ticket.purpose === 'quick';
  const outcome = quick
    ? await node.refundPayment(token, keep, signal)
    : await node.refund(keyOf(token), keep, signal);
  deps.store.record(run.id, 'refund', outcome.state, outcome.evidence);
  return (quick ? believeNode(deps, run, outcome) : undefined) ?? act(deps, run, outcome, signal);
}

async function act(
  deps: PaidRunDeps,
  run: Asking,
  outcome: RefundOutcome,
  signal: AbortSignal,
): Promise<PaidRun> {
  const dueFor = deps.clock.now() - run.body.dueSince;
  const problem = (kind: Parameters<typeof needOperator>[2]): PaidRun =>
    needOperator(deps, run, kind, outcome.evidence.message);
  switch (outcome.state) {
    case 'token': {
      const kept = keepChange(deps, run, outcome.raw);
      if (kept === 'none') return unreadable(deps, run, dueFor, outcome.evidence);
      return kept === 'repeated' ? repeated(deps, run, dueFor, outcome.evidence) : kept;
    }
    case 'no_balance':
    case 'too_small':
      return believeEmpty(deps, run, dueFor, signal);
    case 'unknown_key':
      return accountGone(deps, run, dueFor, outcome.evidence);
    case 'ongoing':
      return dueFor < silenceMs ? wait(deps, run, 'ongoing') : problem('refund_stuck');
    case 'pending':
      return dueFor < silenceMs
        ? wait(deps, run, 'under_way', outcome.retryAfterMs)
        : problem('refund_stuck');
    case 'conflict':
      if (outcome.kind === 'stuck') return problem('refund_stuck');
      return wait(deps, run, dueFor < doubtMs ? 'under_way' : 'node_away');
    case 'withheld':
      return dueFor < doubtMs ? wait(deps, run, 'doubt') : problem('refund_stuck');
    case 'swept':
      return problem('change_swept');
    case 'refused':
      return dueFor < day ? wait(deps, run, 'node_away') : problem('refund_refused');
    case 'ambiguous':
      if (outcome.reason === 'unreadable') return unreadable(deps, run, dueFor, outcome.evidence);
      return dueFor < silenceMs ? wait(deps, run, 'node_away') : problem('node_silent');
    case 'failed_restored':
    case 'not_sent':
      return dueFor < silenceMs ? wait(deps, run, 'node_away') : problem('node_silent');
  }
}

function unreadable(deps: PaidRunDeps, run: Asking, dueFor: number, evidence: Evidence): PaidRun {
  if (dueFor < doubtMs) return wait(deps, run, 'doubt');
  return needOperator(deps, run, 'change_unreadable', evidence.message);
}

/** It gave what was given before. A node may have the right one by the next time (core #378); then it is for a person. */
function repeated(deps: PaidRunDeps, run: Asking, dueFor: number, evidence: Evidence): PaidRun {
  deps.store.record(run.id, 'change', 'repeated', evidence);
  if (dueFor < doubtMs) return wait(deps, run, 'doubt');
  return needOperator(deps, run, 'change_repeated', '');
}

/**
 * "No balance" is true when the node says as well that it was all spent. Else a refund may be under way, of a call
 * whose answer was lost, or the money is gone: time tells.
 */
async function believeEmpty(
  deps: PaidRunDeps,
  run: Asking,
  dueFor: number,
  signal: AbortSignal,
): Promise<PaidRun> {
  const info = await askForKey(deps, run, signal);
  if (info.state === 'unavailable') return wait(deps, run, 'node_away');
  if (info.state === 'unknown_key') return accountGone(deps, run, dueFor, info.evidence);
  const { availableMsat, reservedMsat, totalSpentMsat } = info.balance;
  const credited = run.body.creditedMsat ?? 0;
  const spent = totalSpentMsat ?? run.body.meteredMsat ?? 0;
  // Less than a sat of it can't be given back.
  const empty = availableMsat + reservedMsat < 1000 && spent + 999 >= credited;
  if (empty && isExplained(run, noChange.face)) return close(deps, run, noChange);
  return missing(deps, run, dueFor, `spent ${spent}, left ${availableMsat}, reserved ${reservedMsat}`);
}

/** The node credited it and knows nothing of it now. Our own token may still be good; trying it tells. */
function accountGone(deps: PaidRunDeps, run: Asking, dueFor: number, evidence: Evidence): PaidRun {
  if (run.body.state === 'needs_operator' || dueFor < doubtMs) return wait(deps, run, 'doubt');
  if (isApiKey(run.body.token)) return needOperator(deps, run, 'key_unknown', evidence.message);
  deps.log.warn({ run: run.id, node: run.node, message: evidence.message }, 'a node forgot an account');
  const { body } = run;
  return deps.wallet.transaction(() =>
    deps.store.move(run.id, ['refund_due'], {
      ...body,
      state: 'change_held',
      keptToken: deps.wallet.keep(body.token, `token of run ${run.id}`),
      own: true,
    }),
  );
}

/** Redeems the change; the run is closed in the same transaction (`closeWhenRedeemed`). */
export async function redeemChange(
  deps: PaidRunDeps,
  run: PaidRunIn<'change_held'>,
  signal: AbortSignal,
): Promise<PaidRun> {
  try {
    return await redeem(deps, run, run.body.keptToken, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    if (error instanceof TokenRefusedError) return refused(deps, run, error);
    deps.log.warn({ run: run.id, error }, 'change could not be redeemed yet');
    return wait(deps, run, 'node_away');
  }
}

async function redeem(
  deps: PaidRunDeps,
  run: PaidRun,
  keptToken: PaidRunIn<'change_held'>['body']['keptToken'],
  signal: AbortSignal,
): Promise<PaidRun> {
  const { amount, fee } = await deps.wallet.redeem(keptToken, signal);
  deps.reached('run:settled');
  const now = deps.store.get(run.id);
  // Redeemed before, by a process that knew nothing of runs.
  return close(deps, now, { face: sat(amount + fee), received: amount });
}

function refused(deps: PaidRunDeps, run: PaidRunIn<'change_held'>, error: TokenRefusedError): PaidRun {
  const { problem } = error;
  switch (problem.kind) {
    case 'dust':
      return dust(deps, run, problem.amount);
    case 'already-received':
      return nothingNew(deps, run);
    case 'spent':
      return needOperator(deps, run, run.body.own === true ? 'key_unknown' : 'change_spent', '');
    case 'wrong-mint':
      return needOperator(deps, run, 'change_mint', problem.mint);
    default:
      return needOperator(deps, run, 'change_refused', problem.kind);
  }
}

/** Everything in the change token had come in before: it is asked for again. */
function nothingNew(deps: PaidRunDeps, { id }: PaidRun): PaidRun {
  const run = deps.store.get(id);
  // A token of our own that was taken back has closed its run.
  if (!isIn(run, 'change_held')) return run;
  if (run.body.own === true) return needOperator(deps, run, 'key_unknown', '');
  const due = dueAgain(deps, run);
  return repeated(deps, due, deps.clock.now() - due.body.dueSince, noWord);
}

const noWord = { status: undefined, code: undefined, message: '', requestId: undefined };

/** What it gave was no change of this run, or not all of it. */
function dueAgain(deps: PaidRunDeps, run: PaidRunIn<'change_held'>): PaidRunIn<'refund_due'> {
  const body = { ...tokenOf(run.body), ...dueOf(run.body), state: 'refund_due' } as const;
  return { ...deps.store.move(run.id, ['change_held'], body), body };
}

/** A token that is worth less than its redemption costs: right only if all the rest was spent. */
function dust(deps: PaidRunDeps, run: PaidRunIn<'change_held'>, face: Sat): PaidRun {
  if (isExplained(run, face)) return close(deps, run, { face, received: noChange.received });
  return needOperator(deps, run, 'balance_missing', missingOf(run, `a token of ${face} sat came back`));
}

/** The node has less than it was given, and its bills do not say why. */
function missing(deps: PaidRunDeps, run: Asking, dueFor: number, said: string): PaidRun {
  if (dueFor < doubtMs) return wait(deps, run, 'doubt');
  return needOperator(deps, run, 'balance_missing', missingOf(run, said));
}

function missingOf({ body }: Asking | PaidRunIn<'change_held'>, said: string): string {
  const billed = body.mostMsat === undefined ? '' : `, billed at most ${Math.ceil(body.mostMsat)}`;
  return `credited ${body.creditedMsat} msat${billed}, ${said}`;
}

/** Once a day: what a person did, or the node's operator, may have freed the money. */
export async function lookAgain(
  deps: PaidRunDeps,
  run: PaidRunIn<'needs_operator'>,
  signal: AbortSignal,
): Promise<PaidRun> {
  const { body } = run;
  if (body.creditedMsat === undefined) {
    const info = await askForKey(deps, run, signal);
    if (info.state !== 'known') return wait(deps, run, 'operator');
    const creditedMsat = Math.min(worthOf(info.balance), body.face * 1000);
    return deps.store.move(run.id, ['needs_operator'], {
      ...tokenOf(body),
      state: 'refund_due',
      creditedMsat,
      dueSince: body.dueSince,
    });
  }
  if (body.keptToken !== undefined && !worthNothing.has(body.trouble)) {
    try {
      return await redeem(deps, run, body.keptToken, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      deps.log.warn({ run: run.id, error }, 'change still cannot be redeemed');
    }
  }
  return askForChange(deps, run, signal);
}

/** Of these the token in hand will not become money. */
const worthNothing = new Set<OperatorProblem>(['change_spent', 'key_unknown', 'change_repeated']);
