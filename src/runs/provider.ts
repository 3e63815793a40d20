import type { RunTicket } from '@nostr-dm-agent/routstr';
import type { RunPayment, StandingPayment } from '../backends/backend.ts';

/** Too little money or a provider that is away is an answer for the owner, not an error. */
export type PreparedRun =
  /** `note`: what the owner is to know of who serves the run; it stands in the reply. */
  | { readonly state: 'ready'; readonly payment: RunPayment; readonly note?: string }
  | { readonly state: 'refused'; readonly reason: string };

/** What the run cost, in sat. `undefined` for a provider that keeps no account (`local`), or when it is not known. */
export type Settlement =
  | {
      readonly spent: number;
      readonly budget: number;
      /** Taken by others than the provider, and not in `spent`: the mint's fees. */
      readonly fee?: number;
      /** The change is not back yet: `spent` is the provider's own estimate, and this is owed. It is asked for. */
      readonly owed?: number;
      /** What of `spent` no bill of the provider explains. */
      readonly unexplained?: number;
      /** The provider said that this much was left, when by its bills it had to be `least` at the least. */
      readonly contradiction?: { readonly said: number | undefined; readonly least: number };
    }
  | undefined;

/** Why the agent gave no (full) answer: `AgentFailure` in `backends/backend.ts`. */
export type RunFailure = {
  readonly kind: string;
  /** What was said, without secrets. */
  readonly detail: string | undefined;
  /** HTTP status of the provider's answer, if there was one. */
  readonly status: number | undefined;
};

/** Who pays for and serves the model calls: the life cycle around a run (docs/design.md#who-pays-the-provider). */
export type Provider = {
  readonly name: string;
  /** What a run is to ask for when this model was chosen; undefined: the default. Absent: any model as it is. */
  readonly model?: (chosen: string | undefined) => string | undefined;
  /**
   * How an agent server is paid that outlives its runs; absent or undefined: each run starts one of its own. Asked anew for
   * each run: a server of another `payer` does not serve it. @param model what the owner's next run asks for
   */
  readonly standing?: (owner: string, model: string | undefined) => StandingPayment | undefined;
  /** Why `prepareRun` would refuse this run, as far as the disk can tell: at once, and nobody is asked. Absent: unknown. */
  readonly refusal?: (ticket: RunTicket) => string | undefined;
  readonly prepareRun: (ticket: RunTicket, signal: AbortSignal) => Promise<PreparedRun>;
  /**
   * A run whose model calls failed for a passing reason, before anything was done, is tried again after each of these
   * pauses (ms). Absent: never.
   */
  readonly retryPauses?: readonly number[];
  /** The agent has ended, with or without a failure. Before `finalizeRun`; not called for one that was stopped. */
  readonly ended?: (runId: string, failure: RunFailure | undefined) => void;
  /** Its owner has its answer; `finalizeRun` follows. */
  readonly answered?: (runId: string) => void;
  /**
   * What the run came to, by a bill for each of its calls: before `finalizeRun`, when none is under way. undefined: that is not
   * known before. Absent: nobody keeps an account, and `finalizeRun` has nothing to say either.
   */
  readonly bill?: (runId: string) => { readonly spent: number; readonly budget: number } | undefined;
  /** Always called after `prepareRun`, whatever became of the run. */
  readonly finalizeRun: (runId: string, signal: AbortSignal) => Promise<Settlement>;
  /** At start, before any message is acted on: settles what an earlier life left open; returns lines for the owner. */
  readonly recover: (signal: AbortSignal) => Promise<readonly string[]>;
  /** What a run has spent so far, in sat; absent, or undefined, where nobody counts. */
  readonly usage?: (runId: string) => { readonly spent: number; readonly budget: number } | undefined;
};
