import { randomBytes } from 'node:crypto';
import { apiKeyOf } from '../node/api-key.ts';
import type { NodeUrl } from '../node/node-url.ts';
import { notCredited } from './advance.ts';
import {
  type BudgetRefusal,
  type BudgetRules,
  refuseBudget,
  refuseMint,
  refuseSpending,
} from './budget-rules.ts';
import type { BudgetsAhead } from './budgets-ahead.ts';
import { deposit } from './deposit.ts';
import { answers, type FallbackNode, findFallbacks, type UnableNode } from './fallback-nodes.ts';
import { issueOrRefuse } from './issue-token.ts';
import type { NodeAccountRuns } from './node-account-runs.ts';
import type { PaidRun, PaidRunTicket } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import type { RunRefusal } from './payment-refusals.ts';
import type { RunEndpoints } from './run-endpoint.ts';
import { nameAtNode, type PreparedPaidRun, type RunTicket } from './run-ticket.ts';

/** What runs are paid with, and how they get to their node. */
export type RunMeans = {
  readonly deps: PaidRunDeps;
  readonly rules: BudgetRules;
  readonly endpoints: RunEndpoints;
  readonly onAccount: NodeAccountRuns;
  readonly ahead: BudgetsAhead;
};

/**
 * Pays for a run before its agent starts: from the account at its node if that has enough, else by a token of its own.
 * A run whose node is down goes to another one, if there is one.
 */
export async function prepareRun(
  means: RunMeans,
  ticket: RunTicket,
  signal: AbortSignal,
): Promise<PreparedPaidRun> {
  const { deps, rules } = means;
  const node = deps.nodes.current();
  const run = budgetOf(rules, ticket);
  const { budget } = run;
  const refuse = () => refuseBudget(rules, deps, run);
  const refusal = refuse();
  if (refusal) return { state: 'refused', refusal };
  deps.live.begin(ticket.runId);
  const row: PaidRunTicket = {
    purpose: 'run',
    sessionId: ticket.sessionId,
    owner: ticket.owner,
    ...(ticket.model === undefined ? {} : { model: ticket.model }),
    prompt: [...ticket.task].slice(0, 80).join(''),
    budget,
  };
  if (deps.nodes.fallbacks().length > 0 && !(await answers(deps.nodes, node, signal))) {
    deps.log.warn({ run: ticket.runId, node }, 'the node is down; its fallbacks are asked');
    return deps.lock(ticket.runId, () => fallBack(means, ticket, row, { kind: 'node_away', node }, signal));
  }
  const prepared = await fromAccount(means, ticket, row, node, refuse, signal);
  if (prepared) return prepared;
  // Once more: another run may have begun since. Nothing is waited for between this and the run's row.
  const { ahead } = means;
  const want = { owner: ticket.owner, node, budget };
  if (!ahead.fits(want)) await ahead.makeRoom(budget, node, signal);
  const spending = refuse();
  if (spending) return { state: 'refused', refusal: spending };
  let created = ahead.take(want, ticket.runId, row);
  if (created) deps.reached('run:created');
  else {
    const short = refuseMint(deps, budget, node);
    if (short) return { state: 'refused', refusal: short };
    created = create(deps, ticket.runId, node, row);
  }
  const begun = created;
  return deps.lock(ticket.runId, async () => {
    const paid = await pay(means, begun, ticket, undefined, signal);
    return paid.state === 'down' ? fallBack(means, ticket, row, paid.refusal, signal) : paid;
  });
}

/** What a run is to be refused or begun by. */
export const budgetOf = (rules: Pick<BudgetRules, 'budget'>, ticket: RunTicket) => ({
  budget: ticket.budget ?? rules.budget(),
  model: nameAtNode(ticket.model),
  owner: ticket.owner,
});

function create({ store, reached }: PaidRunDeps, id: string, node: NodeUrl, row: PaidRunTicket): PaidRun {
  const created = store.find(id) ? store.again(id, node) : store.create(id, node, row);
  reached('run:created');
  return created;
}

