import { randomUUID } from 'node:crypto';
import type { MintUrl } from '@nostr-dm-agent/cashu-wallet';
import { untilAborted } from '@nostr-dm-agent/kit/abort';
import { addSat, type Sat, sat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import type { NodeUrl } from '../node/node-url.ts';
import { advance } from './advance.ts';
import { type BudgetRules, type MakeRoom, refuseMint, refuseSpending } from './budget-rules.ts';
import { chooseMint } from './mint-match.ts';
import { isAhead, isIn, isNodeAccount, type PaidRun, type PaidRunTicket, sendKeyOf } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';

/**
 * Budget tokens that were made before there is a run, one for each owner whose agent is kept ready: then only the node is
 * in the way of their next run. Each is a row in `created` whose token exists, journalled like any, and a row of the run's
 * own from when that takes it; the mint is asked for nothing more by it. A killed bot takes it back at its start.
 */
export type BudgetsAhead = {
  /** From now on one is kept for this owner. @returns ends it, and takes it back */
  readonly keepFor: (owner: string) => () => void;
  /** One that this run could have; nothing is done. */
  readonly fits: (run: Wanted) => boolean;
  /** The run's row, with the token that was ready; undefined: there is none. */
  readonly take: (run: Wanted, id: string, ticket: PaidRunTicket) => PaidRun | undefined;
  /** The owner has had a run: the next budget is made, behind. */
  readonly refill: (owner: string) => void;
  /** The wallet is asked for its money: all of it is ready again, and stays so for a while. Does not throw but for the signal. */
  readonly giveBack: (signal: AbortSignal) => Promise<void>;
  /** Something is set aside, or on its way there or back: what a mint seems to be short of may be had. */
  readonly mayFree: () => boolean;
  readonly makeRoom: MakeRoom;
  /** What is set aside at each mint, in tokens that nobody has seen. */
  readonly held: () => ReadonlyMap<MintUrl, Sat>;
  /** Takes back what there is, and waits for that, though not long. */
  readonly close: () => Promise<void>;
};

type Wanted = { readonly owner: string; readonly node: NodeUrl; readonly budget: Sat };
type Ready = Wanted & { readonly id: string; readonly mint: MintUrl; readonly face: Sat };

/** Somebody wanted the money: until they have had it, nothing is set aside. */
const leftAloneMs = 10 * 60_000;
const closeMs = 5_000;

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: what is set aside for whom, changed by a few short functions
export function createBudgetsAhead(deps: PaidRunDeps, rules: BudgetRules): BudgetsAhead {
  const { wallet, store, nodes, live, clock, log } = deps;
  const closing = new AbortController();
  /** How many servers of each owner are ready. */
  const keepers = new Map<string, number>();
  const ready = new Map<string, Ready>();
  const timers = new Map<string, Cancel>();
  const working = new Set<Promise<void>>();
  const making = new Map<string, Promise<void>>();
  const returning = new Set<Promise<void>>();
  /** The making that began last; never rejects. */
  let latest: Promise<void> = Promise.resolve();
  let aloneUntil = 0;

  const behind = (work: Promise<void>): void => {
    working.add(work);
    void work.finally(() => working.delete(work));
  };

  const takeBack = async ({ id }: Pick<Ready, 'id'>, signal: AbortSignal): Promise<void> => {
    try {
      await deps.lock(id, async () => {
        await advance(deps, id, signal);
      });
    } catch (error) {
      // It is looked after like anything that is owed.
      log.warn({ run: id, error }, 'a budget that was made ahead is not back yet');
    } finally {
      const { state } = store.get(id).body;
      if (state === 'settled') store.setTold(id);
      live.end(id);
    }
  };
  const drop = (owner: string, signal: AbortSignal): Promise<void> => {
    timers.get(owner)?.();
    timers.delete(owner);
    const found = ready.get(owner);
    ready.delete(owner);
    if (found === undefined) return Promise.resolve();
    const work = takeBack(found, signal);
    returning.add(work);
    return work.finally(() => returning.delete(work));
  };

  /** Whether it may be set aside: with as much left for others, and for a run that would be begun. */
  const mintFor = (
    owner: string,
    node: NodeUrl,
    budget: Sat,
  ): { mint: MintUrl; name: string } | undefined => {
    if (refuseSpending(rules, deps, budget, owner) !== undefined) return undefined;
    // Runs are paid from what is kept there. One that is not back yet is theirs, too.
    const isInTheWay = (run: PaidRun): boolean =>
      (isNodeAccount(run) && isIn(run, 'kept') && run.node === node) ||
      (isAhead(run) && run.ticket.owner === owner);
    if (store.open().some(isInTheWay)) return undefined;
    const choice = chooseMint(wallet, nodes.mintsOf(node), sat(budget * 2));
    return choice.state === 'chosen' ? choice : undefined;
  };

  const make = async (owner: string): Promise<void> => {
    if (!wanted(owner)) return;
    const node = nodes.current();
    const budget = rules.budget();
    const where = mintFor(owner, node, budget);
    if (where === undefined) return;
    const { mint, name } = where;
    const id = `ahead-${randomUUID()}`;
    store.create(id, node, { purpose: 'ahead', owner, prompt: 'a budget made ahead', budget });
    live.begin(id);
    try {
      const key = sendKeyOf(store.get(id));
      const note = 'a budget for the next run';
      const sent = await wallet.send({ amount: budget, mint, mintName: name, key, note }, closing.signal);
      deps.reached('run:ahead');
      const made = { id, owner, node, budget, mint, face: sent.face };
      // Meanwhile nobody may want it any more.
      if (closing.signal.aborted || !wanted(owner)) return await takeBack(made, closing.signal);
      ready.set(owner, made);
      timers.set(
        owner,
        after(deps.waits.ahead, { name: 'a budget made ahead', log, signal: closing.signal }, () =>
          behind(drop(owner, closing.signal)),
        ),
      );
    } catch (error) {
      log.info({ error }, 'no budget was made ahead');
      live.end(id);
    }
  };
  const wanted = (owner: string): boolean => keepers.has(owner) && clock.now() >= aloneUntil;

  const isOfUse = (made: Ready, { node, budget }: Omit<Wanted, 'owner'>): boolean => {
    if (made.node !== node || made.budget !== budget) return false;
    const listed = nodes.mintsOf(node) ?? [];
    const taken = listed.length === 0 || listed.some((name) => wallet.acceptedMint(name) === made.mint);
    // Its owner may have taken it back by hand (`!wallet reclaim`).
    return taken && wallet.operationFor(sendKeyOf(store.get(made.id)))?.state === 'issued';
  };
  const found = (run: Wanted): Ready | undefined => {
    const made = ready.get(run.owner);
    return made !== undefined && isOfUse(made, run) ? made : undefined;
  };

  const refill = (owner: string): void => {
    if (closing.signal.aborted || !wanted(owner) || making.has(owner)) return;
    const made = ready.get(owner);
    const stale = made !== undefined && !isOfUse(made, { node: nodes.current(), budget: rules.budget() });
    if (made !== undefined && !stale) return;
    const work = (async () => {
      if (stale) await drop(owner, closing.signal);
      // One after the other: of two at once each would count on the same money.
      const work = latest.then(() => make(owner));
      latest = work.catch(() => undefined);
      await work;
    })().finally(() => making.delete(owner));
    making.set(owner, work);
    behind(work.catch((error) => log.warn({ error }, 'a budget could not be made ahead')));
  };

  const giveBack = async (signal: AbortSignal): Promise<void> => {
    aloneUntil = clock.now() + leftAloneMs;
    await Promise.all(making.values());
    await Promise.all([...[...ready.keys()].map((owner) => drop(owner, signal)), ...returning]);
    signal.throwIfAborted();
  };

  return {
    refill,
    fits: (run) => found(run) !== undefined,
    take: (run, id, ticket) => {
      const made = found(run);
      if (made === undefined || store.find(id) !== undefined) return undefined;
      timers.get(run.owner)?.();
      timers.delete(run.owner);
      ready.delete(run.owner);
      const sendKey = sendKeyOf(store.get(made.id));
      const created = wallet.transaction(() => {
        store.move(made.id, ['created'], { state: 'void' });
        return store.create(id, run.node, { ...ticket, sendKey });
      });
      live.end(made.id);
      return created;
    },
    keepFor: (owner) => {
      keepers.set(owner, (keepers.get(owner) ?? 0) + 1);
      refill(owner);
      let kept = true;
      return () => {
        if (!kept) return;
        kept = false;
        const left = (keepers.get(owner) ?? 1) - 1;
        if (left > 0) {
          keepers.set(owner, left);
          return;
        }
        keepers.delete(owner);
        behind(drop(owner, closing.signal));
      };
    },
    giveBack,
    mayFree: () => making.size + ready.size + returning.size > 0,
    makeRoom: async (amount, node, signal) => {
      const isShort = (): boolean => refuseMint(deps, amount, node) !== undefined;
      const onTheWay = (): Promise<void>[] => [...making.values(), ...returning];
      if (isShort() && onTheWay().length > 0) await untilAborted(Promise.allSettled(onTheWay()), signal);
      if (isShort() && ready.size > 0) await giveBack(signal);
    },
    held: () => {
      const sums = new Map<MintUrl, Sat>();
      for (const { mint, face } of ready.values()) sums.set(mint, addSat(sums.get(mint) ?? zeroSat, face));
      return sums;
    },
    close: async () => {
      keepers.clear();
      const enough = AbortSignal.timeout(closeMs);
      const back = async (): Promise<void> => {
        await Promise.allSettled(making.values());
        await Promise.allSettled([...[...ready.keys()].map((owner) => drop(owner, enough)), ...returning]);
      };
      // What is not back by then is at the next start.
      await untilAborted(back(), enough).catch(() => undefined);
      closing.abort(new DOMException('the provider closes', 'AbortError'));
      await Promise.all(working);
    },
  };
}
