import type { PublicKey } from '@nostr-dm-agent/nostr';

/**
 * Notices a client that answers each of the bot's messages by itself: an absence note or an echo that comes within seconds of
 * ours, one for one, again and again. Two programs would talk with each other for ever, and be paid for it. Only what is
 * repeated is braked: other words are a person's, or a script's that was written to say them, however fast they come.
 */
export type AutoReplyBrake = {
  /** The bot said something to somebody, in so many messages. */
  readonly said: (owner: PublicKey, text: string, messages: number) => void;
  /** A command came, which no client writes by itself. */
  readonly ordered: (owner: PublicKey) => void;
  /**
   * A plain message came. `began`: it and its like are not acted on from now on, which is said once; `on`: still; `off`: it is
   * acted on.
   */
  readonly hears: (owner: PublicKey, text: string) => 'off' | 'began' | 'on';
};

/** A client's answer comes within. */
const PROMPT_MS = 4_000;
/** So many alike. People type slower, and other things. */
const QUICK = { withinMs: 30_000, alike: 8 };
/** And where the work that each of them asks for takes its time. */
const SLOW = { withinMs: 60 * 60_000, alike: 20 };
/** So many messages of ours that nobody answered yet, and so many texts, are remembered. */
const REMEMBERED = 25;
/** An echo holds so much of what we said. */
const ECHOED = 40;
const ECHO = '(echo)';
/** Until nothing like it has come for so long. */
export const QUIET_MS = 30_000;

type Heard = { readonly at: number; readonly alike: string; readonly prompted: boolean };
type Talk = {
  unanswered: number[];
  heard: Heard[];
  said: string[];
  orderedAt: number;
  /** What is braked, and until when. */
  readonly braked: Map<string, number>;
};

export function createAutoReplyBrake(monotonic: () => number = () => performance.now()): AutoReplyBrake {
  const talks = new Map<PublicKey, Talk>();
  const talkWith = (owner: PublicKey): Talk => {
    const fresh = { unanswered: [], heard: [], said: [], orderedAt: 0, braked: new Map() };
    const talk = talks.get(owner) ?? fresh;
    talks.set(owner, talk);
    return talk;
  };
  return {
    said: (owner, text, messages) => {
      const talk = talkWith(owner);
      const now = monotonic();
      talk.unanswered = [...talk.unanswered, ...Array.from({ length: messages }, () => now)].slice(
        -REMEMBERED,
      );
      const beginning = essence(text).slice(0, ECHOED);
      if (beginning.length === ECHOED) talk.said = [...talk.said, beginning].slice(-REMEMBERED);
    },
    ordered: (owner) => {
      talkWith(owner).orderedAt = monotonic();
    },
    hears: (owner, text) => {
      const talk = talkWith(owner);
      const now = monotonic();
      const heard = essence(text);
      const alike = talk.said.some((ours) => heard.includes(ours)) ? ECHO : heard;
      for (const [each, until] of talk.braked) if (now >= until) talk.braked.delete(each);
      if (talk.braked.has(alike)) {
        talk.braked.set(alike, now + QUIET_MS);
        return 'on';
      }
      talk.unanswered = talk.unanswered.filter((at) => now - at < PROMPT_MS);
      const prompted = talk.unanswered.shift() !== undefined;
      talk.heard = [...talk.heard.filter(({ at }) => now - at < SLOW.withinMs), { at: now, alike, prompted }];
      const inARow = talk.heard.slice(talk.heard.findLastIndex((each) => !each.prompted) + 1);
      const alikeSince = (since: number): number =>
        inARow.filter((each) => each.alike === alike && each.at > since).length;
      const isQuick = alikeSince(now - QUICK.withinMs) >= QUICK.alike;
      if (!isQuick && alikeSince(talk.orderedAt) < SLOW.alike) return 'off';
      const isFirst = talk.braked.size === 0;
      talk.braked.set(alike, now + QUIET_MS);
      return isFirst ? 'began' : 'on';
    },
  };
}

/** Without what an absence note changes from one time to the next: the time of day, the date, spaces. */
const essence = (text: string): string =>
  text
    .slice(0, 2_000)
    .toLowerCase()
    .replace(
      /\d{4}-\d{2}-\d{2}(?:t[\d:.]+z?)?|\d{1,2}(?:[:.]\d{2}){1,2}(?:\s?[ap]m)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}/g,
      '#',
    )
    .replace(/\s+/g, ' ')
    .trim();
