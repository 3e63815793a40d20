import type { Filter, NostrEvent } from '../nostr-types.ts';

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
};

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
  /** @param standing it stays for long, so that some places are left for what is asked once */
  readonly open: (handlers: RequestHandlers, standing?: boolean) => RequestSlot;
  readonly find: (subscriptionId: string) => RequestHandlers | undefined;
  readonly onClosed: (subscriptionId: string, message: string) => void;
  readonly isReady: () => boolean;
  /** How many requests the relay serves at a time (NIP-11); undefined: it did not say. */
  readonly mostAtOnce: () => number | undefined;
  readonly ready: () => void;
  readonly down: (reason: string) => void;
};

type Slot = {
  readonly handlers: RequestHandlers;
  readonly standing: boolean;
  subscriptionId: string | undefined;
  /** It wants to ask and found no place. */
  queued: boolean;
};

export function createRelayRequests(
  send: (frame: readonly unknown[]) => boolean,
  mostAtOnce: () => number | undefined,
): RelayRequests {
  const slots = new Set<Slot>();
  const served = new Map<string, Slot>();
  let isReady = false;
  let lastId = 0;

  const forget = (slot: Slot): string | undefined => {
    const id = slot.subscriptionId;
    if (id !== undefined) served.delete(id);
    slot.subscriptionId = undefined;
    slot.queued = false;
    return id;
  };
  /** One place is left for what is asked once, unless there is only one. */
  const isFull = (asking: Slot) => {
    const most = mostAtOnce();
    if (most === undefined || !asking.standing) return false;
    const standing = [...served.values()].filter((slot) => slot.standing);
    return standing.length >= Math.max(1, most - 1);
  };
  const fillPlaces = () => {
    for (const slot of slots) if (slot.queued && !isFull(slot)) slot.handlers.onReady();
  };
  const close = (slot: Slot) => {
    const id = forget(slot);
    if (id !== undefined) send(['CLOSE', id]);
  };

  return {
    open: (handlers, standing = false) => {
      const slot: Slot = { handlers, standing, subscriptionId: undefined, queued: false };
      slots.add(slot);
      return {
        ask: (filters) => {
          // A new id each time: an EOSE or CLOSED that is still under way for the old REQ can't be taken for this one.
          close(slot);
          if (!isReady) return false;
          if (isFull(slot)) {
            slot.queued = true;
            return false;
          }
          const id = `s${++lastId}`;
          if (!send(['REQ', id, ...filters])) return false;
          slot.subscriptionId = id;
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
    find: (subscriptionId) => served.get(subscriptionId)?.handlers,
    onClosed: (subscriptionId, message) => {
      const slot = served.get(subscriptionId);
      if (slot === undefined) return;
      forget(slot);
      slot.handlers.onClosed(message);
      fillPlaces();
    },
    isReady: () => isReady,
    mostAtOnce,
    ready: () => {
      isReady = true;
      for (const { handlers } of [...slots]) handlers.onReady();
    },
    down: (reason) => {
      isReady = false;
      for (const slot of slots) forget(slot);
      for (const { handlers } of [...slots]) handlers.onDown(reason);
    },
  };
}
