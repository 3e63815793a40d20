import type { Filter, NostrEvent } from '../nostr-types.ts';

/** What a REQ hears. All are called synchronously, in the order of the frames. */
type RequestHandlers = {
  /** The relay can be asked now: (re)connected, or AUTH was accepted. What was asked before is to be asked again. */
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
  /** Asks, in place of what was asked before in this slot. False when the relay can't be asked now. */
  readonly ask: (filters: readonly Filter[]) => boolean;
  /** Sends CLOSE if the relay still serves this. Nothing is heard any more. */
  readonly release: () => void;
};

/** The REQs of one relay: who asked under which subscription id. */
export type RelayRequests = {
  readonly open: (handlers: RequestHandlers) => RequestSlot;
  readonly find: (subscriptionId: string) => RequestHandlers | undefined;
  readonly onClosed: (subscriptionId: string, message: string) => void;
  readonly isReady: () => boolean;
  readonly ready: () => void;
  readonly down: (reason: string) => void;
};

type Slot = { readonly handlers: RequestHandlers; subscriptionId: string | undefined };

export function createRelayRequests(send: (frame: readonly unknown[]) => boolean): RelayRequests {
  const slots = new Set<Slot>();
  const served = new Map<string, Slot>();
  let isReady = false;
  let lastId = 0;

  const forget = (slot: Slot): string | undefined => {
    const id = slot.subscriptionId;
    if (id !== undefined) served.delete(id);
    slot.subscriptionId = undefined;
    return id;
  };
  const close = (slot: Slot) => {
    const id = forget(slot);
    if (id !== undefined) send(['CLOSE', id]);
  };

  return {
    open: (handlers) => {
      const slot: Slot = { handlers, subscriptionId: undefined };
      slots.add(slot);
      return {
        ask: (filters) => {
          // A new id each time: an EOSE or CLOSED that is still under way for the old REQ can't be taken for this one.
          close(slot);
          if (!isReady) return false;
          const id = `s${++lastId}`;
          if (!send(['REQ', id, ...filters])) return false;
          slot.subscriptionId = id;
          served.set(id, slot);
          return true;
        },
        release: () => {
          slots.delete(slot);
          close(slot);
        },
      };
    },
    find: (subscriptionId) => served.get(subscriptionId)?.handlers,
    onClosed: (subscriptionId, message) => {
      const slot = served.get(subscriptionId);
      if (slot === undefined) return;
      forget(slot);
      slot.handlers.onClosed(message);
    },
    isReady: () => isReady,
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
