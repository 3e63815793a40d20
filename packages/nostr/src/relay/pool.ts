import type { Fetch } from '@nostr-dm-agent/kit/http';
import type { Target } from '@nostr-dm-agent/kit/net';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import type { RelayUrl } from '../nostr-types.ts';
import { createRelayCapacities } from './capacities.ts';
import { connectRelay, type RelayConnection, type RelayConnectionOptions } from './connect-relay.ts';
import type { Relays } from './relay.ts';
import { timerOf } from './relay-context.ts';
import { RelayError } from './relay-error.ts';
import { relayTargets } from './relay-target.ts';
import { defaultRelayTimings } from './relay-timings.ts';

export type RelaysOptions = Omit<
  RelayConnectionOptions,
  'url' | 'own' | 'admit' | 'capacity' | 'onConnected'
> & {
  /** The bot's own relays: connected at once and for ever. */
  readonly own: readonly RelayUrl[];
  /** Connections to other relays at the same time; further ones wait for a place. */
  readonly maxBorrowed?: number;
  /** How long a relay that nobody borrows stays connected. Milliseconds. */
  readonly idleMs?: number;
  /** With which the information document of an own relay, or of another, is read (NIP-11). Absent: none is read. */
  readonly fetch?: { readonly own: Fetch; readonly others: Fetch };
  /** Asked before each connection to a borrowed relay where its name leads; rejects to refuse it. */
  readonly locate?: (url: RelayUrl, signal: AbortSignal) => Promise<readonly [Target, ...Target[]]>;
};

type Borrowed = {
  readonly connection: RelayConnection;
  readonly leaveQueue: () => void;
  borrowers: number;
  cancelIdle: Cancel;
};

/** Opens the bot's own relays, and lends connections to others. */
export function createRelays(options: RelaysOptions): Relays {
  const {
    own: ownUrls,
    maxBorrowed = 12,
    idleMs = 15_000,
    locate = relayTargets,
    fetch,
    ...shared
  } = options;
  const isOwn = (url: RelayUrl) => ownUrls.includes(url);
  const capacities = createRelayCapacities({
    clock: shared.clock,
    fetchFor: fetch && ((url) => (isOwn(url) ? fetch.own : fetch.others)),
  });
  const connect = (url: RelayUrl, admit?: RelayConnectionOptions['admit']) =>
    connectRelay({
      ...shared,
      url,
      own: isOwn(url),
      capacity: capacities.of(url),
      ...(admit === undefined ? {} : { admit }),
      onConnected: (signal) => capacities.inform(url, signal),
    });
  const connectMs = shared.timings?.connectMs ?? defaultRelayTimings.connectMs;
  const own = new Map([...new Set(ownUrls)].map((url) => [url, connect(url)] as const));
  /** In the order of their last use. */
  const borrowed = new Map<RelayUrl, Borrowed>();
  const places = createPlaces(maxBorrowed);
  let closed = false;

  const open = (url: RelayUrl): Borrowed => {
    const place = places.queue();
    let attempts = 0;
    const connection = connect(url, async (signal) => {
      await place.taken;
      const targets = await locate(url, AbortSignal.any([signal, AbortSignal.timeout(connectMs)]));
      // One address may be out of reach (IPv6 where there is none): each attempt tries the next.
      return targets[attempts++ % targets.length] ?? targets[0];
    });
    if (closed) connection.close();
    return { connection, leaveQueue: place.leave, borrowers: 0, cancelIdle: () => {} };
  };
  const end = (url: RelayUrl, entry: Borrowed) => {
    entry.cancelIdle();
    borrowed.delete(url);
    entry.connection.close();
    entry.leaveQueue();
  };
  const makeRoom = () => {
    const idle = [...borrowed].find(([, { borrowers }]) => borrowers === 0);
    if (borrowed.size >= maxBorrowed && idle !== undefined) end(...idle);
  };

  const borrow: Relays['borrow'] = async (url, use) => {
    const mine = own.get(url);
    if (mine !== undefined) return use(mine);
    if (!borrowed.has(url)) makeRoom();
    const entry = borrowed.get(url) ?? open(url);
    borrowed.delete(url);
    borrowed.set(url, entry);
    entry.cancelIdle();
    entry.borrowers += 1;
    try {
      return await use(entry.connection);
    } finally {
      entry.borrowers -= 1;
      if (entry.borrowers === 0 && borrowed.get(url) === entry) {
        if (closed || places.areWaitedFor()) end(url, entry);
        else entry.cancelIdle = after(idleMs, timerOf({ ...shared, url }), () => end(url, entry));
      }
    }
  };

  return {
    own: [...own.values()],
    borrow,
    capacities,
    ask: async (url, filters, timeoutMs, signal) => {
      try {
        return await borrow(url, (relay) => relay.query(filters, timeoutMs, signal));
      } catch (error) {
        if (!(error instanceof RelayError)) throw error;
        shared.log.debug({ relay: url, reason: error.reason }, 'a relay could not be asked');
        return undefined;
      }
    },
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
    areWaitedFor: () => queue.size > count,
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
