import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { NodeUrl } from '../node/node-url.ts';
import type { RunRefusal } from './payment-refusals.ts';

/** What a run's model calls do meanwhile. The callbacks must not throw. */
export type RunObserver = {
  /** Traffic, or a request that waits for money: the run is not idle. */
  readonly onActivity?: () => void;
  /** Requests wait for money; undefined: not known. */
  readonly onHold?: (hold: { readonly needed: Sat | undefined; readonly available: Sat | undefined }) => void;
  readonly onHoldEnd?: (end: 'more' | 'let_go') => void;
};

/** A run that is to be paid for. */
export type RunTicket = {
  readonly runId: string;
  readonly sessionId: string;
  readonly owner: string;
  /** `routstr/…` or without. */
  readonly model: string | undefined;
  readonly task: string;
  /** For this run only. */
  readonly budget?: Sat | undefined;
  readonly observer?: RunObserver;
};

/** How the run's agent reaches its models: for its environment (secret), and for opencode's configuration. */
export type RunAccess = {
  readonly variables: Readonly<Record<string, string>>;
  readonly configuration: Readonly<Record<string, unknown>>;
};

export type ReadyRun = {
  readonly state: 'ready';
  readonly access: RunAccess;
  readonly node: NodeUrl;
  /** This one is down, and `node` serves the run. */
  readonly insteadOf?: NodeUrl;
};
/** Too little money, or a node that is away, is an answer, not an error. */
export type PreparedPaidRun = ReadyRun | { readonly state: 'refused'; readonly refusal: RunRefusal };

/** What a run cost; undefined: it is not known. */
export type PaidRunCost =
  | {
      readonly spent: Sat;
      readonly budget: Sat;
      /** What the mint took, as far as it is known; not in `spent`. */
      readonly fee?: Sat;
      /** The change is not back yet: `spent` is what the meter counted, and this is asked for. */
      readonly owed?: Sat;
      /** What of `spent` no bill of the node explains. */
      readonly unexplained?: Sat;
      /** The node said that this much was left, when by its bills it had to be `least` at the least. */
      readonly contradiction?: { readonly said: Sat | undefined; readonly least: Sat };
    }
  | undefined;

/** A model as its node calls it. */
export const nameAtNode = (model: string | undefined): string | undefined => model?.replace(/^routstr\//, '');
