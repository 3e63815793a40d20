import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import { advance } from './advance.ts';
import { isAhead, isIn, moneyOf, type PaidRun } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { isDue } from './retry-pauses.ts';

/** Asks for what is owed, each run at its own time, for as long as it is owed. */
export type OwedRefunds = {
  /** Looks at once, and from then on whenever something is due. */
  readonly wake: () => void;
  /** A new run begins: what is owed is asked for now, whenever its time is, and not waited for. */
  readonly askNow: () => void;
  /** One pass over what is due; tells what came of it. */
  readonly pass: (signal: AbortSignal) => Promise<void>;
  /** Ends what is under way and waits for it. */
  readonly close: () => Promise<void>;
};

/** A clock that jumps, and a machine that slept, are noticed after this long. */
const longestSleepMs = 60_000;
/** After a fault of our own, such as a full disk. */
const afterFaultMs = 5_000;
/** Between two times of `askNow`. */
const askNowSpacingMs = 60_000;

/** @param announce something is settled, or needs a person; told again until it returns */
export function createOwedRefunds(deps: PaidRunDeps, announce: (run: PaidRun) => void): OwedRefunds {
  const { store, live, clock, log } = deps;
  const closing = new AbortController();
  let cancel: Cancel | undefined;
  let working: Promise<void> = Promise.resolve();
  let askedAt = Number.NEGATIVE_INFINITY;
  // An account that is kept waits for nothing.
  const waiting = () => store.open().filter((run) => !isIn(run, 'kept') && !live.includes(run));

  async function pass(signal: AbortSignal): Promise<void> {
    const due = waiting().filter((run) => isDue(run.nextAt, clock.now()));
    await Promise.all(
      due.map(async ({ id }) => {
        try {
          const run = await deps.lock(moneyOf(store.get(id)), async () => {
            // Another pass may have been here while this one waited.
            const now = store.get(id);
            return isDue(now.nextAt, clock.now()) ? advance(deps, id, signal) : now;
          });
          log.debug({ run: id, state: run.body.state, nextAt: run.nextAt }, 'looked after an owed run');
        } catch (error) {
          if (signal.aborted) return;
          log.error({ run: id, error }, 'an owed run could not be looked after');
          store.postpone(id, clock.now() + longestSleepMs, true);
        }
      }),
    );
    for (const run of store.news()) {
      if (live.includes(run)) continue;
      if (!isAhead(run) || isIn(run, 'needs_operator')) announce(run);
      store.setTold(run.id);
    }
  }

  /** undefined: nothing is owed. */
  function untilNextMs(): number | undefined {
    const times = waiting().map((run) => run.nextAt);
    return times.length === 0 ? undefined : Math.max(50, Math.min(...times) - clock.now());
  }

  async function round(): Promise<void> {
    const { signal } = closing;
    if (signal.aborted) return;
    let pauseMs: number | undefined = afterFaultMs;
    try {
      await pass(signal);
      pauseMs = untilNextMs();
    } catch (error) {
      log.error({ error }, 'what is owed could not be looked after');
    }
    cancel?.();
    if (pauseMs !== undefined)
      cancel = after(Math.min(pauseMs, longestSleepMs), { name: 'what is owed', log, signal }, wake);
  }

  function wake(): void {
    cancel?.();
    working = working.then(round);
  }

  function askNow(): void {
    const now = clock.now();
    const owed = waiting().filter(
      (run) => run.nextAt > now && isIn(run, 'refund_due', 'change_held', 'reclaim'),
    );
    if (owed.length === 0 || Math.abs(now - askedAt) < askNowSpacingMs) return;
    askedAt = now;
    for (const { id } of owed) store.postpone(id, now, false);
    wake();
  }

  return {
    wake,
    askNow,
    pass,
    close: async () => {
      closing.abort(new DOMException('the provider closes', 'AbortError'));
      await working;
    },
  };
}
