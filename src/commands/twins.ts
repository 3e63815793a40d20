import type { Logger } from '@nostr-dm-agent/kit/log';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import type { MessageLog, PublicKey, StoredMessage } from '@nostr-dm-agent/nostr';
import { ownerName } from '../replies/owner-name.ts';

/** What may become of a message that some clients send in both protocols at once. */
type Fate = {
  readonly act: () => void;
  /** It is the same message as another, which is acted on. */
  readonly drop: () => void;
};

/**
 * Makes one message of the same text that its sender's client sent by NIP-17 and by NIP-04 at once. It is answered by NIP-17,
 * so the old one waits a little for the new one, unless its sender writes in the old way alone. Two of one protocol are two.
 */
export type Twins = { readonly meet: (message: StoredMessage, fate: Fate) => void };

/** Between the times that the two state; clients send one after the other. */
const APART_S = 10;
/** It does nothing, and people repeat one to see whether the other protocol works. Any other command twice is done twice. */
const isProbe = (text: string): boolean => /^[!/]\s?(?:ping|status|version|help)[.!?]*$/i.test(text);
/** How long the old one waits. */
const HOLD_MS = 3_000;
const REMEMBERED_MS = 60_000;
const LOOKED_BACK = 20;

type Met = {
  readonly message: StoredMessage;
  readonly text: string;
  readonly at: number;
  readonly fate: Fate;
  hold: Cancel | undefined;
  paired: boolean;
};

export function createTwins(deps: {
  readonly messages: Pick<MessageLog, 'history'>;
  readonly log: Logger;
  readonly twinMs?: number;
  /** Ends waiting: what waits stays stored, and is acted on at the next start. */
  readonly signal: AbortSignal;
}): Twins {
  const { messages, log, twinMs: holdMs = HOLD_MS, signal } = deps;
  const lately = new Map<PublicKey, Met[]>();
  const startedAt = Date.now();

  const isTwin = (one: StoredMessage, text: string, other: StoredMessage): boolean =>
    other.protocol !== one.protocol &&
    Math.abs(other.createdAt - one.createdAt) <= APART_S &&
    normal(other.text) === text;
  /** One that an earlier life acted on. */
  const wasActedOn = (message: StoredMessage, text: string) =>
    messages
      .history(message.sender, LOOKED_BACK)
      .some(
        (other) => other.receivedAt < startedAt && other.seq < message.seq && isTwin(message, text, other),
      );
  const writesOldOnly = ({ sender, seq }: StoredMessage): boolean => {
    const before = messages.history(sender, LOOKED_BACK).filter((other) => other.seq < seq);
    return before.length > 0 && before.every(({ protocol }) => protocol === 'nip04');
  };
  const remember = (met: Met) => {
    const { sender } = met.message;
    const recent = (lately.get(sender) ?? []).filter(({ at }) => met.at - at < REMEMBERED_MS);
    lately.set(sender, [...recent, met]);
  };

  return {
    meet: (message, fate) => {
      const text = normal(message.text);
      const met: Met = { message, text, at: performance.now(), fate, hold: undefined, paired: false };
      if (isProbe(text)) {
        fate.act();
        return;
      }
      const twin = lately
        .get(message.sender)
        ?.find(
          (other) =>
            !other.paired &&
            met.at - other.at <= 1000 * APART_S + holdMs &&
            isTwin(message, text, other.message),
        );
      if (twin !== undefined) {
        twin.paired = true;
        log.info({ from: ownerName(message.sender) }, 'one message came by both protocols');
        if (twin.hold === undefined) {
          fate.drop();
          return;
        }
        twin.hold();
        twin.fate.drop();
        fate.act();
        return;
      }
      if (wasActedOn(message, text)) {
        fate.drop();
        return;
      }
      remember(met);
      if (message.protocol === 'nip17' || writesOldOnly(message)) {
        fate.act();
        return;
      }
      met.hold = after(holdMs, { name: 'waiting for the same by NIP-17', log, signal }, () => {
        met.hold = undefined;
        fate.act();
      });
    },
  };
}

const normal = (text: string): string => text.replace(/\s+/g, ' ').trim();
