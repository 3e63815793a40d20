import type { Filter, NostrEvent } from '../nostr-types.ts';
import { createRequestLimit, refusesMore } from './request-limit.ts';

/** What a REQ hears. All are called synchronously, in the order of the frames. */
type RequestHandlers = {
  /**
   * The relay can be asked now: (re)connected, AUTH was accepted, or there is a place again. What was asked before is to be
   * asked again.
   */
  readonly onReady: () => void;
  /** The connection is gone, and with it what was asked. */
  readonly onDown: (reason: string) => void;
  /** Before the frame is parsed: false drops it. */
  readonly wants: (eventId: string) => boolean;
  /** Of NIP-01's shape, nothing else is checked yet. */
  readonly onEvent: (event: NostrEvent) => void;
  readonly onEose: () => void;
  readonly onClosed: (message: string) => void;
  /** Its place was needed for what is more important. `onReady` follows when there is one again. */
  readonly onDisplaced?: () => void;
};

/** `once`: for what is asked once. The others stay for long: `lesser` ones make room for `standing` ones. */
type RequestRank = 'once' | 'lesser' | 'standing';

/** One place among the relay's subscriptions. */
type RequestSlot = {
  /**
   * Asks, in place of what was asked before in this slot. False when the relay can't be asked now: it is not connected, or
   * serves as many standing requests as it takes; `onReady` follows.
   */
  readonly ask: (filters: readonly Filter[]) => boolean;
  /** Sends CLOSE if the relay still serves this. Nothing is heard any more. */
  readonly release: () => void;
};

/** The REQs of one relay: who asked under which subscription id. */
export type RelayRequests = {
  readonly open: (handlers: RequestHandlers, rank: RequestRank) => RequestSlot;
  readonly find: (subscriptionId: string) => RequestHandlers | undefined;
  readonly onClosed: (subscriptionId: string, message: string) => void;
  /** Some relays refuse a REQ for their limit by a NOTICE alone: it was the last one that has heard nothing yet. */
  readonly onNotice: (message: string) => void;
  readonly isReady: () => boolean;
  /** How many requests the relay serves at a time, as it says (NIP-11) or as it was found out; undefined: nothing is known. */
  readonly mostAtOnce: () => number | undefined;
  readonly ready: () => void;
  readonly down: (reason: string) => void;
};

type Slot = {
  readonly handlers: RequestHandlers;
  readonly rank: RequestRank;
  heard: boolean;
  subscriptionId: string | undefined;
  /** It wants to ask and found no place. */
  queued: boolean;
};

export function createRelayRequests(
  send: (frame: readonly unknown[]) => boolean,
  stated: () => number | undefined,
): RelayRequests {
  const slots = new Set<Slot>();
  const served = new Map<string, Slot>();
  let isReady = false;
  let lastId = 0;
  const limit = createRequestLimit(stated);

  const forget = (slot: Slot): string | undefined => {
    const id = slot.subscriptionId;
    if (id !== undefined) served.delete(id);
    slot.subscriptionId = undefined;
    slot.queued = false;
    return id;
  };
  /** One place is left for what is asked once, unless there is only one. */
  const isFull = (asking: Slot) => {
    const most = limit.most();
    if (most === undefined || asking.rank === 'once') return false;
    return [...served.values()].filter(({ rank }) => rank !== 'once').length >= Math.max(1, most - 1);
  };
  /** What is more important gets the place of what is less so, if that has it. */
  const makeRoomFor = (asking: Slot): void => {
    const lesser = [...served.values()].findLast((slot) => slot.rank === 'lesser');
    if (asking.rank !== 'standing' || !isFull(asking) || lesser === undefined) return;
    close(lesser);
    lesser.queued = true;
    lesser.handlers.onDisplaced?.();
  };
  const closed = (subscriptionId: string, message: string): void => {
    const slot = served.get(subscriptionId);
    if (slot === undefined) return;
    forget(slot);
    if (refusesMore(message)) limit.ranInto(served.size);
    slot.handlers.onClosed(message);
    fillPlaces();
  };
  const fillPlaces = () => {
    for (const slot of slots) if (slot.queued && !isFull(slot)) slot.handlers.onReady();
  };
  const close = (slot: Slot) => {
    const id = forget(slot);
    if (id !== undefined) send(['CLOSE', id]);
  };

  return {
    open: (handlers, rank) => {
      const slot: Slot = { handlers, rank, heard: false, subscriptionId: undefined, queued: false };
      slots.add(slot);
      return {
        ask: (filters) => {
          // A new id each time: an EOSE or CLOSED that is still under way for the old REQ can't be taken for this one.
          close(slot);
          if (!isReady) return false;
          makeRoomFor(slot);
          if (isFull(slot)) {
            slot.queued = true;
            return false;
          }
          const id = `s${++lastId}`;
          if (!send(['REQ', id, ...filters])) return false;
          slot.subscriptionId = id;
          slot.heard = false;
          served.set(id, slot);
          return true;
        },
        release: () => {
          slots.delete(slot);
          close(slot);
          if (isReady) fillPlaces();
        },
      };
    },
    find: (subscriptionId) => {
      const slot = served.get(subscriptionId);
      if (slot !== undefined) slot.heard = true;
      return slot?.handlers;
    },
    onClosed: closed,
    onNotice: (message) => {
      const [id] = [...served].findLast(([, slot]) => !slot.heard) ?? [];
      if (id === undefined || !refusesMore(message)) return;
      send(['CLOSE', id]);
      closed(id, message);
    },
    isReady: () => isReady,
    mostAtOnce: limit.most,
    ready: () => {
      isReady = true;
      for (const { handlers } of [...slots]) handlers.onReady();
    },
    down: (reason) => {
      isReady = false;
      limit.forget();
      for (const slot of slots) forget(slot);
      for (const { handlers } of [...slots]) handlers.onDown(reason);
    },
  };
}
