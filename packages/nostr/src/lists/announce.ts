import { pause } from '@nostr-dm-agent/kit/abort';
import { type BackoffLimits, backoffMs } from '@nostr-dm-agent/kit/backoff';
import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { signEvent } from '../event.ts';
import type { Identity, NostrEvent, RelayUrl } from '../nostr-types.ts';
import type { Relays } from '../relay/relay.ts';
import { MOST_POW_BITS, powOf, withWork } from '../wrap/proof-of-work.ts';
import { type AnnouncedKind, announcedKinds, type BotProfile, wantedContent } from './announced-events.ts';

export type AnnounceOptions = {
  readonly identity: Identity;
  /** The own relays are what is announced, and where; see `indexers`. */
  readonly relays: Relays;
  /** Relays where clients look for profiles and relay lists: they get them too. */
  readonly indexers: readonly RelayUrl[];
  readonly profile: BotProfile;
  /** Where the bot's files lie, best first (kind 10063, BUD-03): clients look there when a file's URL is dead. None: nothing is said. */
  readonly fileServers?: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  /** For one query, and for one publish. Milliseconds. */
  readonly timeoutMs?: number;
};

/** What became of one kind. */
type Announcement = {
  readonly kind: AnnouncedKind;
  /**
   * `current`: what is there was right. `changed`: a new event was made. `held back`: too few relays answered to be
   * sure that there is none that a new one would overwrite.
   */
  readonly result: 'current' | 'changed' | 'held back';
  /** Relays that had it already or took it now. */
  readonly at: readonly RelayUrl[];
  /** Those where it could not be put, and why. */
  readonly missing: ReadonlyMap<RelayUrl, string>;
};

type AnnounceResult = {
  readonly announcements: readonly Announcement[];
  /** Each kind is at one of the own relays at least: clients can find us. Files are found without their list. */
  readonly complete: boolean;
};

/** By relay: what it holds of us. Relays that did not answer are absent. */
type Found = ReadonlyMap<RelayUrl, readonly NostrEvent[]>;

/**
 * Makes the bot reachable: DM relays (kind 10050, NIP-17), a relay list (10002, NIP-65) and a profile (0, with NIP-24's
 * `bot`); where files are sent, their servers (10063, BUD-03). Looks first what there is: nothing is published that is there already, and a profile that was edited
 * elsewhere keeps what it says. Never rejects for a relay's sake.
 */
export async function announce(options: AnnounceOptions, signal: AbortSignal): Promise<AnnounceResult> {
  const own = options.relays.own.map(({ url }) => url);
  const everywhere = [...new Set([...own, ...options.indexers])];
  const found = await findOurs(everywhere, options, signal);
  const announcements = await Promise.all(
    announcedKinds
      .filter((kind) => kind !== 10063 || (options.fileServers ?? []).length > 0)
      .map((kind) => announceKind(kind, { own, everywhere, found }, options, signal)),
  );
  const complete = announcements.every(
    ({ kind, at }) => kind === 10063 || own.some((url) => at.includes(url)),
  );
  return { announcements, complete };
}

const RETRY: BackoffLimits = { baseMs: 30_000, maxMs: 60 * 60_000 };

/** Announces, and again with growing pauses until it is complete. Never rejects; ends when the signal aborts. */
export async function announceUntilComplete(
  options: AnnounceOptions & {
    readonly random: () => number;
    readonly retry?: BackoffLimits;
    /** Waited for before each time: another bot with this key, at other relays, may be the one to be found. */
    readonly turn?: (signal: AbortSignal) => Promise<void>;
  },
  signal: AbortSignal,
): Promise<AnnounceResult | undefined> {
  const { log, random, retry = RETRY } = options;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      await options.turn?.(signal);
      const result = await announce(options, signal);
      if (result.complete) return result;
      log.info({ announcements: result.announcements }, 'profile and relay lists are not announced yet');
    } catch (error) {
      if (!signal.aborted) log.error({ error }, 'announcing profile and relay lists failed');
    }
    await pause(backoffMs(attempt, retry, random), signal);
  }
  return undefined;
}

