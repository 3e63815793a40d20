import type { EventId, MessageLog, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import { createOutbox, createRelayLists, DEFAULT_INDEXERS } from '@nostr-dm-agent/nostr';
import { createAutoReplyBrake } from '../commands/auto-reply-brake.ts';
import type { Config } from '../config/config.ts';
import type { Stores } from '../store/open-stores.ts';
import { createOutboxStore } from '../store/outbox-table.ts';
import { createRelayListStore } from '../store/relay-lists-table.ts';
import type { Basics } from './basics.ts';
import { createOutboxMessenger } from './outbox-messenger.ts';
import type { OpenRelays } from './relays.ts';

/** Everything that the bot says, and the relays by which it says so. */
export function openMessaging(
  { identity, relays: own }: Pick<Config, 'identity' | 'relays'>,
  parts: {
    readonly stores: Pick<Stores, 'db' | 'owners' | 'rests'>;
    readonly messages: Pick<MessageLog, 'history'>;
    /** Asked for relay lists beside the bot's own relays; undefined: well-known public ones. */
    readonly indexers: readonly RelayUrl[] | undefined;
    readonly opened: OpenRelays;
  },
  { clock, random, log, stopping: signal }: Basics,
) {
  const { stores, messages } = parts;
  const { relays, feed, allowLoopback } = parts.opened;
  const indexers = parts.indexers ?? (allowLoopback ? [] : DEFAULT_INDEXERS);
  const listStore = createRelayListStore(stores.db);
  const lists = createRelayLists({ store: listStore, relays, indexers, clock, log, signal });
  const outboxStore = createOutboxStore(stores.db);
  const outbox = createOutbox({ store: outboxStore, identity, relays, lists, clock, random, log });
  const brake = createAutoReplyBrake();
  const messenger = createOutboxMessenger(outbox, stores.rests, brake.said);

  /** Says something by itself, in the protocol that its reader wrote in last. */
  const tell = (publicKey: PublicKey, text: string): void => {
    const protocol = messages.history(publicKey, 1).at(-1)?.protocol ?? 'nip17';
    messenger.send({ publicKey, protocol, fallbackRelays: own }, text);
  };
  const tellAdmins = (text: string): void => {
    for (const { publicKey, role } of stores.owners.list()) if (role === 'admin') tell(publicKey, text);
  };
  return {
    allowLoopback,
    relays,
    feed,
    isOurs: (eventId: EventId) => outbox.isUnstored(eventId) || outboxStore.knows(eventId),
    indexers,
    lists,
    outbox,
    messenger,
    brake,
    tell,
    tellAdmins,
  };
}
export type Messaging = ReturnType<typeof openMessaging>;
