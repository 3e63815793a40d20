import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { InstanceClaim, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';

export type AppDeps = {
  readonly log: Logger;
  /** Takes secrets out of a text that an owner will read. */
  readonly redact: (text: string) => string;
  /** Keeps a secret out of the log until the returned function is called. */
  readonly protect?: (secret: string) => () => void;
  readonly clock?: Clock;
  /** Ends the start: what it began is closed, and `startApp` rejects. */
  readonly signal?: AbortSignal;
  /** Files and folders that no agent may see, beside `BOT_HOME`: the `.env` that was read. */
  readonly hiddenPaths?: readonly string[];
  /** Asked for relay lists beside the bot's own relays. Default: well-known public ones. */
  readonly indexers?: readonly RelayUrl[];
  /** The operator's page is served: told a link for the first of `BOT_OWNERS`, good once. */
  readonly onPage?: (link: string) => void;
  /** Claims the bot's key anew, though another one may have: `start --take-over`. */
  readonly takeOver?: boolean;
  /** Another bot has claimed the key: this one is to be stopped. It takes no message any more, and has told admins. */
  readonly onFenced?: (claim: InstanceClaim) => void;
  /** For tests that end the process at a moment between two of which everything is on disk. */
  readonly onCheckpoint?: (checkpoint: string) => void;
};

/** A running bot. */
export type App = {
  readonly publicKey: PublicKey;
  /** Ends every run with all its processes, answers, delivers what it can, closes everything. */
  readonly stop: () => Promise<void>;
};
