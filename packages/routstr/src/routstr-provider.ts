import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Fetch } from '@nostr-dm-agent/kit/http';
import { createKeyedLock } from '@nostr-dm-agent/kit/keyed-lock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { msatToSatCeil, type Sat } from '@nostr-dm-agent/kit/sat';
import type { Meter } from './meter/meter.ts';
import type { MeteredRun, MeterPrice, RunLimits } from './meter/metered-run.ts';
import { apiKeyOf } from './node/api-key.ts';
import { createNodeClient, type NodeClient } from './node/node-client.ts';
import type { NodeUrl } from './node/node-url.ts';
import type { NotCredited } from './node/outcomes.ts';
import { advance, becomeDue } from './paid-run/advance.ts';
import {
  type BudgetRefusal,
  type BudgetRules,
  refuseBudget,
  refuseMint,
  refuseMore,
  refuseSpending,
  usedSince,
} from './paid-run/budget-rules.ts';
import { closeWhenRedeemed } from './paid-run/close-books.ts';
import { deposit } from './paid-run/deposit.ts';
import {
  answers,
  type FallbackNode,
  type Fallbacks,
  findFallbacks,
  type UnableNode,
} from './paid-run/fallback-nodes.ts';
import { issueOrRefuse } from './paid-run/issue-token.ts';
import { type Account, createNodeAccounts } from './paid-run/node-account.ts';
import { createOwedRefunds } from './paid-run/owed-refunds.ts';
import { costOf, type Owed, owedIn } from './paid-run/owed-sums.ts';
import {
  isIn,
  isOpen,
  type MoneyLock,
  moneyOf,
  type PaidRun,
  type PaidRunIn,
  type PaidRunTicket,
  type RunCheckpoint,
} from './paid-run/paid-run.ts';
import {
  defaultRetryPauses,
  type PaidRunDeps,
  type PayingWallet,
  type RetryPauses,
} from './paid-run/paid-run-deps.ts';
import { createPaidRunStore, type PaidRunStore } from './paid-run/paid-run-store.ts';
import {
  type MoreRefusal,
  type PastQuestion,
  type RunRefusal,
  whereaboutsOf,
} from './paid-run/payment-refusals.ts';
import { createQuick, pastQuestion, type Quick } from './paid-run/quick.ts';
import { isDue } from './paid-run/retry-pauses.ts';
import { openRunEndpoint, type RunFunds } from './paid-run/run-endpoint.ts';
import type { PaidRunCost, PreparedPaidRun, RunTicket } from './paid-run/run-ticket.ts';
import { topUp, wholeBudget } from './paid-run/top-up.ts';

/** What came of more money for a run. */
export type MoreMoney =
  | { readonly state: 'added'; readonly budget: Sat }
  | { readonly state: 'refused'; readonly refusal: MoreRefusal };

export type RoutstrProviderOptions = {
  readonly wallet: PayingWallet;
  /** Where new runs are paid. Runs that are under way keep the node that they began with. */
  readonly nodeUrl: () => NodeUrl;
  readonly rules: BudgetRules;
  /** For runs whose node is down before they begin. */
  readonly fallbacks?: Fallbacks;
  readonly meter: Meter;
  /**
   * What became of a run's money in the background: told once its owner has not heard of it otherwise; again after a
   * crash. Must be durable when it returns.
   */
  readonly announce: (run: PaidRun) => void;
  readonly clock: Clock;
  readonly log: Logger;
  /** `BOT_HOLD_MINUTES` and the other bounds of a run. `spendMsat` is what the node credited. */
  readonly limits?: Partial<Omit<RunLimits, 'spendMsat'>>;
  readonly retryPauses?: RetryPauses;
  /** For the answer to a question (`quick`), in ms. */
  readonly answerMs?: number;
  readonly nodeAt?: (url: NodeUrl) => NodeClient;
  /** How nodes are asked; one that somebody else chose is to be looked at first. */
  readonly fetch?: Fetch;
  /** How long a start waits for nodes, in ms. */
  readonly recoverMs?: number;
  /** For tests that end the process there. */
  readonly onCheckpoint?: (checkpoint: RunCheckpoint) => void;
};

