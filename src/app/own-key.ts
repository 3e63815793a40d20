import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import type { EventId, ForeignUse, Identity, Relays } from '@nostr-dm-agent/nostr';
import { watchOwnKey } from '@nostr-dm-agent/nostr';
import { secondBotText } from '../replies/own-key-replies.ts';
import { actsSince, knownFence } from '../store/instance-facts.ts';
import type { Meta } from '../store/meta-table.ts';
import type { Basics } from './basics.ts';

const ASK_MS = 4_000;
const LEAVE_MS = 60_000;
const metaKey = 'key_known';

/**
 * Whether the bot's key was used before this home was made: its lists are at one of its relays, though this home has not
 * published any. Nobody who could be asked means that it may have been. What was found stays so.
 */
export async function isKeyKnown(
  parts: {
    readonly relays: Relays;
    readonly identity: Identity;
    readonly meta: Meta;
    readonly isNew: boolean;
  },
  signal: AbortSignal,
): Promise<boolean> {
  const { relays, identity, meta } = parts;
  const before = meta.get(metaKey);
  if (before !== undefined || !parts.isNew) return before === 'yes';
  const filter = { kinds: [10050, 10002, 0], authors: [identity.publicKey], limit: 1 };
  const asked = relays.own.map(({ url }) => relays.ask(url, [filter], ASK_MS, signal));
  const answers = (await Promise.all(asked)).filter((events) => events !== undefined);
  const known = answers.length === 0 || answers.some((events) => events.length > 0);
  if (!signal.aborted) meta.set(metaKey, known ? 'yes' : 'no');
  return known;
}

/** Tells admins, once a day at most, that somebody else uses the bot's key. */
export function guardOwnKey(
  parts: {
    readonly identity: Identity;
    readonly relays: Relays;
    readonly isOurs: (eventId: EventId) => boolean;
    readonly meta: Meta;
    readonly tellAdmins: (text: string) => void;
  },
  { clock, random, log, stopping: signal }: Basics,
): { readonly start: () => void; readonly onOwnCopy: (writtenAt: number) => void } {
  const { identity, relays, isOurs, meta } = parts;
  const startedAt = unixSeconds(clock);
  const onForeign = (use: ForeignUse) => {
    // The other one is the one that acts, or has a moment to hear that it is not.
    const tookOverAgo = clock.now() - actsSince(meta);
    if (knownFence(meta) !== undefined || Math.abs(tookOverAgo) < LEAVE_MS) return;
    if (!isDue(meta, clock)) return;
    log.warn({ use }, 'somebody else writes with the bot’s key');
    parts.tellAdmins(secondBotText(use));
  };
  return {
    start: () => watchOwnKey({ identity, relays: relays.own, isOurs, onForeign, clock, random, signal }),
    onOwnCopy: (writtenAt) => {
      if (writtenAt >= startedAt) onForeign('message');
    },
  };
}

const DAY_MS = 24 * 60 * 60_000;

function isDue(meta: Meta, clock: Clock): boolean {
  const key = 'told second bot';
  if (Math.abs(clock.now() - Number(meta.get(key) ?? 0)) < DAY_MS) return false;
  meta.set(key, String(clock.now()));
  return true;
}
