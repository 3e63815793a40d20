import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { msatToSatCeil, type Sat } from '@nostr-dm-agent/kit/sat';
import type { Meter } from './meter/meter.ts';
import type { RunLimits } from './meter/metered-run.ts';
import type { NodeUrl } from './node/node-url.ts';
import {
  type BudgetRefusal,
  type BudgetRules,
  refuseBudget,
  refuseMint,
  usedSince,
} from './paid-run/budget-rules.ts';
import { type BudgetsAhead, createBudgetsAhead } from './paid-run/budgets-ahead.ts';
import { checkRuns } from './paid-run/check-runs.ts';
import { closeWhenRedeemed } from './paid-run/close-books.ts';
import { finalizeRun } from './paid-run/finalize-run.ts';
import { createLiveRuns } from './paid-run/live-runs.ts';
import { type MoreMoney, moreMoney } from './paid-run/more-money.ts';
import { createNodeAccounts, type NodeAccounts } from './paid-run/node-account.ts';
import { createNodeAccountRuns } from './paid-run/node-account-runs.ts';
import { createPaidRunDeps } from './paid-run/open-deps.ts';
import { createOwedRefunds } from './paid-run/owed-refunds.ts';
import { type Owed, owedIn } from './paid-run/owed-sums.ts';
import { isIn, isOfUserKey, type PaidRun, type RunCheckpoint } from './paid-run/paid-run.ts';
import type { PaidNodes, PaidRunWaits, PayingWallet } from './paid-run/paid-run-deps.ts';
import type { PaidRunStore } from './paid-run/paid-run-store.ts';
import type { PastQuestion } from './paid-run/payment-refusals.ts';
import { budgetOf, prepareRun, type RunMeans } from './paid-run/prepare-run.ts';
import { askQuickly, pastQuestion, type QuickRequest, type QuickResult } from './paid-run/quick.ts';
import { recoverRuns } from './paid-run/recover-runs.ts';
import { createRunEndpoints } from './paid-run/run-endpoint.ts';
import { createRunMints } from './paid-run/run-mints.ts';
import type { PaidRunCost, PreparedPaidRun, RunTicket } from './paid-run/run-ticket.ts';
import { createUserKeys, type UserKeys } from './paid-run/user-key.ts';
import { wholeBudget } from './paid-run/whole-budget.ts';

export type RoutstrProviderOptions = {
  readonly wallet: PayingWallet;
  /** What is left out: no fallbacks, and nothing known of a node before it is asked. */
  readonly nodes: Pick<PaidNodes, 'current'> & Partial<PaidNodes>;
  readonly rules: BudgetRules;
  readonly meter: Meter;
  /**
   * What became of a run's money in the background: told once its owner has not heard of it otherwise; again after a
   * crash. Must be durable when it returns.
   */
  readonly announce: (run: PaidRun) => void;
  readonly clock: Clock;
  readonly log: Logger;
  /** Bounds of a run; what it may spend is what the node credited. */
  readonly limits?: Partial<Omit<RunLimits, 'spendMsat'>>;
  readonly waits?: Partial<PaidRunWaits>;
  /** For tests that end the process there. */
  readonly onCheckpoint?: (checkpoint: RunCheckpoint) => void;
};

