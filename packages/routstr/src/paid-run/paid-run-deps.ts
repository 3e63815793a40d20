import type {
  Books,
  KeptTokens,
  MintList,
  Overview,
  Spend,
  WalletJournal,
} from '@nostr-dm-agent/cashu-wallet';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Fetch } from '@nostr-dm-agent/kit/http';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { NodeClient } from '../node/node-client.ts';
import type { NodeUrl } from '../node/node-url.ts';
import type { MintsOf } from './mint-match.ts';
import type { RunCheckpoint } from './paid-run.ts';
import type { PaidRunStore } from './paid-run-store.ts';

/** Waits while somebody looks on, in ms; each list is as long as there are repetitions. */
export type RetryPauses = {
  /** Before a token is presented once more. */
  readonly present: readonly number[];
  /** Before the change is asked for once more, while the reply to the run waits. */
  readonly settle: readonly number[];
};
export const defaultRetryPauses: RetryPauses = { present: [500, 2000], settle: [300, 700, 1500] };

/** What a node's money needs of the wallet. */
export type PayingWallet = Spend &
  KeptTokens &
  Overview &
  Books &
  WalletJournal &
  Pick<MintList, 'acceptedMint'>;

/** What the steps of a paid run share. */
export type PaidRunDeps = {
  readonly wallet: PayingWallet;
  readonly store: PaidRunStore;
  readonly nodeAt: (url: NodeUrl) => NodeClient;
  readonly fetch: Fetch;
  readonly mintsOf?: MintsOf;
  readonly clock: Clock;
  readonly log: Logger;
  readonly retryPauses: RetryPauses;
  readonly reached: (checkpoint: RunCheckpoint) => void;
};
