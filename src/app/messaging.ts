import { createGuardedFetch, isLoopbackHost } from '@nostr-dm-agent/kit/net';
import type { MessageLog, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import {
  createOutbox,
  createRelayLists,
  createRelays,
  DEFAULT_INDEXERS,
  hostOf,
  relayTargets,
  signEvent,
} from '@nostr-dm-agent/nostr';
import { createAutoReplyBrake } from '../commands/auto-reply-brake.ts';
import type { Config } from '../config/config.ts';
import type { Stores } from '../store/open-stores.ts';
import { createOutboxStore } from '../store/outbox-table.ts';
import { createRelayListStore } from '../store/relay-lists-table.ts';
import type { Basics } from './basics.ts';
import { createOutboxMessenger } from './outbox-messenger.ts';

/** The relays, and everything that the bot says. */
export function openMessaging(
  { identity, relays: own }: Pick<Config, 'identity' | 'relays'>,
  parts: {
    readonly stores: Pick<Stores, 'db' | 'owners' | 'rests'>;
    readonly messages: Pick<MessageLog, 'history'>;
    /** Asked for relay lists beside the bot's own relays; undefined: well-known public ones. */
    readonly indexers: readonly RelayUrl[] | undefined;
  },
  { clock, random, log, stopping: signal }: Basics,
  open: AsyncDisposableStack,
) {
  const { stores, messages } = parts;
  // A bot on loopback relays is a sandbox: owners' inboxes may be on loopback too, their lists are at no public indexer.
  const allowLoopback = own.every((url) => isLoopbackHost(hostOf(url)));
  const relays = createRelays({
    own,
    sign: async (template) => signEvent(template, identity.secretKey),
    locate: (url, limit) => relayTargets(url, limit, { allowLoopback }),
    // The operator chose the own ones, wherever they are; the others are named by whoever writes to the bot.
    fetch: { own: fetch, others: createGuardedFetch({ allowLoopback }) },
    clock,
    random,
    log,
  });
  open.defer(relays.close);
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
    isOurs: outboxStore.knows,
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
