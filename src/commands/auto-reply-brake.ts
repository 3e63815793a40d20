import type { PublicKey } from '@nostr-dm-agent/nostr';

/**
 * Notices a client that answers each of the bot's messages by itself: plain messages that come within seconds of ours, one
 * for one, all alike or many in a row. Two programs would talk with each other for ever, and be paid for it.
 */
export type AutoReplyBrake = {
  /** The bot said something to somebody. */
  readonly said: (owner: PublicKey, messages: number) => void;
  /** A plain message came. `began`: from now on they are not acted on; `on`: still; `off`: it is acted on. */
  readonly hears: (owner: PublicKey, text: string) => 'off' | 'began' | 'on';
};

/** A client's answer comes within. */
const PROMPT_MS = 4_000;
const WINDOW_MS = 30_000;
/** So many alike, or so many whatever they say. People type slower, and other things. */
const ALIKE = 8;
const MANY = 25;
/** Until nothing has come for so long. */
export const QUIET_MS = 30_000;

type Heard = { readonly at: number; readonly alike: string; readonly prompted: boolean };
type Talk = { unanswered: number[]; heard: Heard[]; brakedUntil: number };

export function createAutoReplyBrake(monotonic: () => number = () => performance.now()): AutoReplyBrake {
  const talks = new Map<PublicKey, Talk>();
  const talkWith = (owner: PublicKey): Talk => {
    const talk = talks.get(owner) ?? { unanswered: [], heard: [], brakedUntil: 0 };
    talks.set(owner, talk);
    return talk;
  };
  return {
    said: (owner, messages) => {
      const talk = talkWith(owner);
      const now = monotonic();
      talk.unanswered = [...talk.unanswered, ...Array.from({ length: messages }, () => now)].slice(-MANY);
    },
    hears: (owner, text) => {
      const talk = talkWith(owner);
      const now = monotonic();
      if (now < talk.brakedUntil) {
        talk.brakedUntil = now + QUIET_MS;
        return 'on';
      }
      talk.unanswered = talk.unanswered.filter((at) => now - at < PROMPT_MS);
      const prompted = talk.unanswered.shift() !== undefined;
      const alike = text.toLowerCase().replace(/\s+/g, ' ').trim().slice(0, 60);
      talk.heard = [...talk.heard.filter(({ at }) => now - at < WINDOW_MS), { at: now, alike, prompted }];
      const inARow = talk.heard.slice(talk.heard.findLastIndex((each) => !each.prompted) + 1);
      const same = inARow.filter((each) => each.alike === alike).length;
      if (same < ALIKE && inARow.length < MANY) return 'off';
      talk.brakedUntil = now + QUIET_MS;
      talk.heard = [];
      return 'began';
    },
  };
}