async function announceKind(
  kind: AnnouncedKind,
  where: {
    readonly own: readonly RelayUrl[];
    readonly everywhere: readonly RelayUrl[];
    readonly found: Found;
  },
  options: AnnounceOptions,
  signal: AbortSignal,
): Promise<Announcement> {
  const { own, everywhere, found } = where;
  const { identity, clock, profile, fileServers = [] } = options;
  const newest = [...found.values()]
    .flat()
    .filter((event) => event.kind === kind && event.pubkey === identity.publicKey)
    .reduce<NostrEvent | undefined>((best, event) => (isNewer(event, best) ? event : best), undefined);

  const wanted = wantedContent(kind, newest, { own, profile, fileServers });
  if (wanted === 'as it is' && newest !== undefined) {
    const has = (url: RelayUrl) => found.get(url)?.some(({ id }) => id === newest.id) ?? false;
    const lacking = [...found.keys()].filter((url) => !has(url));
    if (!lacking.some((url) => workAt([url], options) > powOf(newest.id))) {
      const { at, missing } = await publishTo(lacking, newest, options, signal);
      return { kind, result: 'current', at: [...everywhere.filter(has), ...at], missing };
    }
  }
  // Relay lists say what our configuration says; a profile may have been edited where nobody answered.
  if (kind === 0 && newest === undefined && found.size * 2 <= everywhere.length) {
    return { kind, result: 'held back', at: [], missing: new Map() };
  }
  const content =
    wanted === 'as it is' ? { content: newest?.content ?? '', tags: newest?.tags ?? [] } : wanted;
  // By the slowest clock of the own relays, for some take nothing from the future.
  const ahead = options.relays.own.map((relay) => relay.status().clockAheadMs ?? 0);
  const aheadS = Math.round(Math.max(0, ...ahead) / 1000);
  const createdAt = Math.max(unixSeconds(clock) - aheadS, (newest?.created_at ?? 0) + 1);
  const unsigned = { kind, created_at: createdAt, ...content, pubkey: identity.publicKey };
  const bits = workAt(everywhere, options);
  const limited = AbortSignal.any([signal, AbortSignal.timeout(WORK_MS)]);
  const worked = bits === 0 ? undefined : await withWork(unsigned, bits, limited);
  const event = signEvent(worked ?? unsigned, identity.secretKey);
  return { kind, result: 'changed', ...(await publishTo(everywhere, event, options, signal)) };
}

/** The most proof of work (bits) that one of the relays asks for and that is done at all. */
const workAt = (urls: readonly RelayUrl[], { relays }: AnnounceOptions): number =>
  Math.max(0, ...urls.map((url) => relays.capacities.of(url).pow()).filter((bits) => bits <= MOST_POW_BITS));

const WORK_MS = 60_000;

/** NIP-01: of two replaceable events of one second the lower id stays. */
const isNewer = (event: NostrEvent, best: NostrEvent | undefined) =>
  best === undefined ||
  event.created_at > best.created_at ||
  (event.created_at === best.created_at && event.id < best.id);

const TIMEOUT_MS = 10_000;

async function findOurs(
  urls: readonly RelayUrl[],
  { relays, identity, timeoutMs = TIMEOUT_MS }: AnnounceOptions,
  signal: AbortSignal,
): Promise<Found> {
  const filter = { authors: [identity.publicKey], kinds: [...announcedKinds] };
  const found = new Map<RelayUrl, readonly NostrEvent[]>();
  const ask = async (url: RelayUrl) => {
    const events = await relays.ask(url, [filter], timeoutMs, signal);
    if (events !== undefined) found.set(url, events);
  };
  await Promise.all(urls.map(ask));
  return found;
}

async function publishTo(
  urls: readonly RelayUrl[],
  event: NostrEvent,
  { relays, timeoutMs = TIMEOUT_MS }: AnnounceOptions,
  signal: AbortSignal,
): Promise<Pick<Announcement, 'at' | 'missing'>> {
  const at: RelayUrl[] = [];
  const missing = new Map<RelayUrl, string>();
  const publish = async (url: RelayUrl) => {
    const outcome = await relays.borrow(url, (relay) => relay.publish(event, timeoutMs, signal));
    if (outcome.result === 'accepted') at.push(url);
    else missing.set(url, outcome.message);
  };
  await Promise.all(urls.map(publish));
  return { at, missing };
}
