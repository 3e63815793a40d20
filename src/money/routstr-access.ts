import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { NodeUrl, RoutstrProvider, UsableModel } from '@nostr-dm-agent/routstr';
import type { NodeModels, SyncedModels } from './node-models.ts';
import type { RoutstrSettings } from './routstr-settings.ts';

/** Provider `routstr` as commands use it; `routstr-keeper.ts` keeps it going. */
export type RoutstrAccess = RoutstrSettings & {
  /** @throws NoWalletError */
  readonly provider: () => RoutstrProvider;
  /** Before the wallet gives money away: budgets that were made ahead are taken back, as far as the mint answers. */
  readonly freeBudgets: (signal: AbortSignal) => Promise<void>;
  /** A moment for runs that are over and answered to have their change back, so that what is shown is of one piece. */
  readonly settled: () => Promise<void>;
  /** In tokens, for the runs to come, at each mint. */
  readonly madeAhead: RoutstrProvider['madeAhead'];
  /** Where the runs to come are paid. */
  readonly node: () => NodeUrl;
  /** What counts against the day's limit: spent today, and at stake; of one owner when named. @throws NoWalletError */
  readonly usedToday: (owner?: string) => Sat;
  /** The same since another moment (ms). @throws NoWalletError */
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
