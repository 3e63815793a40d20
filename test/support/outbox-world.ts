import type { Database } from 'bun:sqlite';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { createGuardedFetch } from '@nostr-dm-agent/kit/net';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import type {
  Identity,
  NostrEvent,
  Protocol,
  Recipient,
  Relays,
  RelayUrl,
  RetryLimits,
} from '@nostr-dm-agent/nostr';
import {
  createOutbox,
  createRelayLists,
  createRelays,
  generateSecretKey,
  type Outbox,
  publicKeyOf,
  type RelayLists,
  type RelayListTimings,
  relayTargets,
  signEvent,
} from '@nostr-dm-agent/nostr';
import { quickTimings, silentLogger } from '@nostr-dm-agent/nostr/testing/relay-client';
import type { SandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import * as nip04 from 'nostr-tools/nip04';
import { unwrapEvent } from 'nostr-tools/nip59';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createOutboxStore } from '../../src/store/outbox-table.ts';
import { createRelayListStore } from '../../src/store/relay-lists-table.ts';

export const newIdentity = (): Identity => {
  const secretKey = generateSecretKey();
  return { secretKey, publicKey: publicKeyOf(secretKey) };
};

/** Waits made short, yet long enough for two busy cores. */
const quickRetries: Partial<RetryLimits> = { publishMs: 3_000, backoff: { baseMs: 100, maxMs: 400 } };

/** For lives in which a relay that is asked for lists is down. */
export const impatientLists: Partial<RelayListTimings> = { firstAnswerMs: 200, queryMs: 1_000 };

export type LifeOptions = {
  readonly own: readonly RelayUrl[];
  readonly indexers?: readonly RelayUrl[];
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly log?: Logger;
  readonly limits?: Partial<RetryLimits>;
  readonly listTimings?: Partial<RelayListTimings>;
};

/** One life of the bot's sending side: from start to the end of its process. */
export type Life = {
  readonly outbox: Outbox;
  readonly lists: RelayLists;
  readonly relays: Relays;
  readonly db: Database;
  readonly signal: AbortSignal;
  /** As if the process was gone: nothing is finished, everything is closed. */
  readonly kill: () => void;
};

/** A bot whose database survives its lives, in a folder that is removed at the end (`using`). */
export function outboxWorld() {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-'));
  const path = join(folder, 'bot.db');
  const identity = newIdentity();
  const lives = new Set<() => void>();
  const faults: unknown[] = [];

  const live = (options: LifeOptions): Life => {
    const { own, clock = systemClock, random = seededRandom(1), log: inner = silentLogger } = options;
    // An error in the log is a fault of ours: no test may pass with one.
    const log: Logger = { ...inner, error: (facts, message) => faults.push(message, facts) };
    const ending = new AbortController();
    const db = openDatabase(path, botMigrations);
    const relays = createRelays({
      own,
      sign: async (template) => signEvent(template, identity.secretKey),
      clock,
      random: seededRandom(1),
      log: silentLogger,
      timings: quickTimings,
      idleMs: 500,
      fetch: { own: fetch, others: createGuardedFetch({ allowLoopback: true }) },
      locate: (url, signal) => relayTargets(url, signal, { allowLoopback: true }),
    });
    const { signal } = ending;
    const lists = createRelayLists({
      ...{ relays, clock, signal, log: silentLogger },
      indexers: options.indexers ?? [],
      store: createRelayListStore(db),
      timings: { firstAnswerMs: 5_000, queryMs: 10_000, spacingMs: 100, ...options.listTimings },
    });
    const outbox = createOutbox({
      ...{ identity, relays, lists, clock, random, log },
      store: createOutboxStore(db),
      limits: { ...quickRetries, ...options.limits },
    });
    const kill = () => {
      if (!lives.delete(kill)) return;
      ending.abort();
      relays.close();
      db.close();
    };
    lives.add(kill);
    outbox.start(signal);
    return { outbox, lists, relays, db, signal, kill };
  };

  return {
    identity,
    live,
    [Symbol.dispose]: () => {
      for (const kill of lives) kill();
      rmSync(folder, { recursive: true, force: true });
      if (faults.length > 0) throw new Error(`logged as errors: ${Bun.inspect(faults)}`);
    },
  };
}

export const recipientOf = (
  owner: Identity,
  fallbackRelays: readonly RelayUrl[],
  protocol: Protocol = 'nip17',
): Recipient => ({ publicKey: owner.publicKey, protocol, fallbackRelays });

/** What an owner finds at a relay, oldest first by the time that the bot states. */
export type Read = Pick<NostrEvent, 'id' | 'kind' | 'content' | 'created_at' | 'tags' | 'pubkey'>;

/** Everything for `owner` that is stored at a relay, decrypted by nostr-tools. */
export function readBy(owner: Identity, relay: SandboxRelay): readonly Read[] {
  return storedFor(owner, relay)
    .map((event) =>
      event.kind === 4
        ? { ...event, content: nip04.decrypt(owner.secretKey, event.pubkey, event.content) }
        : unwrapEvent(event, owner.secretKey),
    )
    .sort((a, b) => a.created_at - b.created_at);
}

/** The events for `owner` at a relay, as they came. */
export const storedFor = (owner: Identity, relay: SandboxRelay): readonly NostrEvent[] =>
  relay.store.find([{ kinds: [4, 1059], '#p': [owner.publicKey] }], 10_000, () => true);

export const textsFor = (owner: Identity, relay: SandboxRelay): readonly string[] =>
  readBy(owner, relay)
    .filter(({ kind }) => kind !== 7)
    .map(({ content }) => content);

/** An owner's signed relay list. */
export const relayList = (
  owner: Identity,
  kind: 10050 | 10002,
  urls: readonly string[],
  createdAt = Math.floor(Date.now() / 1000),
): NostrEvent => {
  const tags = urls.map((url) => [kind === 10050 ? 'relay' : 'r', url]);
  return signEvent({ kind, created_at: createdAt, tags, content: '' }, owner.secretKey);
};
