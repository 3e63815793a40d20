/*
 * One question, one model call, paid by a token of its own that travels with it (`X-Cashu`); the change comes back in
 * the answer's header. A row of the paid runs' journal, with their states:
 *
 *             send           the header has change               redeemed
 *   created ─► token_issued ─────────────────────► change_held ──► settled
 *                   │ no change in it,                 ▲
 *                   │ no answer, killed                │ asked for by the token (`question-change.ts`)
 *                   └────────► reclaim ──────► refund_due ──► needs_operator, settled (nothing is left)
 *                                 │    the node has redeemed it
 *                                 └──► settled (taken back)
 *
 * The token is on disk before the node sees it, and the header before the answer is read. After a kill the mint is asked
 * first: its swap decides between the node and us, whichever version the node is. What the node had it is asked about.
 */
import { addSat, msatToSatCeil, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { reservationMsat, type UsableModel } from '../models/usable-models.ts';
import { readRefundBody } from '../node/node-client.ts';
import type { OneCallOutcome } from '../node/one-call.ts';
import { advance } from './advance.ts';
import { refuseMint, refuseSpending } from './budget-rules.ts';
import { issueOrRefuse } from './issue-token.ts';
import { keepToken } from './keep-change.ts';
import { confirmClaimed } from './key-at-node.ts';
import { isIn, type PaidRun, type PaidRunIn, tokenOf } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import type { PaidRunStore } from './paid-run-store.ts';
import { type PastQuestion, type QuestionRefusal, whereaboutsOf } from './payment-refusals.ts';
import type { RunMeans } from './prepare-run.ts';
import { mostFor } from './question-change.ts';

export type QuickRequest = {
  /** The same key again asks nothing and pays nothing: it says what became of it. */
  readonly key: string;
  readonly owner: string;
  readonly question: string;
  /** More than this is not paid for it; undefined: what it takes. */
  readonly most?: Sat;
  readonly model: Pick<UsableModel, 'id' | 'sat' | 'usd' | 'limit' | 'reasoning'>;
};

/** The answer, or why there is none. */
export type QuickResult =
  | {
      readonly state: 'answered';
      readonly text: string;
      readonly end: 'whole' | 'length' | 'broken';
      readonly model: string;
      readonly spent: Sat;
      /** The mint's. */
      readonly fee: Sat;
      /** The change is not back yet; it is asked for. */
      readonly owed: boolean;
      /** What the node kept of it beyond its own bill. */
      readonly unexplained: Sat;
    }
  | { readonly state: 'refused'; readonly refusal: QuestionRefusal };

/** What an answer may be long, in tokens; a model that thinks first needs more. */
const answerTokens = 1024;
const thoughtTokens = 4096;
/** A node estimates a little differently. */
const margin = 1.02;
const instruction =
  'Answer in plain text without Markdown, in a few short paragraphs at most: it is read as a chat message on a phone.';

const questionId = (key: string): string => `quick-${key}`;

/** What became of the question with this key, which an earlier life of the bot was to ask. */
export function pastQuestion(store: Pick<PaidRunStore, 'find'>, key: string): PastQuestion {
  const row = store.find(questionId(key));
  return { kind: 'asked_before', budget: row?.ticket.budget ?? sat(0), money: whereaboutsOf(row) };
}

const refused = (refusal: QuestionRefusal): QuickResult => ({ state: 'refused', refusal });

/** Asks, and brings back what it did not cost as far as that can be had now. */
export async function askQuickly(
  { deps, rules, ahead }: Pick<RunMeans, 'deps' | 'rules' | 'ahead'>,
  request: QuickRequest,
  signal: AbortSignal,
): Promise<QuickResult> {
  const { store } = deps;
  const { owner, model, question, most } = request;
  const id = questionId(request.key);
  if (store.find(id)) return refused(pastQuestion(store, request.key));
  const body = bodyOf(request);
  const budget = estimate(model, body);
  if (most !== undefined && budget > most) return refused({ kind: 'too_dear', budget, most });
  const node = deps.nodes.current();
  await ahead.makeRoom(budget, node, signal);
  const work = () =>
    deps.lock(id, async () => {
      // Nothing is waited for between this and the question's row, so that of two only one fits into a limit.
      const refusal = refuseSpending(rules, deps, budget, owner) ?? refuseMint(deps, budget, node);
      if (refusal) return refused(refusal);
      const prompt = [...question.replace(/\s+/g, ' ')].slice(0, 80).join('');
      const ticket = { purpose: 'quick', owner, model: `routstr/${model.id}`, prompt, budget } as const;
      const created = store.create(id, node, ticket);
      deps.reached('run:created');
      const issued = await issueOrRefuse(deps, created, signal);
      return issued.state === 'refused' ? issued : ask(deps, model, issued.run, body, signal);
    });
  return deps.live.during(id, work);
}

async function ask(
  deps: PaidRunDeps,
  model: QuickRequest['model'],
  run: PaidRunIn<'token_issued'>,
  body: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<QuickResult> {
  const { node, ticket } = run;
  const { budget } = ticket;
  const { token } = run.body;
  const outcome = await deps.nodes.at(node).callOnce(
    {
      token,
      model: model.id,
      body,
      timeoutMs: deps.waits.answer,
      price: { sat: model.sat, usd: model.usd },
    },
    (header) => {
      deps.reached('run:answered');
      // The payment itself: the node has not taken it.
      if (header !== token && readRefundBody(header)) keepHeader(deps, run, header);
    },
    signal,
  );
  deps.store.record(run.id, 'ask', outcome.state, outcome.evidence);
  const settled = await settle(deps, run, outcome, signal);
  if (outcome.state !== 'answered') {
    return refused({ kind: 'unanswered', node, budget, outcome, money: whereaboutsOf(settled) });
  }
  const done = isIn(settled, 'settled') ? settled.body : undefined;
  return {
    state: 'answered',
    text: outcome.text,
    end: outcome.end,
    model: model.id,
    spent: done?.spent ?? sat(Math.min(msatToSatCeil(outcome.costMsat ?? 0), budget)),
    fee: done?.fee ?? sat(0),
    owed: done === undefined,
    unexplained: done?.unexplained ?? sat(0),
  };
}

/** In one transaction: the token is spent, the wallet keeps the change. A token that came before is none. */
function keepHeader(deps: PaidRunDeps, run: PaidRunIn<'token_issued'>, change: string): void {
  const { wallet, store } = deps;
  const kept = wallet.transaction(() => {
    const keptToken = keepToken(deps, run.id, change);
    if (keptToken === undefined) return false;
    confirmClaimed(wallet, run.body);
    store.keepAnswer(run.id, change);
    store.move(run.id, ['token_issued'], {
      ...tokenOf(run.body),
      ...{
        state: 'change_held',
        creditedMsat: run.ticket.budget * 1000,
        dueSince: deps.clock.now(),
        keptToken,
      },
    });
    return true;
  });
  if (kept) deps.reached('run:change_held');
}

async function settle(
  deps: PaidRunDeps,
  run: PaidRunIn<'token_issued'>,
  outcome: OneCallOutcome,
  signal: AbortSignal,
): Promise<PaidRun> {
  const { store } = deps;
  // A stream without a bill is given no change for (seen with 0.4.5): then all of it is spent.
  const meteredMsat =
    outcome.state === 'answered' ? (outcome.costMsat ?? run.ticket.budget * 1000) : undefined;
  const now = store.get(run.id);
  if (isIn(now, 'change_held') && meteredMsat !== undefined) {
    store.move(run.id, ['change_held'], { ...now.body, meteredMsat, mostMsat: mostFor(meteredMsat) });
  }
  if (isIn(now, 'token_issued')) {
    // Only the mint knows whether the node has taken it.
    const reason = outcome.state;
    store.move(run.id, ['token_issued'], { ...run.body, state: 'reclaim', reason, meteredMsat });
    deps.reached('run:reclaim');
  }
  const settled = await advance(deps, run.id, signal);
  // The answer says what it cost; what comes back later is told when it comes, and what needs a person is told apart.
  if (!isIn(settled, 'needs_operator')) store.setTold(run.id);
  return settled;
}

function bodyOf({ question, model }: QuickRequest): Readonly<Record<string, unknown>> {
  return {
    model: model.id,
    messages: [
      { role: 'system', content: instruction },
      { role: 'user', content: question },
    ],
    max_tokens: Math.min(model.limit.output, model.reasoning ? thoughtTokens : answerTokens),
    // Without it a node up to 0.4.5 cuts the answer off.
    stream: true,
    stream_options: { include_usage: true },
  };
}

/** What the token has to net: the node's reservation, a token for three characters as it estimates. */
function estimate(
  { sat: price, ...model }: QuickRequest['model'],
  body: Readonly<Record<string, unknown>>,
): Sat {
  const promptTokens = Math.ceil(JSON.stringify(body).length / 3);
  const most = Math.min(model.limit.output, model.reasoning ? thoughtTokens : answerTokens);
  return addSat(msatToSatCeil(reservationMsat(price, promptTokens, most) * margin), sat(1));
}
