import { type Clock, systemClock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import type { ServerWebSocket } from 'bun';
import { matchFilters } from 'nostr-tools/filter';
import { getPow } from 'nostr-tools/nip13';
import { verifyEvent } from 'nostr-tools/pure';
import { createRelayFaultSwitch, noFaults, type RelayFaultSwitch, type RelayFaults } from './relay-faults.ts';
import { type ClientMessage, parseClientMessage } from './relay-messages.ts';
import { createRelayStore, type RelayStore } from './relay-store.ts';
import type { Filter, NostrEvent, RelayClient, RelayLimitation, RelayUrl } from './relay-types.ts';

export type SandboxRelayOptions = {
  /** 0 or absent: any free one. */
  readonly port?: number;
  /** Who has to AUTH (NIP-42): nobody, who asks for DMs (kinds 4 and 1059), or everybody for everything. */
  readonly auth?: 'none' | 'dms' | 'all';
  /** Of one message. */
  readonly maxBytes?: number;
  /** What it says of itself beside that (NIP-11), and holds to. */
  readonly limitation?: RelayLimitation;
  /** Events per filter of one REQ. */
  readonly maxPerFilter?: number;
  readonly store?: RelayStore;
  readonly faults?: Partial<RelayFaults>;
  readonly clock?: Clock;
  /** Sees every message of a client before it is acted on. */
  readonly onMessage?: (message: ClientMessage) => void;
};

export type SandboxRelay = RelayFaultSwitch & {
  readonly url: RelayUrl;
  readonly port: number;
  readonly store: RelayStore;
  readonly faults: RelayFaults;
  /** Stores an event unchecked, and sends it to whoever subscribed to it. */
  readonly inject: (event: NostrEvent) => void;
  readonly connections: () => number;
  /** The ids of the subscriptions that are being served, of all connections. */
  readonly subscriptions: () => string[];
  readonly stop: () => Promise<void>;
};

type Socket = ServerWebSocket<RelayClient>;

const SUPPORTED_NIPS = [1, 11, 40, 42, 70];
const isDirectMessage = ({ kind }: NostrEvent) => kind === 4 || kind === 1059;

/** A small relay on 127.0.0.1, in memory: NIP-01, 11, 40, 42 and 70, and faults on demand. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions over one set of sockets
export function startSandboxRelay(options: SandboxRelayOptions = {}): SandboxRelay {
  const { auth = 'none', maxBytes = 131_072, maxPerFilter = 500, clock = systemClock } = options;
  const store = options.store ?? createRelayStore();
  const faults: RelayFaults = { ...noFaults(), ...options.faults };
  const sockets = new Set<Socket>();

  const send = (socket: Socket, ...message: unknown[]) => socket.send(JSON.stringify(message));
  const challenge = (socket: Socket) => {
    if (socket.data.challenged) return;
    socket.data.challenged = true;
    send(socket, 'AUTH', socket.data.challenge);
  };

  const isExpired = ({ tags }: NostrEvent) => {
    const expiration = tags.find(([name]) => name === 'expiration')?.[1];
    return expiration !== undefined && Number(expiration) <= unixSeconds(clock);
  };
  /** With AUTH on, a DM is for its author and for those in its `p` tags. */
  const isVisible = ({ authenticated }: RelayClient, event: NostrEvent) =>
    auth === 'none' ||
    !isDirectMessage(event) ||
    authenticated.has(event.pubkey) ||
    event.tags.some(([name, value]) => name === 'p' && value !== undefined && authenticated.has(value));

  const broadcast = (event: NostrEvent) => {
    for (const socket of sockets) {
      if (!isVisible(socket.data, event)) continue;
      for (const [id, filters] of socket.data.subscriptions) {
        if (matchFilters([...filters], event)) send(socket, 'EVENT', id, event);
      }
    }
  };

  const onAuth = (socket: Socket, event: NostrEvent) => {
    const { data } = socket;
    const answers = event.tags.some(([name, value]) => name === 'challenge' && value === data.challenge);
    const recent = Math.abs(event.created_at - unixSeconds(clock)) <= 600;
    const accepted = !faults.refuseAuth && event.kind === 22242 && answers && recent && verifyEvent(event);
    if (accepted) data.authenticated.add(event.pubkey);
    send(socket, 'OK', event.id, accepted, accepted ? '' : 'restricted: AUTH refused');
  };

  /** Why an event is not taken, as the message of its OK. */
  const refusal = ({ authenticated }: RelayClient, event: NostrEvent): string | undefined => {
    if (faults.refuseEvents !== undefined) return faults.refuseEvents;
    if (faults.blockKinds.has(event.kind)) return `blocked: kind ${event.kind} is not kept here`;
    if (!verifyEvent(event)) return 'invalid: bad id or signature';
    if (auth === 'all' && authenticated.size === 0) return 'auth-required: to write';
    const isProtected = event.tags.some(([name]) => name === '-');
    if (isProtected && !authenticated.has(event.pubkey)) return 'auth-required: protected event';
    if (isExpired(event)) return 'invalid: expired';
    return limitRefusal(event);
  };

  const limitRefusal = (event: NostrEvent): string | undefined => {
    const { min_pow_difficulty: bits = 0, max_content_length: most } = options.limitation ?? {};
    if (getPow(event.id) < bits) return `pow: ${getPow(event.id)} bits of ${bits}`;
    if (most !== undefined && event.content.length > most) return 'invalid: content too long';
    const size = JSON.stringify(event).length;
    if (size > faults.refuseBytes) return `invalid: event too large: ${size}`;
    return undefined;
  };

  const onEvent = (socket: Socket, event: NostrEvent) => {
    const size = JSON.stringify(event).length;
    if (size > faults.endBytes) {
      socket.terminate();
      return;
    }
    if (size > faults.noticeBytes) send(socket, 'NOTICE', `ERROR: message too large: ${size}`);
    if (size > Math.min(faults.noticeBytes, faults.ignoreBytes)) return;
    if (faults.dropOnEvent > 0) {
      faults.dropOnEvent -= 1;
      socket.terminate();
      return;
    }
    const reason = refusal(socket.data, event);
    if (reason !== undefined) {
      send(socket, 'OK', event.id, false, reason);
      if (reason.startsWith('auth-required')) challenge(socket);
      return;
    }
    const result = store.add(event);
    if (result !== 'added') {
      send(socket, 'OK', event.id, true, `duplicate: ${result}`);
      return;
    }
    send(socket, 'OK', event.id, true, '');
    broadcast(event);
  };

  /** Why a REQ is not served, as relays say it. */
  const requestRefusal = (socket: Socket, filters: readonly Filter[]): string | undefined => {
    const kinds = filters.flatMap((filter) => filter.kinds ?? []);
    const kind = kinds.find((each) => faults.refuseKinds.has(each));
    if (kind !== undefined) return `blocked: kind ${kind} is not served here`;
    if (faults.oneFilter && filters.length > 1) return 'error: too many filters';
    const most = options.limitation?.max_subscriptions;
    if (most !== undefined && socket.data.subscriptions.size >= most) return 'error: too many subscriptions';
    return undefined;
  };

  const refuseRequest = (socket: Socket, id: string, reason: string) => {
    if (faults.refuseBy === 'CLOSED') send(socket, 'CLOSED', id, reason);
    else if (faults.refuseBy === 'NOTICE') send(socket, 'NOTICE', reason);
    else socket.close(1008, reason);
  };

  const onReq = (socket: Socket, id: string, filters: readonly Filter[]) => {
    const refused = requestRefusal(socket, filters);
    if (refused !== undefined) {
      refuseRequest(socket, id, refused);
      return;
    }
    const wantsDms = filters.some(({ kinds }) => kinds?.some((kind) => kind === 4 || kind === 1059) ?? true);
    const needsAuth = auth === 'all' || (auth === 'dms' && wantsDms);
    if (needsAuth && socket.data.authenticated.size === 0) {
      send(socket, 'CLOSED', id, 'auth-required: to read this');
      challenge(socket);
      return;
    }
    socket.data.subscriptions.set(id, filters);
    const visible = (event: NostrEvent) => isVisible(socket.data, event) && !isExpired(event);
    for (const event of store.find(filters, maxPerFilter, visible)) send(socket, 'EVENT', id, event);
    if (faults.omitEose) return;
    if (faults.eoseDelayMs === 0) send(socket, 'EOSE', id);
    else setTimeout(() => send(socket, 'EOSE', id), faults.eoseDelayMs);
  };

  const handle = (socket: Socket, message: ClientMessage) => {
    if (message[0] !== 'CLOSE' && faults.swallow.has(message[0])) return;
    switch (message[0]) {
      case 'AUTH':
        onAuth(socket, message[1]);
        break;
      case 'EVENT':
        onEvent(socket, message[1]);
        break;
      case 'REQ': {
        const [, id, ...filters] = message;
        onReq(socket, id, filters);
        break;
      }
      case 'CLOSE':
        socket.data.subscriptions.delete(message[1]);
        break;
    }
  };

  const information = () =>
    Response.json({
      name: 'nostr-dm-agent sandbox relay',
      supported_nips: SUPPORTED_NIPS,
      limitation: {
        max_message_length: maxBytes,
        max_limit: maxPerFilter,
        auth_required: auth === 'all',
        ...options.limitation,
      },
    });

  const server = Bun.serve<RelayClient>({
    port: options.port ?? 0,
    hostname: '127.0.0.1',
    fetch: (request, self) => {
      if (request.headers.get('accept') === 'application/nostr+json') return information();
      const data: RelayClient = {
        challenge: crypto.randomUUID(),
        challenged: false,
        authenticated: new Set(),
        subscriptions: new Map(),
      };
      if (self.upgrade(request, { data })) return undefined;
      return new Response('a Nostr relay: speak WebSocket', { status: 426 });
    },
    websocket: {
      maxPayloadLength: maxBytes,
      open: (socket) => {
        sockets.add(socket);
        if (auth !== 'none' && !faults.lateChallenge) challenge(socket);
      },
      close: (socket) => {
        sockets.delete(socket);
      },
      message: async (socket, frame) => {
        if (faults.latencyMs > 0) await Bun.sleep(faults.latencyMs);
        const message = typeof frame === 'string' ? parseClientMessage(frame) : undefined;
        if (message === undefined) {
          send(socket, 'NOTICE', 'invalid: not a message of NIP-01');
          return;
        }
        options.onMessage?.(message);
        handle(socket, message);
      },
    },
  });
  const port = server.port ?? 0;

  return {
    ...createRelayFaultSwitch(sockets),
    url: `ws://127.0.0.1:${port}` as RelayUrl,
    port,
    store,
    faults,
    inject: (event) => {
      store.add(event);
      broadcast(event);
    },
    connections: () => sockets.size,
    subscriptions: () => [...sockets].flatMap(({ data }) => [...data.subscriptions.keys()]),
    stop: () => server.stop(true),
  };
}
