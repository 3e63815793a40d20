import { setTimeout as sleep } from 'node:timers/promises';
import { untilAborted } from '@nostr-dm-agent/kit/abort';
import { reservationMsat } from '../models/usable-models.ts';
import type { ModelRequest } from './api.ts';
import { clampTokens, fitTokens } from './chat-request.ts';
import { createHoldQueue } from './hold-queue.ts';
import type { Contradiction, Hold, MeteredRunOptions, RequestUsage, RunUsage } from './metered-run.ts';
import type { RefusalCode } from './refusals.ts';

/** Leave to send one request. It is settled exactly once, whatever becomes of it. */
export type Permit = {
  readonly maxTokens: number | undefined;
  /** @param usage undefined: nothing was charged */
  readonly settle: (usage: RequestUsage | undefined, remainingMsat?: number) => void;
  /**
   * We left before the end. A node reads on and charges for the whole answer (seen with 0.4.5), so the
   * worst is booked: all that was reserved.
   */
  readonly abandon: () => void;
  /** No word came of it: booked as nothing, and it may have been charged all the same. */
  readonly unanswered: () => void;
};

/** What a failure that may pass means: another try, with a pause or without, or the end. */
export type AfterFailure = 'retry' | 'final';

/** The books and the bounds of one run. */
export type RunState = {
  readonly options: MeteredRunOptions;
  /** Aborted when the run is closed. */
  readonly closed: AbortSignal;
  /** Waits for money when it is short. @throws the signal's reason */
  readonly admit: (
    request: ModelRequest,
    session: string,
    ceiling: number | undefined,
    signal: AbortSignal,
  ) => Promise<Permit | RefusalCode>;
  /** The node says that the money is short: waits for other requests to give back what they reserved, or for more. */
  readonly wait: (hold: Hold, signal: AbortSignal) => Promise<'again' | 'let_go'>;
  /**
   * The node says that the money is short, with nothing else under way. `again`: it must be there, by the node's own
   * bills, and the node may only be behind with its books; a pause was made. `contradicts`: it stays with it.
   *
   * @param wantedMsat what the call may cost by our count; undefined: not known
   */
  readonly recheck: (
    short: Omit<Contradiction, 'leastMsat'>,
    wantedMsat: number | undefined,
    times: number,
    signal: AbortSignal,
  ) => Promise<'short' | 'again' | 'contradicts'>;
  readonly failed: (line: string) => AfterFailure;
  readonly answered: (line: string, session: string, toolCalls: string | undefined) => void;
  readonly mayCompact: () => boolean;
  readonly refused: (code: RefusalCode, status: number | undefined, detail: string) => void;
  readonly usage: () => RunUsage;
  readonly more: (addMsat: number) => boolean;
  /** Resolves when nothing is under way at the node; all of it is counted then. */
  readonly idle: () => Promise<void>;
  readonly close: () => Promise<RunUsage>;
};

