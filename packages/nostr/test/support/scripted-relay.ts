import type { Filter, NostrEvent, RelayUrl } from '../../src/nostr-types.ts';
import type { Relay, Subscription } from '../../src/relay/relay.ts';

/** A relay without a socket, for what sockets can't be made to do on demand. Behaves as `connect-relay.ts` does. */
export type ScriptedRelay = Relay & {
  /** Takes an event and delivers it to whoever asked for the like; `store: false` delivers only. */
  readonly deliver: (event: NostrEvent, options?: { readonly store?: boolean }) => void;
  readonly disconnect: () => void;
  /** Asks again and delivers what is stored, newest first, then EOSE unless it is held back. */
  readonly connect: (options?: { readonly eose?: boolean }) => void;
  readonly sendEose: () => void;
  /** The filters that were asked for, newest last. */
  readonly asked: (readonly Filter[])[];
  readonly subscriptions: () => number;
  /** Events handed over, known ones left out. */
  readonly delivered: () => number;
};

export function createScriptedRelay(name: string, startDown = false): ScriptedRelay {
  const url = `wss://${name}.example/` as RelayUrl;
  const stored: NostrEvent[] = [];
  const live = new Map<Subscription, readonly Filter[]>();
  const asked: (readonly Filter[])[] = [];
  let down = startDown;
  let delivered = 0;

  const matches = (filters: readonly Filter[], event: NostrEvent) =>
    filters.some(
      (filter) =>
        filter.kinds?.includes(event.kind) === true &&
        event.created_at >= (filter.since ?? 0) &&
        event.tags.some(([key, value]) => key === 'p' && filter['#p']?.includes(value ?? '') === true),
    );
  const hand = (subscription: Subscription, event: NostrEvent) => {
    if (subscription.known?.(event.id) === true) return;
    delivered += 1;
    subscription.onEvent(structuredClone(event), url);
  };
  const ask = (subscription: Subscription, eose: boolean) => {
    const filters = subscription.filters();
    asked.push(filters);
    live.set(subscription, filters);
    const found = stored.filter((event) => matches(filters, event));
    for (const event of found.sort((a, b) => b.created_at - a.created_at)) hand(subscription, event);
    if (eose) subscription.onEose?.();
  };
  return {
    url,
    asked,
    delivered: () => delivered,
    subscriptions: () => live.size,
    status: () => ({ url, state: down ? 'waiting' : 'open', lastError: undefined, since: 0, feeds: [] }),
    subscribe: (subscription, signal) => {
      if (signal.aborted) return;
      live.set(subscription, []);
      signal.addEventListener('abort', () => live.delete(subscription), { once: true });
      if (!down) ask(subscription, true);
    },
    publish: async () => ({ result: 'unanswered', message: 'not part of this' }),
    query: async () => [],
    deliver: (event, { store = true } = {}) => {
      if (store) stored.push(event);
      if (down) return;
      for (const [subscription, filters] of live) if (matches(filters, event)) hand(subscription, event);
    },
    disconnect: () => {
      down = true;
      for (const subscription of live.keys()) live.set(subscription, []);
    },
    connect: ({ eose = true } = {}) => {
      down = false;
      for (const subscription of [...live.keys()]) ask(subscription, eose);
    },
    sendEose: () => {
      for (const subscription of live.keys()) subscription.onEose?.();
    },
  };
}
