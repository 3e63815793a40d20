import type { ModelAnswer } from './last-word.ts';
import { type Load, noLoad } from './loads.ts';
import type { RunState } from './run-state.ts';

/** Whose money a call is for. */
export type Payer = {
  readonly load: Load;
  /** Its run, once that is paid for. @throws the reason of `left`, or of the signal */
  readonly run: (signal: AbortSignal) => Promise<RunState>;
  /** Calls that are sent, or wait for money. */
  readonly underWay: () => number;
  /** Aborted when it pays for nothing any more. */
  readonly left: AbortSignal;
  /** One of its calls was answered whole. */
  readonly answered?: ((answer: ModelAnswer) => void) | undefined;
};

/** Where requests come in: a path that cannot be guessed, with a key. */
export type Entrance = {
  readonly key: string;
  /** `meter`: the meter answers by itself. undefined: nobody pays for this call. */
  readonly payerOf: (headers: Headers) => Payer | 'meter' | undefined;
};

/** Calls of one run that are under way or wait for money. */
export const callsOf = (run: RunState): number => run.usage().inFlight + run.usage().held;

export const payerOfRun = (run: RunState): Payer => ({
  load: noLoad(),
  run: async () => run,
  underWay: () => callsOf(run),
  left: run.closed,
});