export type RoutstrProvider = {
  /** Why `prepareRun` would refuse this run at once, from what is on disk. */
  readonly refusalOfRun: (ticket: RunTicket) => BudgetRefusal | undefined;
  readonly prepareRun: (ticket: RunTicket, signal: AbortSignal) => Promise<PreparedPaidRun>;
  /**
   * What a run of an agent server came to, when there is a bill of the node for all that it asked: to be had before
   * `finalizeRun`, once its agent is gone. Else what it cost is known when it is settled.
   */
  readonly bill: (runId: string) => { readonly spent: Sat; readonly budget: Sat } | undefined;
  /** Its owner has its answer: whoever shows money from now on waits for this run, too (`settled`). */
  readonly answered: (runId: string) => void;
  /** Resolves when every run is settled that is answered, or that its agent has left. */
  readonly settled: () => Promise<void>;
  /** Always to be called after `prepareRun`, whatever became of the run. */
  readonly finalizeRun: (runId: string, signal: AbortSignal) => Promise<PaidRunCost>;
  /** At start: settles what an earlier life left open. Gives what its owners do not know yet, and what is still owed. */
  readonly recover: (signal: AbortSignal) => Promise<readonly PaidRun[]>;
  /** Gives a run that is under way more money; what waits for it goes on. */
  readonly more: (runId: string, amount: Sat, signal: AbortSignal) => Promise<MoreMoney>;
  /** What a run has spent so far; undefined: it is not under way. */
  readonly usage: (runId: string) => RunSpending | undefined;
  /** Why a run like this would be refused now, as far as the disk can tell. The model is without `routstr/`. */
  readonly refusalOf: (run: {
    readonly owner: string;
    readonly model: string | undefined;
    readonly budget: Sat;
  }) => BudgetRefusal | undefined;
  readonly owed: () => Owed;
  /** From what is on disk. */
  readonly status: () => RoutstrStatus;
  /** Money that is kept at nodes across runs. */
  readonly account: NodeAccounts;
  /** One model call without an agent, paid by a token of its own. */
  readonly quick: (request: QuickRequest, signal: AbortSignal) => Promise<QuickResult>;
  /** What became of a question that an earlier life of the bot was to ask. */
  readonly pastQuestion: (key: string) => PastQuestion;
  /** Spent since a moment (ms), and at stake; by one owner when they are named. */
  readonly usedSince: (since: number, owner?: string) => Sat;
  /** Rows and evidence, without accounts that are where they should be. */
  readonly paidRuns: Pick<PaidRunStore, 'open' | 'find' | 'evidence'>;
  /** Keys that users have in hand. */
  readonly keys: UserKeys;
  /** A budget is made ahead for this owner's next run, again after each, until what is returned is called. */
  readonly keepBudgetFor: (owner: string) => () => void;
  /** What is set aside at each mint in budgets that were made ahead. */
  readonly madeAhead: BudgetsAhead['held'];
  /** The wallet is asked for its money: what was made ahead is back in it, as far as the mint answers. */
  readonly freeBudgets: (signal: AbortSignal) => Promise<void>;
  /** Looks after what is owed from now on, in the background. After `recover`. */
  readonly start: () => void;
  /** One pass over what is due now. */
  readonly lookAfter: (signal: AbortSignal) => Promise<void>;
  /** Ends the background work; paid runs under way stay as they are on disk. */
  readonly close: () => Promise<void>;
};

export type RunSpending = {
  readonly spent: Sat;
  readonly budget: Sat;
  /** Its model calls wait for money now. */
  readonly held: boolean;
};

export type RoutstrStatus = {
  readonly node: NodeUrl;
  readonly budget: Sat;
  /** Runs under way. */
  readonly running: number;
  readonly owed: Owed;
};

/**
 * Provider `routstr` (docs/design.md#paid-runs): every run has a budget token of its own, and its change comes back.
 */
