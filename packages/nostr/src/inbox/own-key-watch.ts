import type { Clock } from '@nostr-dm-agent/kit/clock';
import { unixSeconds } from '@nostr-dm-agent/kit/clock';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { createTokenBucket } from '@nostr-dm-agent/kit/token-bucket';
import { z } from 'zod';
import { InvalidKeyError, isEvent, verifyEvent } from '../event.ts';
import type { EventId, Identity, NostrEvent, PublicKey } from '../nostr-types.ts';
import type { Relay } from '../relay/relay.ts';
import { DecryptionError } from '../wrap/decryption.ts';
import { ephemeralWrap } from '../wrap/gift-wrap.ts';
import { conversationKey, decrypt } from '../wrap/nip44.ts';

/** Somebody else writes with the bot's key: `instance`, another bot that is running; `message`, one that was not ours. */
export type ForeignUse = 'instance' | 'message';

type OwnKeyWatchOptions = {
  readonly identity: Identity;
  readonly relays: readonly Relay[];
  /** Whether this bot made the kind 4 event. */
  readonly isOurs: (eventId: EventId) => boolean;
  readonly onForeign: (use: ForeignUse) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
};

const EPHEMERAL_WRAP = 21059;
/** The rumor's kind, for ourselves alone. */
const PRESENCE = 20_059;
const PUBLISH_MS = 10_000;
/** Between two words of ours on one relay, however often another one speaks. */
const ANSWER_SPACING_MS = 30_000;

/** Anybody may write to the bot's key: so many are opened per second in the long run, and at once. */
const OPENED_PER_SECOND = 2;
const OPENED_AT_ONCE = 50;
/** Far more than a word of presence has. */
const MOST_CONTENT = 8 * 1024;

const presence = z.object({ kind: z.literal(PRESENCE), content: z.string(), created_at: z.number() });

/**
 * Notices that another program uses the bot's key. Each bot says by an ephemeral gift wrap to its own key (NIP-59; relays
 * keep none) that it is there, when it is connected and when it hears another; and old messages (kind 4) under the key that
 * this one did not send are seen.
 */
export function watchOwnKey(options: OwnKeyWatchOptions): void {
  const { identity, isOurs, onForeign, clock, random, signal } = options;
  const { publicKey: bot, secretKey } = identity;
  const instance = crypto.randomUUID();
  const since = unixSeconds(clock);
  const toSelf = conversationKey(secretKey, bot);

  const announce = (relay: Relay) => {
    const rumor = { kind: PRESENCE, created_at: unixSeconds(clock), tags: [], content: instance };
    const wrap = ephemeralWrap(rumor, { from: identity, to: bot, clock, random });
    void relay.publish(wrap, PUBLISH_MS, signal);
  };
  const readPresence = (event: NostrEvent): string | undefined => {
    try {
      const seal = parseJson(decrypt(event.content, conversationKey(secretKey, event.pubkey as PublicKey)));
      if (!isEvent(seal) || seal.pubkey !== bot || !verifyEvent(seal)) return undefined;
      const found = presence.safeParse(parseJson(decrypt(seal.content, toSelf))).data;
      // A relay may keep what it should not: that of an earlier life of ours is no other bot.
      return found !== undefined && found.created_at >= since ? found.content : undefined;
    } catch (error) {
      // Anybody may write to the bot's key, and whatever they like.
      if (error instanceof DecryptionError || error instanceof InvalidKeyError) return undefined;
      throw error;
    }
  };

  for (const relay of options.relays) {
    const bucket = createTokenBucket(OPENED_PER_SECOND, OPENED_AT_ONCE, () => performance.now());
    let spokeAt = Number.NEGATIVE_INFINITY;
    const speak = () => {
      spokeAt = performance.now();
      announce(relay);
    };
    relay.subscribe(
      {
        lesser: true,
        filters: () => [{ kinds: [EPHEMERAL_WRAP], '#p': [bot], since: unixSeconds(clock) - 3 * 24 * 3600 }],
        onEvent: (event) => {
          if (event.kind !== EPHEMERAL_WRAP || event.content.length > MOST_CONTENT) return;
          if (bucket.waitMs() > 0) return;
          bucket.spend();
          const heard = readPresence(event);
          if (heard === undefined || heard === instance) return;
          onForeign('instance');
          if (performance.now() - spokeAt > ANSWER_SPACING_MS) speak();
        },
        onEose: speak,
      },
      signal,
    );
    relay.subscribe(
      {
        lesser: true,
        filters: () => [{ kinds: [4], authors: [bot], since }],
        onEvent: (event) => {
          if (
            event.kind === 4 &&
            event.pubkey === bot &&
            event.created_at >= since &&
            !isOurs(event.id as EventId)
          )
            if (verifyEvent(event)) onForeign('message');
        },
      },
      signal,
    );
  }
}