/** What a request without `max_tokens` and of a model without a known limit counts as. */
const unknownMaxTokens = 16_384;

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: what one run has spent and reserved, changed by a few short functions
export function createRunState(options: MeteredRunOptions): RunState {
  const { limits } = options;
  const closing = new AbortController();
  const reserved = new Map<Permit, number>();
  const failures = new Map<string, number>();
  /** The last tool calls of each session, and how often they came in a row. */
  const repeated = new Map<string, { calls: string; times: number }>();
  let settled: (() => void)[] = [];
  let spendMsat = limits.spendMsat;
  let spentMsat = 0;
  let mostMsat: number | undefined = 0;
  let contradiction: Contradiction | undefined;
  let requests = 0;
  let compactions = 0;
  let remainingMsat: number | undefined;
  let last: RequestUsage | undefined;
  let refusal: RunUsage['refusal'];

  const holds = createHoldQueue({
    holdMs: limits.holdMs,
    onHold: (hold) => options.onHold?.(hold),
    onHoldEnd: (end) => options.onHoldEnd?.(end),
    onActivity: () => options.onActivity?.(),
  });
  const reservedMsat = (): number => [...reserved.values()].reduce((sum, msat) => sum + msat, 0);
  const usage = (): RunUsage => ({
    spentMsat,
    mostMsat,
    requests,
    inFlight: reserved.size,
    reservedMsat: reservedMsat(),
    held: holds.waiting(),
    remainingMsat,
    last,
    refusal,
    contradiction,
  });

  /** Resolves when one of the requests under way is settled. */
  const nextSettled = (signal: AbortSignal): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    settled.push(resolve);
    return untilAborted(promise, signal);
  };

  const wait: RunState['wait'] = async (hold, signal) => {
    if (reserved.size > 0) {
      await nextSettled(signal);
      return 'again';
    }
    return (await holds.wait(hold, signal)) === 'more' ? 'again' : 'let_go';
  };

  const recheck: RunState['recheck'] = async (short, wantedMsat, times, signal) => {
    const leastMsat = leftAtLeast(spendMsat, mostMsat);
    if (leastMsat === undefined || !contradicts(short, wantedMsat, leastMsat)) return 'short';
    const pause = limits.recheckMs[times];
    if (pause !== undefined) {
      await sleep(pause, undefined, { signal });
      return 'again';
    }
    contradiction ??= { ...short, leastMsat };
    return 'contradicts';
  };

  /** @param msat undefined: without a price nothing is known of it beforehand */
  const permit = (model: string, maxTokens: number | undefined, msat: number | undefined): Permit => {
    const unknown = { promptTokens: undefined, completionTokens: undefined };
    const granted: Permit = {
      maxTokens,
      abandon: () => granted.settle({ model, msat: msat ?? 0, source: 'estimate', ...unknown }),
      unanswered: () => {
        if (reserved.has(granted)) mostMsat = add(mostMsat, msat);
        granted.settle(undefined);
      },
      settle: (cost, remaining) => {
        if (!reserved.delete(granted)) return;
        if (cost) {
          spentMsat += cost.msat;
          mostMsat = add(mostMsat, mostOf(cost, msat));
          last = cost;
        }
        remainingMsat = remaining ?? remainingMsat;
        options.onSpent?.(usage());
        const waiting = settled;
        settled = [];
        for (const resolve of waiting) resolve();
      },
    };
    reserved.set(granted, msat ?? 0);
    requests += 1;
    return granted;
  };

  const admit: RunState['admit'] = async (request, session, ceiling, signal) => {
    for (;;) {
      signal.throwIfAborted();
      if (contradiction !== undefined) return 'node_contradicts';
      if (requests >= limits.requests) return 'request_limit';
      if ((repeated.get(session)?.times ?? 0) >= limits.sameAnswers) return 'loop';
      const clamped = clampTokens(request, limits);
      const wanted = ceiling === undefined ? clamped : Math.min(clamped ?? ceiling, ceiling);
      const price = options.price(request.model);
      if (!price && limits.pricedOnly) return 'no_price';
      if (!price) {
        // Without a price nothing can be estimated beforehand: what is left at all is the bound.
        if (spendMsat === undefined || spentMsat < spendMsat) return permit(request.model, wanted, undefined);
        if (
          (await wait({ neededMsat: undefined, availableMsat: 0, model: request.model }, signal)) === 'let_go'
        ) {
          return 'insufficient_balance';
        }
        continue;
      }
      const most = wanted ?? unknownMaxTokens;
      const need = (tokens: number): number => reservationMsat(price.sat, request.promptTokens, tokens);
      if (spendMsat === undefined) return permit(request.model, wanted, need(most));
      const availableMsat = spendMsat - spentMsat - reservedMsat();
      const fitting = fitTokens(request, most, price, availableMsat, Math.min(limits.leastTokens, most));
      if (fitting !== undefined) {
        return permit(request.model, fitting === most ? wanted : fitting, need(fitting));
      }
      const hold = {
        neededMsat: need(most),
        availableMsat: Math.max(0, availableMsat),
        model: request.model,
      };
      if ((await wait(hold, signal)) === 'let_go') return 'insufficient_balance';
    }
  };

  const idle = async (): Promise<void> => {
    while (reserved.size > 0) await nextSettled(neverAborted);
  };

  return {
    options,
    closed: closing.signal,
    admit,
    wait,
    recheck,
    failed: (line) => {
      const times = (failures.get(line) ?? 0) + 1;
      failures.set(line, times);
      return times <= limits.retries ? 'retry' : 'final';
    },
    answered: (line, session, calls) => {
      failures.delete(line);
      const before = repeated.get(session);
      if (calls === undefined) repeated.delete(session);
      else repeated.set(session, { calls, times: before?.calls === calls ? before.times + 1 : 1 });
    },
    mayCompact: () => {
      compactions += 1;
      return compactions <= limits.compactions;
    },
    refused: (code, status, detail) => {
      refusal = { code, status, detail };
    },
    usage,
    more: (addMsat) => {
      if (spendMsat !== undefined) spendMsat += addMsat;
      return holds.end('more');
    },
    idle,
    close: async () => {
      closing.abort(new DOMException('the run is over', 'AbortError'));
      await idle();
      return usage();
    },
  };
}

const neverAborted = new AbortController().signal;

const add = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a + b;

/** A bill is the node's word; tokens times prices come close to it; an estimate may be anything up to what was reserved. */
function mostOf({ msat, source }: RequestUsage, reservedMsat: number | undefined): number | undefined {
  if (source === 'node') return msat;
  if (source === 'tokens') return msat * 1.05;
  return reservedMsat === undefined ? undefined : Math.max(reservedMsat, msat);
}

/** What a node must have left of a run's money, with some room for how it rounds; undefined: nobody can tell. */
const leftAtLeast = (spendMsat: number | undefined, mostMsat: number | undefined): number | undefined =>
  spendMsat === undefined || mostMsat === undefined
    ? undefined
    : Math.max(0, spendMsat - mostMsat - Math.max(1000, spendMsat * 0.01));

function contradicts(
  { saidMsat, neededMsat }: Omit<Contradiction, 'leastMsat'>,
  wantedMsat: number | undefined,
  leastMsat: number,
): boolean {
  if (saidMsat !== undefined) return saidMsat < leastMsat;
  if (neededMsat !== undefined) return neededMsat < leastMsat;
  // A node's estimate is not ours.
  return wantedMsat !== undefined && wantedMsat * 2 < leastMsat;
}
