import { createGuardedFetch, isLoopbackHost } from '@nostr-dm-agent/kit/net';
import { after, every } from '@nostr-dm-agent/kit/timers';
import type { EventId, MessageLog, Outbox, PublicKey, Recipient, RelayUrl } from '@nostr-dm-agent/nostr';
import { createOutbox, createRelayLists, DEFAULT_INDEXERS } from '@nostr-dm-agent/nostr';
import { createAutoReplyBrake } from '../commands/auto-reply-brake.ts';
import type { Config } from '../config/config.ts';
import { deleteUploads } from '../files/delete-uploads.ts';
import { createOutgoingFiles } from '../files/outgoing-files.ts';
import { createFileSender } from '../files/send-files.ts';
import { createSealer } from '../keys/seal.ts';
import { notSentText } from '../replies/file-replies.ts';
import type { Stores } from '../store/open-stores.ts';
import { createOutboxStore } from '../store/outbox-table.ts';
import { createRelayListStore } from '../store/relay-lists-table.ts';
import type { Basics } from './basics.ts';
import { createOutboxMessenger } from './outbox-messenger.ts';
import type { OpenRelays } from './relays.ts';

/** Everything that the bot says, and the relays by which it says so. */
export function openMessaging(
  config: Pick<Config, 'identity' | 'relays' | 'fileServers' | 'fileKeptMs'>,
  parts: {
    readonly stores: Pick<Stores, 'db' | 'owners' | 'rests' | 'outgoing' | 'uploads' | 'atomically'>;
    readonly messages: Pick<MessageLog, 'history'>;
    /** Asked for relay lists beside the bot's own relays; undefined: well-known public ones. */
    readonly indexers: readonly RelayUrl[] | undefined;
    readonly opened: OpenRelays;
  },
  basics: Basics,
) {
  const { identity, relays: own } = config;
  const { clock, random, log, stopping: signal } = basics;
  const { stores, messages } = parts;
  const { relays, feed, allowLoopback } = parts.opened;
  const indexers = parts.indexers ?? (allowLoopback ? [] : DEFAULT_INDEXERS);
  const listStore = createRelayListStore(stores.db);
  const lists = createRelayLists({ store: listStore, relays, indexers, clock, log, signal });
  const outboxStore = createOutboxStore(stores.db);
  const outbox = createOutbox({ store: outboxStore, identity, relays, lists, clock, random, log });
  const brake = createAutoReplyBrake();
  const say = (to: Recipient, text: string): void => void messenger.send(to, text);
  const files = openOutgoingFiles(config, { stores, outbox, say }, basics);
  const outgoingFiles = config.fileServers.length === 0 ? undefined : files.outgoing;
  const messenger = createOutboxMessenger(outbox, stores.rests, brake.said, outgoingFiles);

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
    /** undefined: no server is set, so nothing can be sent. */
    outgoingFiles,
    /** Begins to deliver, with what an earlier life left. Files at servers are deleted also when none is set any more. */
    start: (): void => {
      outbox.start(signal);
      files.start();
    },
    filesDone: files.done,
    brake,
    tell,
    tellAdmins,
  };
}

/** The bot may be asked for something else first. */
const firstSweepMs = 20_000;
const sweepMs = 10 * 60_000;

function openOutgoingFiles(
  { identity, fileServers: servers, fileKeptMs: keptMs }: Parameters<typeof openMessaging>[0],
  {
    stores,
    outbox,
    say,
  }: {
    readonly stores: Parameters<typeof openMessaging>[1]['stores'];
    readonly outbox: Outbox;
    readonly say: (to: Recipient, text: string) => void;
  },
  { clock, log, reached, stopping: signal }: Basics,
) {
  const sealer = createSealer(identity.secretKey);
  const fetch = (server: string) =>
    createGuardedFetch({ allowLoopback: isLoopbackHost(new URL(server).hostname) });
  const blossom = { identity, fetch, clock };
  const sender = createFileSender(
    {
      ...{ ...blossom, servers, keptMs, stores, sealer, outbox, reached, log },
      isReader: (publicKey) => stores.owners.roleOf(publicKey) !== undefined,
      giveUp: (to, not) => say(to, notSentText(not)),
    },
    signal,
  );
  const { outgoing: store, uploads } = stores;
  return {
    outgoing: createOutgoingFiles({ store, sealer, onQueued: sender.look, clock }),
    start: () => {
      sender.start();
      const timer = { name: 'uploads', log, signal };
      const sweep = () => deleteUploads({ ...blossom, uploads, log }, signal);
      after(firstSweepMs, timer, sweep);
      every(sweepMs, timer, sweep);
    },
    done: sender.done,
  };
}
export type Messaging = ReturnType<typeof openMessaging>;
