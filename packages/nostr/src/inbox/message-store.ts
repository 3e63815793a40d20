import type { EventId, InboundMessage, PublicKey, RelayUrl } from '../nostr-types.ts';

/** A message in the database. `seq` rises in the order in which messages were accepted. */
export type StoredMessage = InboundMessage & {
  readonly seq: number;
  /** Unix ms. */
  readonly receivedAt: number;
};

/** What the inbox keeps on disk; the program implements it. Every call is synchronous and durable on return. */
export type InboxStore = SeenWrapStore & {
  /** Unix ms: when this database was made. Messages from before are history, not orders. */
  readonly createdAt: number;
  /**
   * Stores a message and marks its wrap as seen, in one transaction.
   * @returns undefined when this sender's message with this id is there already: it must not be acted on again
   */
  readonly insert: (
    message: InboundMessage,
    wrapId: EventId,
    state: 'received' | 'missed',
  ) => StoredMessage | undefined;
};

/** Which wraps were looked at, and up to when each relay was read. */
export type SeenWrapStore = {
  readonly hasSeen: (wrapId: EventId) => boolean;
  /** Marks wraps as looked at, in one transaction. */
  readonly markSeen: (wrapIds: readonly EventId[]) => void;
  /** The newest `limit` ids, oldest first. */
  readonly recentlySeen: (limit: number) => readonly EventId[];
  /** Forgets wraps looked at before `before` (Unix ms). */
  readonly pruneSeen: (before: number) => void;
  /** Unix ms up to which everything that `relay` holds was received; undefined when it never was. */
  readonly caughtUpAt: (relay: RelayUrl) => number | undefined;
  readonly setCaughtUp: (relays: readonly RelayUrl[], at: number) => void;
};

/** A message that was accepted and not finished. `acting`: the program died while it was acted on. */
type OpenMessage = StoredMessage & { readonly state: 'received' | 'acting' };

/** The messages as those see them who act on them. */
export type MessageLog = {
  /** received → acting. False when that is not its state: then nobody may act on it. */
  readonly begin: (seq: number) => boolean;
  /** Of what it asks for so much is answered; while it is acted on. */
  readonly answered: (seq: number, count: number) => void;
  readonly answeredOf: (seq: number) => number;
  /** → done. */
  readonly finish: (seq: number) => void;
  /** received → missed: too old to be acted on. */
  readonly miss: (seq: number) => void;
  /** Received or acting, in the order in which they were sent. */
  readonly open: () => readonly OpenMessage[];
  /** The last `limit` texts and files of a sender, oldest first. */
  readonly history: (sender: PublicKey, limit: number) => readonly StoredMessage[];
  /** Texts of the same sender that state a time within so many seconds of its own, itself among them, in the order of arrival. */
  readonly near: (
    message: Pick<StoredMessage, 'seq' | 'sender' | 'createdAt'>,
    seconds: number,
  ) => readonly StoredMessage[];
  /** Whether its sender has deleted it, also before it came: relays deliver in any order. */
  readonly isDeleted: (message: Pick<StoredMessage, 'seq' | 'sender' | 'id'>) => boolean;
  readonly byId: (sender: PublicKey, id: EventId) => StoredMessage | undefined;
  /** A message that was too old to be acted on, by the number under which it was listed to its sender. */
  readonly missed: (sender: PublicKey, seq: number) => StoredMessage | undefined;
};
