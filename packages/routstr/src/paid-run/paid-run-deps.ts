import type {
  Books,
  KeptTokens,
  MintList,
  Overview,
  Receive,
  Spend,
  WalletJournal,
} from '@nostr-dm-agent/cashu-wallet';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { NodeClient } from '../node/node-client.ts';
import type { NodeUrl } from '../node/node-url.ts';
import type { Answer, NodeInfo } from '../node/outcomes.ts';
import type { LiveRuns } from './live-runs.ts';
import type { MoneyLock, RunCheckpoint } from './paid-run.ts';
import type { PaidRunStore } from './paid-run-store.ts';

/** The nodes, and what is known of them. */
export type PaidNodes = {
  /** Where new runs are paid. Those under way keep the node that they began with. */
  readonly current: () => NodeUrl;
  readonly at: (url: NodeUrl) => NodeClient;
  /** The mints that a node lists, as far as it is known without asking. */
  readonly mintsOf: (node: NodeUrl) => readonly string[] | undefined;
  /** For runs whose node is down before they begin. Empty: they are refused. */
  readonly fallbacks: () => readonly NodeUrl[];
  /** Asks a node what it is, and remembers its mints. */
  readonly ask: (node: NodeUrl, signal: AbortSignal) => Promise<Answer<NodeInfo>>;
};

/** Waits while somebody looks on, in ms. The lists are as long as there are repetitions. */
export type PaidRunWaits = {
  /** Before a token is presented once more. */
  readonly present: readonly number[];
  /** Before the change is asked for once more, while the reply to the run waits. */
  readonly settle: readonly number[];
  /** The longest for the answer to a question; less than a command may take. */
  readonly answer: number;
  /** Before an invoice of a node is asked about once more, while somebody waits. */
  readonly invoice: number;
  /** For how long a budget that was made ahead is kept for a run. */
  readonly ahead: number;
};
export const defaultWaits: PaidRunWaits = {
  present: [500, 2000],
  settle: [300, 700, 1500],
  answer: 45_000,
  invoice: 2000,
  ahead: 3_600_000,
};

/** What a node's money needs of the wallet. */
export type PayingWallet = Spend &
  KeptTokens &
  Overview &
  Pick<Receive, 'decode'> &
  Books &
  WalletJournal &
  Pick<MintList, 'acceptedMint'>;

/** What the steps of a paid run share. */
export type PaidRunDeps = {
  readonly wallet: PayingWallet;
  readonly store: PaidRunStore;
  readonly nodes: PaidNodes;
  readonly waits: PaidRunWaits;
  /** By `moneyOf`. */
  readonly lock: MoneyLock;
  readonly live: LiveRuns;
  readonly reached: (checkpoint: RunCheckpoint) => void;
  readonly clock: Clock;
  readonly log: Logger;
};
