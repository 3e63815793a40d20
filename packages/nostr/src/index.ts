export {
  generateSecretKey,
  InvalidKeyError,
  isEvent,
  parsePublicKey,
  publicKeyOf,
  signEvent,
} from './event.ts';
export { createInbox, type InboxOptions, type InboxStats } from './inbox/inbox.ts';
export type { InboxFeed, InboxFeedOptions } from './inbox/inbox-feed.ts';
export { type InboxService, inboxServiceOf } from './inbox/inbox-service.ts';
export { isOlderThanHome } from './inbox/intake.ts';
export type { InboxStore, MessageLog, SeenWrapStore, StoredMessage } from './inbox/message-store.ts';
export { type ForeignUse, watchOwnKey } from './inbox/own-key-watch.ts';
export { type AnnounceOptions, announce } from './lists/announce.ts';
export {
  claimEvent,
  claimFilter,
  type InstanceClaim,
  readClaim,
} from './lists/instance-claim.ts';
export { keepAnnounced } from './lists/keep-announced.ts';
export type { RelayListStore } from './lists/relay-list-cache.ts';
export {
  createRelayLists,
  DEFAULT_INDEXERS,
  type RelayLists,
  type RelayListTimings,
} from './lists/relay-lists.ts';
export { createMailboxes, type Mailboxes } from './mailbox/mailboxes.ts';
export type { Letter } from './mailbox/open-letter.ts';
export type {
  EventId,
  Filter,
  Identity,
  InboundMessage,
  NostrEvent,
  Protocol,
  PublicKey,
  Recipient,
  RelayUrl,
  SharedFile,
} from './nostr-types.ts';
export { createOutbox, type Outbox, type OutboxStatus, type Series } from './outbox/outbox.ts';
export type { OutboxStore, Progress, StoredOutgoing } from './outbox/outbox-store.ts';
export type { RefusingRelay } from './outbox/refusing-relays.ts';
export type { RetryLimits } from './outbox/retry-policy.ts';
export { connectRelay, type RelayConnection } from './relay/connect-relay.ts';
export { createRelays } from './relay/pool.ts';
export type { PublishOutcome, Relay, RelayStatus, Relays } from './relay/relay.ts';
export { RelayError } from './relay/relay-error.ts';
export { fetchRelayInformation, type RelayInformation } from './relay/relay-information.ts';
export { relayTargets } from './relay/relay-target.ts';
export { hostOf, parseRelayUrl, RelayUrlError } from './relay/relay-url.ts';
export { endOfParagraphs } from './text/paragraphs.ts';
export { TokenTooLongError } from './text/unbreakable.ts';
export {
  askAbilities,
  askWallet,
  type WalletAbilities,
  type WalletAnswer,
  type WalletEncryption,
  walletEncryptions,
  walletRequest,
} from './wallet-connect/client.ts';
export {
  formatWalletConnection,
  parseWalletConnection,
  type WalletConnection,
  WalletConnectionError,
} from './wallet-connect/connection.ts';
export { MOST_POW_BITS } from './wrap/proof-of-work.ts';
export type { FaultyReason, RejectionReason } from './wrap/rejection.ts';
export { createUnwrap, type Refusal, type StrangerPolicy } from './wrap/unwrap.ts';