export function createRoutstrProvider(options: RoutstrProviderOptions): RoutstrProvider {
  const { wallet, rules, meter } = options;
  const deps = createPaidRunDeps(
    options,
    createLiveRuns(() => owedRefunds.wake()),
  );
  const { store, nodes } = deps;
  const owedRefunds = createOwedRefunds(deps, options.announce);
  const ahead = createBudgetsAhead(deps, rules);
  const account = createNodeAccounts(deps, ahead.makeRoom);
  const endpoints = createRunEndpoints(meter, rules, options.limits);
  const means: RunMeans = { deps, rules, endpoints, onAccount: createNodeAccountRuns(deps), ahead };
  wallet.addCheck((findings, signal) => checkRuns(deps, findings, signal));
  const stopListening = wallet.onRedeemed((redeemed) => closeWhenRedeemed(deps, redeemed));
  const refusalOf: RoutstrProvider['refusalOf'] = (run) => {
    const node = nodes.current();
    const onAccount = account
      .books()
      .some((books) => books.node === node && books.state === 'kept' && books.balance >= run.budget);
    // What is set aside, or being made, may be had for it: whoever prepares the run asks.
    const set = onAccount || ahead.mayFree();
    return refuseBudget(rules, deps, run) ?? (set ? undefined : refuseMint(deps, run.budget, node));
  };
  /** Runs that are answered, or left by their agents, until they are settled. */
  const ending = new Map<string, PromiseWithResolvers<void>>();
  const mintOf = createRunMints(wallet);
  const owed = (): Owed => owedIn(store.open(), account.books(), deps.live.has, mintOf);

  return {
    refusalOfRun: (ticket) => {
      const run = budgetOf(rules, ticket);
      // Another node may list the mint that has the money.
      return nodes.fallbacks().length > 0 ? refuseBudget(rules, deps, run) : refusalOf(run);
    },
    prepareRun: (ticket, signal) => {
      owedRefunds.askNow();
      return prepareRun(means, ticket, signal);
    },
    bill: (runId) => {
      const endpoint = endpoints.find(runId);
      const usage = endpoint?.isLeased() ? endpoint.usage() : undefined;
      if (!usage || usage.inFlight > 0 || usage.contradiction || usage.mostMsat !== usage.spentMsat)
        return undefined;
      return { spent: msatToSatCeil(usage.spentMsat), budget: wholeBudget(store, store.get(runId)) };
    },
    answered: (runId) => {
      if (!ending.has(runId)) ending.set(runId, Promise.withResolvers());
    },
    settled: async () => {
      await Promise.all([...ending.values()].map(({ promise }) => promise));
    },
    finalizeRun: (runId, signal) => {
      const over = ending.get(runId) ?? Promise.withResolvers<void>();
      ending.set(runId, over);
      return finalizeRun(means, runId, signal).finally(() => {
        ending.delete(runId);
        over.resolve();
      });
    },
    recover: (signal) => recoverRuns(deps, signal),
    more: (runId, amount, signal) => moreMoney(means, runId, amount, signal),
    usage: (runId) => {
      const usage = endpoints.find(runId)?.usage();
      if (!usage) return undefined;
      const budget = wholeBudget(store, store.get(runId));
      return { spent: msatToSatCeil(usage.spentMsat), budget, held: usage.held > 0 };
    },
    refusalOf,
    owed,
    status: () => {
      const now = owed();
      const running = account.books().reduce((sum, { runs }) => sum + runs, now.runs);
      return { node: nodes.current(), budget: rules.budget(), running, owed: now };
    },
    account,
    quick: (request, signal) => askQuickly(means, request, signal),
    pastQuestion: (key) => pastQuestion(store, key),
    usedSince: (since, owner) => usedSince(deps, since, owner),
    paidRuns: shownRuns(store),
    keys: createUserKeys(deps, ahead.makeRoom),
    start: owedRefunds.wake,
    lookAfter: owedRefunds.pass,
    keepBudgetFor: ahead.keepFor,
    freeBudgets: ahead.giveBack,
    madeAhead: ahead.held,
    close: async () => {
      await ahead.close();
      await owedRefunds.close();
      await endpoints.closeAll();
      stopListening();
    },
  };
}

/** Not what is ready for a run to come, nor money that is where it should be, nor what is a user's own. */
const shownRuns = (store: PaidRunStore): RoutstrProvider['paidRuns'] => ({
  open: () =>
    store.open().filter((run) => !isIn(run, 'kept') && run.ticket.purpose !== 'ahead' && !isOfUserKey(run)),
  find: store.find,
  evidence: store.evidence,
});