/** From money that is kept at the node; undefined: there is not enough, so the run needs a token of its own. */
async function fromAccount(
  { rules, endpoints, onAccount }: RunMeans,
  ticket: RunTicket,
  row: PaidRunTicket,
  node: NodeUrl,
  refuse: () => BudgetRefusal | undefined,
  signal: AbortSignal,
): Promise<PreparedPaidRun | undefined> {
  const model = nameAtNode(ticket.model);
  // There the meter alone holds a run in its budget, which it can't without a price.
  if (model !== undefined && rules.model(model) === undefined) return undefined;
  const reserved = await onAccount.reserve(ticket.runId, node, row, refuse, signal);
  if (reserved.state === 'none') return undefined;
  if (reserved.state === 'refused') return reserved;
  const { id, body } = reserved.run;
  return endpoints.open(ticket, {
    node,
    nodeKey: reserved.nodeKey,
    // A key that the meter alone knows; it looks like the node's, which every redaction takes out.
    agentKey: `sk-${randomBytes(32).toString('hex')}`,
    spendMsat: body.out * 1000,
    pricedOnly: true,
    onSpent: ({ spentMsat }) => onAccount.metered(id, spentMsat),
  });
}

/** The run at another node. Nothing of it is at the node that is down: no token was made, or it is back. */
async function fallBack(
  means: RunMeans,
  ticket: RunTicket,
  row: PaidRunTicket,
  first: NodeDown,
  signal: AbortSignal,
): Promise<PreparedPaidRun> {
  const { deps, rules, ahead } = means;
  const run = { model: nameAtNode(ticket.model), budget: row.budget, except: first.node };
  const { able, unable } = await findFallbacks(run, { ...deps, makeRoom: ahead.makeRoom }, signal);
  const others: UnableNode[] = [...unable];
  for (const other of able) {
    // What the attempts cost in fees counts.
    const refusal = refuseSpending(rules, deps, row.budget, ticket.owner);
    if (refusal) return { state: 'refused', refusal };
    const created = create(deps, ticket.runId, other.url, row);
    const paid = await pay(means, created, ticket, other, signal);
    if (paid.state === 'refused') return paid;
    if (paid.state === 'ready') return { ...paid, insteadOf: first.node };
    others.push({ url: other.url, why: 'away' });
  }
  const refusal: RunRefusal = others.length === 0 ? first : { kind: 'no_fallback', first, others };
  return { state: 'refused', refusal };
}

type NodeDown = Extract<RunRefusal, { kind: 'node_away' | 'not_credited' }>;

/** `down`: the node has not taken the budget, and all of it is back. */
async function pay(
  { deps, endpoints }: RunMeans,
  created: PaidRun,
  ticket: RunTicket,
  at: FallbackNode | undefined,
  signal: AbortSignal,
): Promise<PreparedPaidRun | { readonly state: 'down'; readonly refusal: NodeDown }> {
  const { id, node } = created;
  const issued = await issueOrRefuse(deps, created, signal);
  if (issued.state === 'refused') return issued;
  const outcome = await deposit(deps, issued.run, signal);
  switch (outcome.state) {
    case 'not_credited': {
      deps.log.warn({ run: id, outcome: outcome.outcome }, 'a budget was not credited');
      const refusal = await notCredited(deps, created, outcome.outcome, signal);
      // It lists other mints than it did.
      if ('reason' in outcome.outcome && outcome.outcome.reason === 'mint_not_trusted') {
        await answers(deps.nodes, node, signal);
      }
      return refusal.money.state === 'back' ? { state: 'down', refusal } : { state: 'refused', refusal };
    }
    case 'credited_short': {
      const amount = created.ticket.budget;
      return {
        state: 'refused',
        refusal: { kind: outcome.state, node, amount, creditedMsat: outcome.creditedMsat },
      };
    }
    case 'deposited': {
      const { body } = outcome.run;
      const ready = endpoints.open(ticket, {
        node,
        agentKey: body.token,
        nodeKey: apiKeyOf(body.token),
        spendMsat: body.creditedMsat,
        priceThere: at?.price,
      });
      // The agent may spend from here on.
      deps.store.move(id, ['deposited'], { ...body, state: 'running' });
      deps.reached('run:running');
      return ready;
    }
  }
}
