import type { Target } from '@nostr-dm-agent/kit/net';
import type { RelayUrl } from '../nostr-types.ts';
import { connectRelay, type RelayConnection, type RelayConnectionOptions } from './connect-relay.ts';
import type { RelayLease, Relays } from './relay.ts';
import { relayTargets } from './relay-target.ts';
import { defaultRelayTimings } from './relay-timings.ts';

export type RelaysOptions = Omit<RelayConnectionOptions, 'url' | 'own' | 'admit'> & {
  /** The bot's own relays: connected at once and for ever. */
  readonly own: readonly RelayUrl[];
  /** Connections to other relays at the same time; further ones wait for a place. */
  readonly maxBorrowed?: number;
  /** How long a relay that nobody borrows stays connected. Milliseconds. */
  readonly idleMs?: number;
  /** Asked before each connection to a borrowed relay where its name leads; rejects to refuse it. */
  readonly locate?: (url: RelayUrl, signal: AbortSignal) => Promise<readonly [Target, ...Target[]]>;
};

type Borrowed = {
  readonly connection: RelayConnection;
  readonly leaveQueue: () => void;
  borrowers: number;
  idleTimer: Timer | undefined;
};

/** Opens the bot's own relays, and lends connections to others. */
export function createRelays(options: RelaysOptions): Relays {
  const { own: ownUrls, maxBorrowed = 12, idleMs = 15_000, locate = relayTargets, ...shared } = options;
  const connectMs = shared.timings?.connectMs ?? defaultRelayTimings.connectMs;
  const own = new Map(
    [...new Set(ownUrls)].map((url) => [url, connectRelay({ ...shared, url, own: true })] as const),
  );
  const borrowed = new Map<RelayUrl, Borrowed>();
  const places = createPlaces(maxBorrowed);
  let closed = false;

  const open = (url: RelayUrl): Borrowed => {
    const place = places.queue();
    let attempts = 0;
    const connection = connectRelay({
      ...shared,
      url,
      own: false,
      admit: async (signal) => {
        await place.taken;
        const targets = await locate(url, AbortSignal.any([signal, AbortSignal.timeout(connectMs)]));
        // One address may be out of reach (IPv6 where there is none): each attempt tries the next.
        return targets[attempts++ % targets.length] ?? targets[0];
      },
    });
    return { connection, leaveQueue: place.leave, borrowers: 0, idleTimer: undefined };
  };

  const end = (url: RelayUrl, entry: Borrowed) => {
    clearTimeout(entry.idleTimer);
    borrowed.delete(url);
    entry.connection.close();
    entry.leaveQueue();
  };

  const makeRoom = () => {
    if (borrowed.size < maxBorrowed) return;
    // In the order of their last use.
    for (const [url, entry] of borrowed) {
      if (entry.borrowers > 0) continue;
      end(url, entry);
      return;
    }
  };

  const borrow = (url: RelayUrl): RelayLease => {
    const mine = own.get(url);
    if (mine !== undefined) return { relay: mine, release: () => {} };
    let entry = borrowed.get(url);
    if (entry === undefined) {
      makeRoom();
      entry = open(url);
      if (closed) entry.connection.close();
    }
    const lent = entry;
    borrowed.delete(url);
    borrowed.set(url, lent);
    clearTimeout(lent.idleTimer);
    lent.borrowers += 1;
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      lent.borrowers -= 1;
      if (lent.borrowers > 0 || borrowed.get(url) !== lent) return;
      if (closed) end(url, lent);
      else lent.idleTimer = setTimeout(() => end(url, lent), idleMs);
    };
    return { relay: lent.connection, release };
  };

  return {
    own: [...own.values()],
    borrow,
    close: () => {
      closed = true;
      for (const connection of own.values()) connection.close();
      for (const [url, entry] of borrowed) end(url, entry);
    },
  };
}

/** A fixed number of places, given out in the order in which they were queued for. */
function createPlaces(count: number) {
  const queue = new Set<() => void>();
  const advance = () => {
    for (const take of [...queue].slice(0, count)) take();
  };
  return {
    queue: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const take = () => resolve();
      queue.add(take);
      advance();
      return {
        taken: promise,
        leave: () => {
          queue.delete(take);
          resolve();
          advance();
        },
      };
    },
  };
}
