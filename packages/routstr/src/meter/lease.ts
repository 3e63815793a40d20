import { pause, untilAborted } from '@nostr-dm-agent/kit/abort';
import type { ModelAnswer } from './last-word.ts';
import { noLoad } from './loads.ts';
import type { OpenRuns } from './open-runs.ts';
import { callsOf, type Payer } from './payer.ts';
import type { RunState } from './run-state.ts';

/** However often an agent calls after its last word, at its run's cost: then it is over. */
const longestQuietMs = 30_000;

export type Lease = {
  /**
   * Ends what is under way and refuses the session from now on. Resolves when nothing more can be spent by it, and all
   * that was is counted.
   *
   * @param options.quietMs first serves on until nothing was asked for so long (at most 30 s in all), for an agent that
   * still calls after its last word
   */
  readonly release: (options?: { readonly quietMs?: number }) => Promise<void>;
};

export type LeasedPayer = { readonly payer: Payer; readonly lease: Lease; readonly asked: () => void };

/**
 * A run's money for the calls of a session, from when the run is paid for.
 * @param ended nothing finds it any more
 * @param answered one of its calls was answered whole
 */
export function createLease(
  runId: string,
  runs: OpenRuns,
  ended: () => void,
  answered?: (answer: ModelAnswer) => void,
): LeasedPayer {
  const leaving = new AbortController();
  const paid = Promise.withResolvers<RunState>();
  let run: RunState | undefined;
  let lastAsked = performance.now();
  const stopWaiting = runs.whenOpen(runId, (opened) => {
    run = opened;
    paid.resolve(opened);
  });
  const payer: Payer = {
    load: noLoad(),
    run: (signal) => untilAborted(paid.promise, signal),
    underWay: () => (run ? callsOf(run) : 0),
    left: leaving.signal,
    answered,
  };

  /** Resolves when nothing has been asked for `ms`, and nothing is under way. */
  const quiet = async (ms: number): Promise<void> => {
    const deadline = performance.now() + Math.max(ms, longestQuietMs);
    for (let left = ms; left > 0 && performance.now() < deadline; ) {
      if (!(await pause(Math.ceil(left), leaving.signal))) return;
      const busy = payer.underWay() + payer.load.waiting > 0;
      left = busy ? Math.min(ms, 50) : lastAsked + ms - performance.now();
    }
  };
  const release: Lease['release'] = async ({ quietMs = 0 } = {}) => {
    if (!leaving.signal.aborted && quietMs > 0) await quiet(quietMs);
    if (!leaving.signal.aborted) {
      ended();
      stopWaiting();
      leaving.abort(new DOMException('the run is over', 'AbortError'));
    }
    await run?.idle();
  };
  return {
    payer,
    lease: { release },
    asked: () => {
      lastAsked = performance.now();
    },
  };
}
