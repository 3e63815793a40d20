import { createGuardedFetch, isLoopbackHost, outwardFetch } from '@nostr-dm-agent/kit/net';
import { createInboxFeed, createRelays, hostOf, relayTargets, signEvent } from '@nostr-dm-agent/nostr/feed';
import type { Config } from '../config/config.ts';
import type { Stores } from '../store/open-stores.ts';
import { createSeenWrapStore } from '../store/seen-wraps-table.ts';
import type { Basics } from './basics.ts';

/**
 * Connects to the bot's relays and subscribes: what a bot does first. What they deliver waits unopened until there is
 * somebody to read it; nothing is stored or acted on before that.
 */
export function openRelays(
  { identity, relays: own, catchupMs }: Pick<Config, 'identity' | 'relays' | 'catchupMs'>,
  { db, meta, owners }: Pick<Stores, 'db' | 'meta' | 'owners'>,
  { clock, random, log, stopping }: Basics,
  open: AsyncDisposableStack,
) {
  // A bot on loopback relays is a sandbox: owners' inboxes may be on loopback too, their lists are at no public indexer.
  const allowLoopback = own.every((url) => isLoopbackHost(hostOf(url)));
  const relays = createRelays({
    own,
    sign: async (template) => signEvent(template, identity.secretKey),
    locate: (url, limit) => relayTargets(url, limit, { allowLoopback }),
    // The operator chose the own ones, wherever they are; the others are named by whoever writes to the bot.
    fetch: { own: outwardFetch, others: createGuardedFetch({ allowLoopback }) },
    clock,
    random,
    log,
  });
  open.defer(relays.close);
  const feed = createInboxFeed({
    identity,
    relays: relays.own,
    owners: () => owners.list().map(({ publicKey }) => publicKey),
    store: createSeenWrapStore(db, meta, clock),
    limits: { wantedMs: catchupMs },
    clock,
    log,
  });
  feed.start(stopping);
  return { relays, feed, allowLoopback };
}
export type OpenRelays = ReturnType<typeof openRelays>;