export type RoutstrProvider = {
  readonly prepareRun: (ticket: RunTicket, signal: AbortSignal) => Promise<PreparedPaidRun>;
  /** Always to be called after `prepareRun`, whatever became of the run. */
  readonly finalizeRun: (runId: string, signal: AbortSignal) => Promise<PaidRunCost>;
  /** At start: settles what an earlier life left open. Gives what its owners do not know yet, and what is still open. */
  readonly recover: (signal: AbortSignal) => Promise<readonly PaidRun[]>;
  /** Gives a run that is under way more money; what waits for it goes on. */
  readonly more: (runId: string, amount: Sat, signal: AbortSignal) => Promise<MoreMoney>;
  /** What a run has spent so far; undefined: it is not under way. */
  readonly usage: (runId: string) => { readonly spent: Sat; readonly budget: Sat } | undefined;
  /** Why a run like this would be refused now, as far as the disk can tell. */
  readonly refusalOf: (run: {
    readonly owner: string;
    /** Without `routstr/`. */
    readonly model: string | undefined;
    readonly budget: Sat;
  }) => BudgetRefusal | undefined;
  /** Its model calls wait for money now. */
  readonly held: (runId: string) => boolean;
  readonly owed: () => Owed;
  /** Money that is kept at nodes across runs. */
  readonly account: Account;
  /** One model call without an agent, paid by a token of its own. */
  readonly quick: Quick;
  /** What became of a question that an earlier life of the bot was to ask. */
  readonly pastQuestion: (key: string) => PastQuestion;
  /** What counts against the limit of a day: spent since `rules.dayStart()`, and at stake; of one owner when he is named. */
  readonly usedToday: (owner?: string) => Sat;
  /** The same since another moment (ms). */
  readonly usedSince: (since: number, owner?: string) => Sat;
  /** From what is on disk. */
  readonly status: () => RoutstrStatus;
  /** Rows and evidence, for `!wallet pending` and the like. */
  readonly paidRuns: Pick<PaidRunStore, 'open' | 'find' | 'evidence'>;
  /** Nobody pays more: what is held is let go with the error. False: no such run. */
  readonly letGo: (runId: string) => boolean;
  /** Looks after what is owed from now on, in the background. After `recover`. */
  readonly start: () => void;
  /** One pass over what is due now. */
  readonly lookAfter: (signal: AbortSignal) => Promise<void>;
  /** Ends the background work; paid runs under way stay as they are on disk. */
  readonly close: () => Promise<void>;
};

export type RoutstrStatus = {
  readonly node: NodeUrl;
  readonly budget: Sat;
  /** Runs under way. */
  readonly running: number;
  readonly owed: Owed;
};

