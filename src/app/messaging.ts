import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { isLoopbackHost } from '@nostr-dm-agent/kit/net';
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
import type { Config } from '../config/config.ts';
import { createOutboxStore } from '../store/outbox-table.ts';
import { createRelayListStore } from '../store/relay-lists-table.ts';
import { createRests } from '../store/rests-table.ts';
import { createOutboxMessenger } from './outbox-messenger.ts';
import type { Stores } from './stores.ts';

/** The relays, and everything that the bot says. */
export function openMessaging(
  config: Config,
  parts: {
    readonly stores: Pick<Stores, 'db' | 'owners'>;
    readonly messages: Pick<MessageLog, 'history'>;
    /** Asked for relay lists beside the bot's own relays; undefined: well-known public ones. */
    readonly indexers: readonly RelayUrl[] | undefined;
    readonly clock: Clock;
    readonly random: () => number;
    readonly log: Logger;
    readonly signal: AbortSignal;
  },
  open: AsyncDisposableStack,
) {
  const { stores, messages, clock, random, log, signal } = parts;
  const { identity } = config;
  // A bot on loopback relays is a sandbox: owners' inboxes may be on loopback too, their lists are at no public indexer.
  const allowLoopback = config.relays.every((url) => isLoopbackHost(hostOf(url)));
  const relays = createRelays({
    own: config.relays,
    sign: async (template) => signEvent(template, identity.secretKey),
    locate: (url, limit) => relayTargets(url, limit, { allowLoopback }),
    ...{ clock, random, log },
  });
  open.defer(relays.close);
  const indexers = parts.indexers ?? (allowLoopback ? [] : DEFAULT_INDEXERS);
  const lists = createRelayLists({
    store: createRelayListStore(stores.db),
    ...{ relays, indexers, clock, log, signal },
  });
  const outbox = createOutbox({
    store: createOutboxStore(stores.db),
    ...{ identity, relays, lists, clock, random, log },
  });
  const rests = createRests(stores.db);
  const messenger = createOutboxMessenger(outbox, rests);

  /** Says something by itself, in the protocol that its reader wrote in last. */
  const tell = (publicKey: PublicKey, text: string): void => {
    const protocol = messages.history(publicKey, 1).at(-1)?.protocol ?? 'nip17';
    messenger.send({ publicKey, protocol, fallbackRelays: config.relays }, text);
  };
  const tellAdmins = (text: string): void => {
    for (const { publicKey, role } of stores.owners.list()) if (role === 'admin') tell(publicKey, text);
  };
  return { allowLoopback, relays, indexers, lists, outbox, messenger, rests, tell, tellAdmins };
}
export type Messaging = ReturnType<typeof openMessaging>;
