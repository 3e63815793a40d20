/*
 * One question, one model call, paid by a token of its own that travels with it (`X-Cashu`); the change comes back in
 * the answer's header. A row of the paid runs' journal, with their states:
 *
 *             send           the header has change               redeemed
 *   created ─► token_issued ─────────────────────► change_held ──► settled
 *                   │ no change in it,                 ▲
 *                   │ no answer, killed                │ asked for by the token (`payment-change.ts`)
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
import type { NodeUrl } from '../node/node-url.ts';
import { type OneCallOutcome, payForOneCall } from '../node/one-call.ts';
import { advance } from './advance.ts';
import { type BudgetRules, refuseMint, refuseSpending } from './budget-rules.ts';
import { issueOrRefuse } from './issue-token.ts';
import { isIn, type MoneyLock, type PaidRun, type PaidRunIn } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import type { PaidRunStore } from './paid-run-store.ts';
import { type PastQuestion, type QuestionRefusal, whereaboutsOf } from './payment-refusals.ts';

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
    }
  | { readonly state: 'refused'; readonly refusal: QuestionRefusal };

export type Quick = (request: QuickRequest, signal: AbortSignal) => Promise<QuickResult>;

/** What an answer may be long, in tokens; a model that thinks first needs more. */
const answerTokens = 1024;
const thoughtTokens = 4096;
/** A node estimates a little differently. */
const margin = 1.02;
/** Shorter than a command may take. */
const answerMs = 45_000;
const instruction =
  'Answer in plain text without Markdown, in a few short paragraphs at most: it is read as a chat message on a phone.';

const questionId = (key: string): string => `quick-${key}`;

/** What became of the question with this key, which an earlier life of the bot was to ask. */
export function pastQuestion(store: Pick<PaidRunStore, 'find'>, key: string): PastQuestion {
  const row = store.find(questionId(key));
  return { kind: 'asked_before', budget: row?.ticket.budget ?? sat(0), money: whereaboutsOf(row) };
}

export type QuickOptions = {
  readonly deps: PaidRunDeps;
  readonly rules: BudgetRules;
  readonly lock: MoneyLock;
  readonly live: Set<string>;
  readonly wake: () => void;
  readonly nodeUrl: () => NodeUrl;
  readonly answerMs?: number;
};

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory; its one long path is a payment from its beginning to its end
export function createQuick(options: QuickOptions): Quick {
  const { deps, rules, lock, live } = options;
  const { store, wallet } = deps;
  const refused = (refusal: QuestionRefusal): QuickResult => ({ state: 'refused', refusal });

  async function quick(request: QuickRequest, signal: AbortSignal): Promise<QuickResult> {
    const id = questionId(request.key);
    if (store.find(id)) return refused(pastQuestion(store, request.key));
    const body = bodyOf(request);
    const budget = estimate(request.model, body);
    if (request.most !== undefined && budget > request.most) {
      return refused({ kind: 'too_dear', budget, most: request.most });
    }
    const node = options.nodeUrl();
    live.add(id);
    try {
      return await lock(id, async () => {
        // Nothing is waited for between this and the question's row, so that of two only one fits into a limit.
        const refusal =
          refuseSpending(rules, wallet, store, budget, request.owner) ??
          refuseMint(rules, wallet, budget, node);
        if (refusal) return refused(refusal);
        const created = store.create(id, node, {
          purpose: 'quick',
          owner: request.owner,
          model: `routstr/${request.model.id}`,
          prompt: [...request.question.replace(/\s+/g, ' ')].slice(0, 80).join(''),
          budget,
        });
        deps.reached('run:created');
        const issued = await issueOrRefuse(deps, created, signal);
        return issued.state === 'refused' ? issued : ask(request, issued.run, body, signal);
      });
    } finally {
      live.delete(id);
      options.wake();
    }
  }

  async function ask(
    { model }: QuickRequest,
    run: PaidRunIn<'token_issued'>,
    body: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<QuickResult> {
    const { token } = run.body;
    const outcome = await payForOneCall(
      {
        ...{ node: run.node, token, model: model.id, body },
        price: { sat: model.sat, usd: model.usd },
        timeoutMs: options.answerMs ?? answerMs,
        fetch: deps.fetch,
      },
      (header) => {
        deps.reached('run:answered');
        // The payment itself: the node has not taken it.
        if (header !== token && readRefundBody(header)) keepChange(run, header);
      },
      signal,
    );
    store.record(run.id, 'ask', outcome.state, outcome.evidence);
    const settled = await settle(run, outcome, signal);
    if (outcome.state !== 'answered') {
      const { budget } = run.ticket;
      return refused({ kind: 'unanswered', node: run.node, budget, outcome, money: whereaboutsOf(settled) });
    }
    const done = isIn(settled, 'settled') ? settled.body : undefined;
    return {
      state: 'answered',
      text: outcome.text,
      end: outcome.end,
      model: model.id,
      spent: done?.spent ?? sat(Math.min(msatToSatCeil(outcome.costMsat ?? 0), run.ticket.budget)),
      fee: done?.fee ?? sat(0),
      owed: done === undefined,
    };
  }

  /** In one transaction: the token is spent, the wallet keeps the change. */
  function keepChange(run: PaidRunIn<'token_issued'>, change: string): void {
    const { operation, token, out, face } = run.body;
    wallet.transaction(() => {
      wallet.confirmClaimed(operation);
      store.keepAnswer(run.id, change);
      store.move(run.id, ['token_issued'], {
        state: 'change_held',
        ...{ operation, token, out, face, creditedMsat: run.ticket.budget * 1000 },
        dueSince: deps.clock.now(),
        keptToken: wallet.keep(change, `change of run ${run.id}`),
      });
    });
    deps.reached('run:change_held');
  }

  /** Brings home what the question did not cost, as far as it gets now. */
  async function settle(
    run: PaidRunIn<'token_issued'>,
    outcome: OneCallOutcome,
    signal: AbortSignal,
  ): Promise<PaidRun> {
    if (isIn(store.get(run.id), 'token_issued')) {
      // Only the mint knows whether the node has taken it. A stream without a bill is given no change for (seen with
      // 0.4.5): then all of it is spent.
      const meteredMsat =
        outcome.state === 'answered' ? (outcome.costMsat ?? run.ticket.budget * 1000) : undefined;
      const reason = outcome.state;
      store.move(run.id, ['token_issued'], { ...run.body, state: 'reclaim', reason, meteredMsat });
      deps.reached('run:reclaim');
    }
    const settled = await advance(deps, run.id, signal);
    // The answer says what it cost; what comes back later is told when it comes, and trouble in words of its own.
    if (!isIn(settled, 'needs_operator')) store.setTold(run.id);
    return settled;
  }

  return quick;
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
