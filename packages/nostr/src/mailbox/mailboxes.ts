import type { Logger } from '@nostr-dm-agent/kit/log';
import { every } from '@nostr-dm-agent/kit/timers';
import { verifyEvent } from '../event.ts';
import { createLane, type Lane, type LaneLimits } from '../inbox/lane.ts';
import { createPump } from '../inbox/pump.ts';
import type { Filter, Identity, NostrEvent, RelayUrl } from '../nostr-types.ts';
import type { Relay } from '../relay/relay.ts';
import { tagValues } from '../wrap/addressed.ts';
import { type Letter, openLetter } from './open-letter.ts';

export type MailboxesOptions = {
  /** The bot's own relays. */
  readonly relays: readonly Relay[];
  /** The keys that may be written to now, and since when (Unix ms). Looked at by `refresh`. */
  readonly keys: () => readonly Identity[];
  readonly since: () => number;
  /**
   * Called once for each letter, again after a restart: what is done about it must bear that. `later`: there is no room
   * for it, the relay is asked for it again.
   */
  readonly onLetter: (letter: Letter) => 'done' | 'later';
  readonly log: Logger;
  readonly limits?: Partial<MailboxLimits>;
};

/** What strangers may cost. */
export type MailboxLimits = LaneLimits & {
  readonly seenInMemory: number;
  readonly sliceMs: number;
  /** Between two subscriptions made to get what was dropped, ms. */
  readonly askAgainMs: number;
  /** A relay that has said nothing by then is not one that delivers. */
  readonly patienceMs: number;
};

/** All who write here are strangers: a flood costs some 3 % of one core and 4 MiB for each relay. */
const defaultLimits: MailboxLimits = {
  queueEvents: 1000,
  queueBytes: 4 * 1024 * 1024,
  crowdedAt: 50,
  junkPerSecond: 100,
  junkBurst: 1000,
  seenInMemory: 20_000,
  sliceMs: 4,
  askAgainMs: 10_000,
  patienceMs: 10_000,
};

/** What one relay has been asked for. `stored`: until everything stored came. */
type Served = { readonly ending: AbortController; readonly since: number; phase: 'stored' | 'live' };

/** Keys beside the bot's own that anybody may write to. */
export type Mailboxes = {
  /** Subscribes, if there are keys, and runs until the signal aborts. */
  readonly start: (signal: AbortSignal) => void;
  /** The keys are others: subscribes anew, or not at all any more. */
  readonly refresh: () => void;
  /** Whether a relay delivers what is sent to them; undefined: it has not been asked, or has not answered yet. */
  readonly isServedBy: (relay: RelayUrl) => boolean | undefined;
};

/** Wraps are dated back by up to two days (NIP-59), and clocks are wrong. */
const WINDOW_S = 3 * 24 * 60 * 60;
const HOUSEKEEPING_MS = 1000;

/**
 * One subscription for all keys at each relay. What comes has lanes of its own beside those of the inbox, bounded and read
 * slowly, so that whoever floods a mailbox delays no owner.
 */
export function createMailboxes(options: MailboxesOptions): Mailboxes {
  const { log, onLetter } = options;
  const limits: MailboxLimits = { ...defaultLimits, ...options.limits };
  const monotonic = () => performance.now();
  const lanes = options.relays.map((relay) => createLane(relay, limits, monotonic));
  const subscriptions = new Map<Lane, Served>();
  const seen = new Set<string>();
  let keys: ReadonlyMap<string, Identity> = new Map();
  let running: AbortSignal | undefined;

  const remember = (id: string) => {
    seen.add(id);
    const [oldest] = seen;
    if (seen.size > limits.seenInMemory && oldest !== undefined) seen.delete(oldest);
  };
  const addressee = ({ tags }: NostrEvent): Identity | undefined => {
    const [to, another] = tagValues(tags, 'p');
    return to === undefined || another !== undefined ? undefined : keys.get(to);
  };
  const open = (lane: Lane, event: NostrEvent) => {
    lane.bucket.spend();
    const identity = addressee(event);
    // The id does not cover the signature: another relay may have this event with the right one.
    if (identity === undefined || seen.has(event.id) || !verifyEvent(event)) return;
    try {
      const letter = openLetter(event, identity);
      if (letter !== undefined && onLetter(letter) === 'later') lane.incomplete = true;
      else remember(event.id);
    } catch (error) {
      // A full disk, or a fault of this program that a stranger brought out: neither may end it, and it may be money.
      log.error({ relay: lane.relay.url, event: event.id, error }, 'a letter could not be taken');
      lane.incomplete = true;
    }
  };
  const pump = createPump({ lanes, sliceMs: limits.sliceMs, monotonic, open, afterSlice: () => undefined });

  const subscribe = (lane: Lane, signal: AbortSignal) => {
    subscriptions.get(lane)?.ending.abort();
    subscriptions.delete(lane);
    lane.incomplete = false;
    lane.askAgainAfter = monotonic() + limits.askAgainMs;
    if (keys.size === 0 || signal.aborted) return;
    const ending = new AbortController();
    const served: Served = { ending, since: monotonic(), phase: 'stored' };
    subscriptions.set(lane, served);
    const filters = (): readonly Filter[] => {
      served.phase = 'stored';
      const since = Math.floor(options.since() / 1000) - WINDOW_S;
      return [{ kinds: [1059], '#p': [...keys.keys()], since }];
    };
    const onEvent = (event: NostrEvent) => {
      if (addressee(event) === undefined) return;
      if (!lane.offer(event, served.phase === 'live' ? 'live' : 'backlog')) lane.incomplete = true;
      pump.wake();
    };
    const onEose = () => {
      served.phase = 'live';
    };
    lane.relay.subscribe(
      { lesser: true, filters, known: (id) => seen.has(id), onEvent, onEose, pageBack: { room: lane.room } },
      AbortSignal.any([signal, ending.signal]),
    );
  };
  const askAgain = (lane: Lane, signal: AbortSignal) => {
    const isRead = subscriptions.get(lane)?.phase === 'live' && lane.size() === 0;
    if (lane.incomplete && isRead && monotonic() >= lane.askAgainAfter) subscribe(lane, signal);
  };
  const refresh = () => {
    if (running === undefined || running.aborted) return;
    const now = new Map(options.keys().map((identity) => [identity.publicKey, identity] as const));
    if (now.size === keys.size && [...now.keys()].every((key) => keys.has(key))) return;
    keys = now;
    for (const lane of lanes) subscribe(lane, running);
  };

  return {
    start: (signal) => {
      if (signal.aborted) return;
      running = signal;
      every(HOUSEKEEPING_MS, { name: 'housekeeping of the mailboxes', log, signal }, () => {
        for (const lane of lanes) askAgain(lane, signal);
      });
      signal.addEventListener('abort', pump.stop, { once: true });
      refresh();
    },
    refresh,
    isServedBy: (url) => {
      const lane = lanes.find(({ relay }) => relay.url === url);
      const subscription = lane && subscriptions.get(lane);
      if (lane === undefined || subscription === undefined) return undefined;
      if (subscription.phase === 'live') return true;
      return monotonic() - subscription.since > limits.patienceMs ? false : undefined;
    },
  };
}
