import type { Logger } from '@nostr-dm-agent/kit/log';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import type { MessageLog, StoredMessage } from '@nostr-dm-agent/nostr';
import { ownerName } from '../replies/owner-name.ts';
import { areAlike, twinOf } from './twin-messages.ts';

/** What may become of a message that some clients send in both protocols at once. */
type Fate = {
  readonly act: () => void;
  /** It is the same message as another, which is acted on. */
  readonly drop: () => void;
};

/**
 * Makes one message of the same text that its sender's client sent by NIP-17 and by NIP-04 at once, however long one of them was
 * under way. It is answered by NIP-17, so the old one waits a little for the new one, unless its sender writes in the old way
 * alone, or has done so lately. Two of one protocol are two.
 */
export type Twins = { readonly meet: (message: StoredMessage, fate: Fate) => void };

/** It does nothing, and people repeat one to see whether the other protocol works. Any other command twice is done twice. */
const isProbe = (text: string): boolean => /^[!/]\s?(?:ping|status|version|help)[.!?]*$/i.test(text.trim());
/** How long the old one waits. */
const HOLD_MS = 3_000;
const LOOKED_BACK = 20;
/** After so many old ones without a twin, none is waited for. */
const LONE = 3;

export function createTwins(deps: {
  readonly messages: Pick<MessageLog, 'history' | 'near'>;
  readonly log: Logger;
  readonly twinMs?: number;
  /** Ends waiting: what waits stays stored, and is acted on at the next start. */
  readonly signal: AbortSignal;
}): Twins {
  const { messages, log, twinMs: holdMs = HOLD_MS, signal } = deps;
  /** By their numbers, those that wait. */
  const held = new Map<number, Fate & { readonly cancel: Cancel }>();

  const mayHaveTwin = ({ sender, seq, protocol }: StoredMessage): boolean => {
    if (protocol === 'nip17') return false;
    const before = messages.history(sender, LOOKED_BACK).filter((other) => other.seq < seq);
    const old = before.filter((each) => each.protocol === 'nip04');
    const lately = old.slice(-LONE);
    const areLone = lately.every((one) => !before.some((other) => areAlike(one, other)));
    const oldAlone = old.length > 0 && old.length === before.length;
    return !(oldAlone || (lately.length === LONE && areLone));
  };

  return {
    meet: (message, fate) => {
      const { seq, sender } = message;
      const twin = isProbe(message.text) ? undefined : twinOf(messages, message, seq);
      if (twin !== undefined) {
        log.info({ from: ownerName(sender) }, 'one message came by both protocols');
        const waiting = held.get(twin.seq);
        if (waiting === undefined) {
          fate.drop();
          return;
        }
        held.delete(twin.seq);
        waiting.cancel();
        waiting.drop();
        fate.act();
        return;
      }
      if (isProbe(message.text) || !mayHaveTwin(message)) {
        fate.act();
        return;
      }
      const cancel = after(holdMs, { name: 'waiting for the same by NIP-17', log, signal }, () => {
        held.delete(seq);
        fate.act();
      });
      held.set(seq, { ...fate, cancel });
    },
  };
}
