import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { PublicKey, Refusal, StoredMessage } from '@nostr-dm-agent/nostr';
import { isOlderThanHome } from '@nostr-dm-agent/nostr';
import { clockAheadText, refusalText } from '../replies/refusal-replies.ts';
import { type Messenger, replyTo } from '../runs/messenger.ts';
import type { Meta } from '../store/meta-table.ts';

/** Sees to it that no owner meets silence: what was not acted on is answered, what is odd is told. */
export type RefusedMessages = {
  readonly refused: (refusal: Refusal) => void;
  /** A message that is acted on, but for whose clock something is to be said. */
  readonly noteClock: (message: StoredMessage) => void;
};

const DAY_MS = 24 * 60 * 60_000;
const HOUR_MS = 60 * 60_000;
/** Of one kind to one owner within an hour: an app that sends one a second shall not be answered each time. */
const MOST_PER_HOUR = 5;
const WORTH_TELLING_S = 3 * 60;

export function createRefusedMessages(deps: {
  readonly messenger: Messenger;
  readonly meta: Meta;
  /** Unix ms: when this home was made. */
  readonly homeMadeAt: number;
  /** How far this machine's clock is ahead of the world's, ms; undefined: unknown. */
  readonly ownClockAheadMs: () => number | undefined;
  readonly clock: Clock;
}): RefusedMessages {
  const { messenger, meta, clock } = deps;
  const told = new Map<string, number[]>();

  /** Once in a while, over restarts. */
  const isDue = (owner: PublicKey, what: string, everyMs: number): boolean => {
    const key = `told ${owner} ${what}`;
    const last = Number(meta.get(key) ?? 0);
    // A clock that was set back does not make silence last for ever.
    if (Math.abs(clock.now() - last) < everyMs) return false;
    meta.set(key, String(clock.now()));
    return true;
  };
  const isBelowMost = ({ sender, reason }: Refusal): boolean => {
    const key = `${sender} ${reason}`;
    const recent = (told.get(key) ?? []).filter((at) => performance.now() - at < HOUR_MS);
    const below = recent.length < MOST_PER_HOUR;
    told.set(key, below ? [...recent, performance.now()] : recent);
    return below;
  };

  return {
    refused: (refusal) => {
      const { sender, protocol, relay, reason, kind, createdAt } = refusal;
      if (createdAt !== undefined && isOlderThanHome({ createdAt }, deps.homeMadeAt)) return;
      // An app sends such things by itself, again and again.
      const due = reason === 'other-kind' ? isDue(sender, `kind ${kind}`, DAY_MS) : isBelowMost(refusal);
      if (due) messenger.send({ publicKey: sender, protocol, fallbackRelays: [relay] }, refusalText(refusal));
    },
    noteClock: (message) => {
      const ahead = (message.aheadSeconds ?? 0) + Math.round((deps.ownClockAheadMs() ?? 0) / 1000);
      if (message.aheadSeconds === undefined || ahead < WORTH_TELLING_S) return;
      if (isDue(message.sender, 'clock', DAY_MS)) messenger.send(replyTo(message), clockAheadText(ahead));
    },
  };
}
