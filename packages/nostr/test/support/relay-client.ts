import type { Clock } from '@nostr-dm-agent/kit/clock';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { generateSecretKey, publicKeyOf, signEvent } from '../../src/event.ts';
import type { NostrEvent, RelayUrl, Signer } from '../../src/nostr-types.ts';
import {
  connectRelay,
  type RelayConnection,
  type RelayConnectionOptions,
} from '../../src/relay/connect-relay.ts';
import type { RelayTimings } from '../../src/relay/relay-timings.ts';

/** A connection's waits made short, yet long enough for two busy cores. */
export const quickTimings: RelayTimings = {
  connectMs: 1_500,
  pingMs: 30_000,
  pongMs: 15_000,
  eoseMs: 10_000,
  maxEoseMs: 5 * 60_000,
  stableMs: 60_000,
  signMs: 400,
  authOkMs: 400,
  authSpacingMs: 20,
  closeMs: 300,
  reconnect: { baseMs: 60, maxMs: 200 },
  retry: { baseMs: 60, maxMs: 200 },
};

export const HOUR_S = 3_600;
export const nowS = () => Math.floor(Date.now() / 1000);

const nothing = () => {};
export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLogger,
};

export const botKey = generateSecretKey();
export const botPublicKey = publicKeyOf(botKey);
export const signAsBot: Signer = async (template) => signEvent(template, botKey);

/** A kind 1059 event to the bot, signed by a throwaway key. Its content is a bare label: relays can't tell. */
export const wrapOf = (label: string, createdAt = nowS()): NostrEvent =>
  signEvent(
    { kind: 1059, created_at: createdAt, tags: [['p', botPublicKey]], content: label },
    generateSecretKey(),
  );

/** What the inbox asks for: wraps may be back-dated by two days, so the last three are asked for every time. */
export const wrapFilters = () => [{ kinds: [1059], '#p': [botPublicKey], since: nowS() - 72 * HOUR_S }];

export type ConnectOptions = Partial<Omit<RelayConnectionOptions, 'url' | 'timings'>> & {
  readonly timings?: Partial<RelayTimings>;
  readonly clock?: Clock;
};

/** A connection as the bot has to one of its own relays, with quick timings. */
export const connectTo = (url: RelayUrl, options: ConnectOptions = {}): RelayConnection =>
  connectRelay({
    own: true,
    sign: signAsBot,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    ...options,
    url,
    timings: { ...quickTimings, ...options.timings },
  });

/** A connection that listens for the bot's wraps. */
export type Listener = {
  readonly connection: RelayConnection;
  /** Labels in the order in which they came first, each once. */
  readonly heard: string[];
  /** How often an event was handed over, repetitions included. */
  readonly deliveries: () => number;
  readonly eoses: () => number;
  readonly stopListening: () => void;
};

export function listenTo(url: RelayUrl, options: ConnectOptions = {}): Listener {
  const connection = connectTo(url, options);
  const controller = new AbortController();
  const heard: string[] = [];
  let deliveries = 0;
  let eoses = 0;
  connection.subscribe(
    {
      filters: wrapFilters,
      onEvent: ({ content }) => {
        deliveries += 1;
        if (!heard.includes(content)) heard.push(content);
      },
      onEose: () => {
        eoses += 1;
      },
    },
    controller.signal,
  );
  return {
    connection,
    heard,
    deliveries: () => deliveries,
    eoses: () => eoses,
    stopListening: () => controller.abort(),
  };
}

/** A signal for what isn't aborted in a test. */
export const never = () => new AbortController().signal;