/**
 * Provider `routstr` (docs/design.md#paid-runs): every run has a budget token of its own, and its change comes home.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: wires the parts of the package, which share its clients and its journal
export function createRoutstrProvider(options: RoutstrProviderOptions): RoutstrProvider {
  const { wallet, rules, meter, clock, log, fetch = globalThis.fetch } = options;
  const store = createPaidRunStore(wallet, clock);
  const clients = new Map<NodeUrl, NodeClient>();
  const nodeAt = (url: NodeUrl): NodeClient => {
    const client = clients.get(url) ?? options.nodeAt?.(url) ?? createNodeClient(url, undefined, fetch);
    clients.set(url, client);
    return client;
  };
  const deps: PaidRunDeps = {
    wallet,
    store,
    nodeAt,
    fetch,
    ...(rules.mintsOf && { mintsOf: rules.mintsOf }),
    clock,
    log,
    retryPauses: options.retryPauses ?? defaultRetryPauses,
    reached: options.onCheckpoint ?? (() => undefined),
  };
  const locks = createKeyedLock();
  const lock: MoneyLock = (name, work) => locks.run(name, undefined, work);
  /** Between `prepareRun` and the end of `finalizeRun`. */
  const live = new Set<string>();
  const isLive = ({ id, ticket }: PaidRun): boolean => live.has(id) || live.has(ticket.parent ?? id);
  const metered = new Map<string, MeteredRun>();
  const accounts = createNodeAccounts({
    ...{ deps, lock, live, nodeUrl: options.nodeUrl },
    wake: () => queue.wake(),
  });
  const stopListening = wallet.onRedeemed((redeemed) => closeWhenRedeemed(deps, redeemed));
  const queue = createOwedRefunds({
    store,
    isLive,
    advance: (id, signal) =>
      lock(moneyOf(store.get(id)), async () => {
        // Another pass may have been here while this one waited.
        const run = store.get(id);
        return isDue(run.nextAt, clock.now()) ? advance(deps, id, signal) : run;
      }),
    announce: options.announce,
    clock,
    log,
  });

  async function prepareRun(ticket: RunTicket, signal: AbortSignal): Promise<PreparedPaidRun> {
    queue.askNow();
    const budget = ticket.budget ?? rules.budget();
    const model = ticket.model?.replace(/^routstr\//, '');
    const refuse = () => refuseBudget(rules, wallet, store, { budget, model, owner: ticket.owner });
    const refusal = refuse();
    if (refusal) return { state: 'refused', refusal };
    live.add(ticket.runId);
    const node = options.nodeUrl();
    const paidRunTicket: PaidRunTicket = {
      purpose: 'run',
      sessionId: ticket.sessionId,
      owner: ticket.owner,
      ...(ticket.model === undefined ? {} : { model: ticket.model }),
      prompt: [...ticket.task].slice(0, 80).join(''),
      budget,
    };
    const { fallbacks } = options;
    if (
      fallbacks !== undefined &&
      fallbacks.nodes().length > 0 &&
      !(await answers(fallbacks, node, signal))
    ) {
      log.warn({ run: ticket.runId, node }, 'the node is down; its fallbacks are asked');
      return lock(ticket.runId, () =>
        fallBack(ticket, paidRunTicket, node, { kind: 'node_away', node }, signal),
      );
    }
    // On an account the meter alone holds a run in its budget, which it can't without a price.
    if (model === undefined || rules.price(model) !== undefined) {
      const onAccount = await accounts.reserve(ticket.runId, node, paidRunTicket, refuse, signal);
      if (onAccount.state === 'refused') return onAccount;
      if (onAccount.state === 'away') return { state: 'refused', refusal: { kind: 'account_away', node } };
      if (onAccount.state === 'reserved') {
        const { id, body } = onAccount.run;
        // A key that the meter alone knows; it looks like the node's, which every redaction takes out.
        const agentKey = `sk-${randomBytes(32).toString('hex')}`;
        return open(ticket, {
          ...{ runId: id, node, agentKey, nodeKey: onAccount.nodeKey, spendMsat: body.out * 1000 },
          pricedOnly: true,
          onSpent: (usage) => accounts.metered(id, usage.spentMsat),
        });
      }
    }
    // Once more: another run may have begun since. Nothing is waited for between this and the run's row.
    const short = refuse() ?? refuseMint(rules, wallet, budget, node);
    if (short) return { state: 'refused', refusal: short };
    const created = store.create(ticket.runId, node, paidRunTicket);
    deps.reached('run:created');
    return lock(ticket.runId, async () => {
      const paid = await pay(created, ticket, signal);
      return paid.state === 'down' ? fallBack(ticket, paidRunTicket, node, paid.refusal, signal) : paid;
    });
  }

  /** The run at another node. Nothing of it is at the node that is down: no token was made, or it is back. */
  async function fallBack(
    ticket: RunTicket,
    paidRunTicket: PaidRunTicket,
    down: NodeUrl,
    why: RunRefusal,
    signal: AbortSignal,
  ): Promise<PreparedPaidRun> {
    const refused: PreparedPaidRun = { state: 'refused', refusal: why };
    const { fallbacks } = options;
    if (fallbacks === undefined || fallbacks.nodes().length === 0) return refused;
    const { budget } = paidRunTicket;
    const model = ticket.model?.replace(/^routstr\//, '');
    const { able, unable } = await findFallbacks(
      { model, budget, except: down },
      { fallbacks, nodeAt, wallet },
      signal,
    );
    const failed: UnableNode[] = [...unable];
    for (const node of able) {
      // What the attempts cost in fees counts.
      const refusal = refuseSpending(rules, wallet, store, budget, ticket.owner);
      if (refusal) return { state: 'refused', refusal };
      const row = store.find(ticket.runId)
        ? store.again(ticket.runId, node.url)
        : store.create(ticket.runId, node.url, paidRunTicket);
      deps.reached('run:created');
      const paid = await pay(row, ticket, signal, node);
      if (paid.state === 'refused') return paid;
      if (paid.state === 'ready') return { ...paid, insteadOf: down };
      failed.push({ url: node.url, why: 'away' });
    }
    return failed.length === 0
      ? refused
      : { state: 'refused', refusal: { kind: 'no_fallback', first: why, others: failed } };
  }

  /** `down`: the node has not taken the budget, and all of it is back. */
  async function pay(
    created: PaidRun,
    ticket: RunTicket,
    signal: AbortSignal,
    at?: FallbackNode,
  ): Promise<PreparedPaidRun | { readonly state: 'down'; readonly refusal: RunRefusal }> {
    const issued = await issueOrRefuse(deps, created, signal);
    if (issued.state === 'refused') return issued;
    const outcome = await deposit(deps, issued.run, signal);
    const { node } = created;
    const amount = created.ticket.budget;
    if (outcome.state === 'not_credited') {
      log.warn({ run: created.id, outcome: outcome.outcome }, 'a budget was not credited');
      const run = await advance(deps, created.id, signal);
      // It lists other mints than it did.
      if (reasonOf(outcome.outcome) === 'mint_not_trusted' && options.fallbacks !== undefined) {
        await answers(options.fallbacks, created.node, signal);
      }
      const money = whereaboutsOf(run);
      return {
        state: money.state === 'back' ? 'down' : 'refused',
        refusal: { kind: 'not_credited', node, amount, outcome: outcome.outcome, money },
      };
    }
    if (outcome.state === 'credited_short') {
      const creditedMsat = outcome.balanceMsat;
      return { state: 'refused', refusal: { kind: 'credited_short', node, amount, creditedMsat } };
    }
    return begin(outcome.run, ticket, at?.price);
  }

  /** The agent may spend from here on. */
  function begin(
    { id, node, body }: PaidRunIn<'deposited'>,
    ticket: RunTicket,
    price: MeterPrice | undefined,
  ): ReadyRun {
    const prepared = open(ticket, {
      ...(price && { priceThere: price }),
      ...{ runId: id, node, agentKey: body.token, nodeKey: apiKeyOf(body.token) },
      spendMsat: body.creditedMsat,
    });
    store.move(id, ['deposited'], { ...body, state: 'running' });
    deps.reached('run:running');
    return prepared;
  }

  function open(ticket: RunTicket, account: RunFunds): ReadyRun {
    const { endpoint, prepared } = openRunEndpoint({ meter, rules, limits: options.limits }, ticket, account);
    metered.set(account.runId, endpoint);
    return prepared;
  }

  async function more(runId: string, budget: Sat, signal: AbortSignal): Promise<MoreMoney> {
    const onAccount = store.find(runId);
    if (onAccount && isIn(onAccount, 'spending')) return moreOnNodeAccount(onAccount, budget, signal);
    return lock(runId, async () => {
      const parent = store.find(runId);
      const endpoint = metered.get(runId);
      if (!parent || !isIn(parent, 'running') || !endpoint)
        return { state: 'refused', refusal: { kind: 'run_over' } };
      const refusal = refuseMore(rules, wallet, store, budget, parent.ticket.owner, parent.node);
      if (refusal) return { state: 'refused', refusal };
      const before = store.topUpsOf(runId);
      // Only one may be unresolved: which of two has arrived could not be told apart.
      if (before.some((row) => isOpen(row.body) && !isIn(row, 'needs_operator'))) {
        return { state: 'refused', refusal: { kind: 'still_adding' } };
      }
      const id = `${runId}+${before.length + 1}`;
      const created = store.create(id, parent.node, { ...parent.ticket, budget, parent: runId });
      const issued = await issueOrRefuse(deps, created, signal);
      if (issued.state === 'refused') return issued;
      const result = await topUp(deps, issued.run, parent, signal);
      if (result.state === 'added') {
        endpoint.more(result.addedMsat);
        return { state: 'added', budget: wholeBudget(deps, parent) };
      }
      const run = await advance(deps, id, signal);
      if (isIn(run, 'settled')) store.setTold(id);
      const { outcome } = result;
      const money = whereaboutsOf(run);
      return {
        state: 'refused',
        refusal: { kind: 'not_credited', node: run.node, amount: budget, outcome, money },
      };
    });
  }

  async function moreOnNodeAccount(
    run: PaidRunIn<'spending'>,
    amount: Sat,
    signal: AbortSignal,
  ): Promise<MoreMoney> {
    const endpoint = metered.get(run.id);
    if (!endpoint) return { state: 'refused', refusal: { kind: 'run_over' } };
    const refuse = () => refuseSpending(rules, wallet, store, amount, run.ticket.owner);
    const added = await accounts.more(run, amount, refuse, signal);
    if (added.state === 'refused') return added;
    endpoint.more(added.addedMsat);
    return { state: 'added', budget: wholeBudget(deps, store.get(run.id)) };
  }

  async function finalizeRun(runId: string, signal: AbortSignal): Promise<PaidRunCost> {
    const endpoint = metered.get(runId);
    const usage = await endpoint?.close();
    metered.delete(runId);
    try {
      const before = store.find(runId);
      if (!before) return undefined;
      const run =
        before.ticket.account === undefined
          ? await lock(runId, () => bringHome(runId, usage?.spentMsat, signal))
          : await accounts.finish(runId, usage?.spentMsat, signal);
      return costOf(run, wholeBudget(deps, run));
    } catch (error) {
      if (!signal.aborted) throw error;
      log.warn({ run: runId }, 'the change is not back in time; it is asked for in the background');
      const run = store.get(runId);
      return costOf(run, wholeBudget(deps, run));
    } finally {
      // What needs a person is told in words of its own, by the queue.
      const run = store.find(runId);
      if (run && !isIn(run, 'needs_operator')) store.setTold(runId);
      live.delete(runId);
      queue.wake();
    }
  }

  /** A few tries while the reply waits: most refusals of a refund pass within a second or two. */
  async function bringHome(runId: string, meteredMsat: number | undefined, signal: AbortSignal) {
    const before = store.get(runId);
    if (isIn(before, 'deposited', 'running')) becomeDue(deps, before, meteredMsat);
    let run = await advance(deps, runId, signal);
    for (const pause of deps.retryPauses.settle) {
      if (!isIn(run, 'refund_due', 'change_held') || run.nextAt - clock.now() > 10_000) break;
      await sleep(pause, undefined, { signal });
      run = await advance(deps, runId, signal);
    }
    if (isIn(run, 'refund_due', 'change_held')) store.startOver(runId, clock.now() + 5000);
    return run;
  }

  async function recover(signal: AbortSignal): Promise<readonly PaidRun[]> {
    const enough = AbortSignal.any([signal, AbortSignal.timeout(options.recoverMs ?? 20_000)]);
    const open = store.open().filter((run) => !isLive(run));
    await Promise.all(
      open.map(async (run) => {
        const { id } = run;
        try {
          await lock(moneyOf(run), () => advance(deps, id, enough));
        } catch (error) {
          signal.throwIfAborted();
          log.warn({ run: id, error }, 'a run of an earlier life could not be settled yet');
        }
      }),
    );
    const news = store.news();
    for (const { id } of news) store.setTold(id);
    // What was waiting for a person before is no news, nor is money that is where it should be.
    const left = store
      .open()
      .filter(
        (run) => open.some(({ id }) => id === run.id) && !isIn(run, 'needs_operator', 'kept', 'unreckoned'),
      );
    return [...news, ...left];
  }

  const owed = (): Owed => owedIn(store.open(), accounts.books(), (id) => live.has(id));

  return {
    prepareRun,
    finalizeRun,
    recover,
    more,
    status: () => {
      const now = owed();
      const running = accounts.books().reduce((sum, books) => sum + books.runs, now.runs);
      return { node: options.nodeUrl(), budget: rules.budget(), running, owed: now };
    },
    usage: (runId) => {
      const usage = metered.get(runId)?.usage();
      if (!usage) return undefined;
      return { spent: msatToSatCeil(usage.spentMsat), budget: wholeBudget(deps, store.get(runId)) };
    },
    refusalOf: (run) => {
      const node = options.nodeUrl();
      const onAccount = accounts
        .books()
        .some((books) => books.node === node && books.state === 'kept' && books.balance >= run.budget);
      return (
        refuseBudget(rules, wallet, store, run) ??
        (onAccount ? undefined : refuseMint(rules, wallet, run.budget, node))
      );
    },
    held: (runId) => (metered.get(runId)?.usage().held ?? 0) > 0,
    owed,
    account: {
      deposit: accounts.deposit,
      refund: accounts.refund,
      balance: accounts.balance,
      books: accounts.books,
    },
    usedToday: (owner) => usedSince(wallet, store, rules.dayStart(), owner),
    usedSince: (since, owner) => usedSince(wallet, store, since, owner),
    quick: createQuick({
      ...{ deps, rules, lock, live, nodeUrl: options.nodeUrl, wake: queue.wake },
      ...(options.answerMs !== undefined && { answerMs: options.answerMs }),
    }),
    pastQuestion: (key) => pastQuestion(store, key),
    // What is kept at a node is where it should be.
    paidRuns: {
      open: () => store.open().filter((run) => !isIn(run, 'kept')),
      find: store.find,
      evidence: store.evidence,
    },
    letGo: (runId) => {
      const run = metered.get(runId);
      run?.letGo();
      return run !== undefined;
    },
    start: queue.wake,
    lookAfter: queue.pass,
    close: async () => {
      await queue.close();
      await Promise.all([...metered.values()].map((run) => run.close()));
      metered.clear();
      stopListening();
    },
  };
}

type ReadyRun = Extract<PreparedPaidRun, { state: 'ready' }>;

const reasonOf = (outcome: NotCredited): string | undefined =>
  'reason' in outcome ? outcome.reason : undefined;
