import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { unixSeconds } from '@nostr-dm-agent/kit/clock';
import type { Identity, InstanceClaim, NostrEvent, PublishOutcome, Relay } from '@nostr-dm-agent/nostr';
import { claimEvent, claimFilter, RelayError, readClaim } from '@nostr-dm-agent/nostr';
import type { OwnInstance } from '../store/instance-facts.ts';
import type { Basics } from './basics.ts';
import { type Asked, connectionOf, type FenceKeeper, type Word } from './fence-gate.ts';

const askMs = 4_000;
/** As long as a relay's word is fresh: who needs longer is of no use to what begins by itself. */
const longestAskMs = 10_000;
/** Once one relay has answered, the others have so long. */
const othersMs = 500;
const publishMs = 10_000;

/** The bot's own relays, as the place where claims of its key stand. */
export type ClaimBoard = {
  /** The newest claim that there is, and the relays that have answered. */
  readonly look: () => Promise<{
    readonly newest: InstanceClaim | undefined;
    readonly answers: readonly Word[];
  }>;
  readonly publish: (own: OwnInstance) => Promise<readonly PublishOutcome[]>;
  /** @param onKept what a relay keeps: once it has said all that it has (with `word`), and whenever that is replaced */
  readonly listen: (
    onClaim: (claim: InstanceClaim) => void,
    onKept: (newest: InstanceClaim | undefined, word?: Word) => void,
  ) => void;
};

export function createClaimBoard(
  {
    relays,
    identity,
  }: {
    readonly relays: {
      readonly own: readonly Pick<Relay, 'url' | 'status' | 'query' | 'publish' | 'subscribe'>[];
    };
    readonly identity: Identity;
  },
  asking: FenceKeeper['asking'],
  { clock, stopping: signal }: Pick<Basics, 'clock' | 'stopping'>,
): ClaimBoard {
  const filter = claimFilter(identity);
  /** Unix seconds: relays keep the newest, by whichever clock it was written. */
  let lastSeenAt = 0;
  /** The next look's: where relays are slow, giving up as soon as before would be asking forever. */
  let patienceMs = askMs;
  const read = (event: NostrEvent): InstanceClaim | undefined => {
    const claim = readClaim(event, identity);
    if (claim !== undefined) lastSeenAt = Math.max(lastSeenAt, event.created_at);
    return claim;
  };
  /** `none`: the relay serves no claims; undefined: it can't be asked now. */
  const eventsOf = async (
    relay: Pick<Relay, 'query'>,
    timeoutMs: number,
  ): Promise<readonly NostrEvent[] | 'none' | undefined> => {
    try {
      return await relay.query([filter], timeoutMs, signal);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      return servesNone(error) ? 'none' : undefined;
    }
  };
  return {
    look: async () => {
      const found: InstanceClaim[] = [];
      const answers: Word[] = [];
      const asked = asking();
      const timeoutMs = patienceMs;
      const first = Promise.withResolvers<void>();
      const all = relays.own.map(async (relay) => {
        const events = await eventsOf(relay, timeoutMs);
        if (events === undefined) return;
        answers.push({ relay: relay.url, connection: connectionOf(relay), asked });
        // Those that may know more are given their whole time.
        if (events === 'none') return;
        found.push(...events.map(read).filter((claim) => claim !== undefined));
        first.resolve();
      });
      const soon = first.promise.then(() => sleep(othersMs, undefined, { ref: false }));
      await Promise.race([Promise.all(all), soon]);
      if (answers.length === 0) patienceMs = longestAskMs;
      return { newest: found.toSorted(newestFirst)[0], answers: [...answers] };
    },
    publish: ({ instance, generation, claimedAt }) => {
      const claim = { instance, generation, at: claimedAt ?? clock.now(), host: hostname() };
      const event = claimEvent(claim, identity, Math.max(unixSeconds(clock), lastSeenAt + 1));
      return Promise.all(relays.own.map((relay) => relay.publish(event, publishMs, signal)));
    },
    listen: (onClaim, onKept) => {
      for (const relay of relays.own) {
        let newest: InstanceClaim | undefined;
        let hasSaidAll = false;
        let asked: Asked | undefined;
        const filters = () => {
          asked = asking();
          newest = undefined;
          hasSaidAll = false;
          return [filter];
        };
        const onEvent = (event: NostrEvent): void => {
          const claim = read(event);
          if (claim === undefined) return;
          if (newest === undefined || newestFirst(claim, newest) < 0) newest = claim;
          onClaim(claim);
          if (hasSaidAll) onKept(claim);
        };
        const onEose = (): void => {
          hasSaidAll = true;
          onKept(newest, asked && { relay: relay.url, connection: connectionOf(relay), asked });
        };
        relay.subscribe({ lesser: true, filters, onEvent, onEose }, signal);
      }
    },
  };
}

/** The later of two that claimed the same generation at once stays. */
export const newestFirst = (a: InstanceClaim, b: InstanceClaim): number =>
  b.generation - a.generation || b.at - a.at || (a.instance < b.instance ? 1 : -1);

/**
 * Whether a relay has said that it serves no claims, whatever it keeps: it fences nobody, and nobody has to wait for its word. What it
 * may do a moment later (a limit, AUTH) is no such word.
 */
export const servesNone = ({ reason, detail }: RelayError): boolean =>
  reason === 'refused' && /^(?:blocked|restricted|invalid|unsupported)\b/i.test(detail);
