import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { NodeUrl, RoutstrProvider, SyncResult, UsableModel } from '@nostr-dm-agent/routstr';

/** A node's models that an agent can use, cheapest for a typical task first. */
export type NodeModels = {
  readonly node: NodeUrl;
  readonly usable: readonly UsableModel[];
  /** How many more it lists that an agent cannot use. */
  readonly unusable: number;
  /** Milliseconds since the Unix epoch. */
  readonly fetchedAt: number;
  /** The node is away, and these are older than a day. */
  readonly stale: boolean;
};

/** What came of `sync-models`. */
export type SyncedModels = NodeModels & { readonly result: SyncResult };

/** The node has no models to show: it is away, and nothing of it is on disk. */
export class NodeAwayError extends Error {
  override readonly name = 'NodeAwayError';
  readonly node: NodeUrl;
  /** What the node or the network said. */
  readonly detail: string;
  constructor(node: NodeUrl, detail: string) {
    super(`${node} has no models to show: ${detail}`);
    this.node = node;
    this.detail = detail;
  }
}

/** Provider `routstr`, with what keeps it going (`routstr-keeper.ts`). */
export type RoutstrAccess = {
  /** @throws NoWalletError */
  readonly provider: () => RoutstrProvider;
  /** Where the runs to come are paid. */
  readonly node: () => NodeUrl;
  /** Per run. */
  readonly budget: () => Sat;
  readonly setBudget: (amount: Sat) => void;
  /** Per day, of everybody together; undefined: none. */
  readonly dayLimit: () => Sat | undefined;
  readonly setDayLimit: (amount: Sat | undefined) => void;
  /** What counts against the day's limit: spent today, and at stake; of one owner when he is named. */
  readonly usedToday: (owner?: string) => Sat;
  /** The same since another moment (ms). */
  readonly usedSince: (since: number, owner?: string) => Sat;
  /** The models on disk; undefined: none are. */
  readonly knownModels: () => NodeModels | undefined;
  /** The node's model that a run is served with when this one was chosen; undefined: the node is not known to have it. */
  readonly modelOf: (chosen: string | undefined) => UsableModel | undefined;
  /** From the disk when younger than a day, else from the node, else from the disk. @throws NodeAwayError */
  readonly models: (signal: AbortSignal) => Promise<NodeModels>;
  /** From the node, into `BOT_HOME/opencode.json`. @throws NodeAwayError, OpencodeConfigError */
  readonly syncModels: (signal: AbortSignal) => Promise<SyncedModels>;
};
