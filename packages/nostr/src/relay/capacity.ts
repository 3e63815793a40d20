import { type Breakers, createBreakers } from './breakers.ts';
import type { RelayInformation } from './relay-information.ts';

/** What one relay takes, as it says itself (NIP-11) and as it was found out. */
export type RelayCapacity = {
  readonly information: () => RelayInformation | undefined;
  readonly inform: (information: RelayInformation | undefined) => void;
  /** The largest event that it takes, in bytes of its JSON; undefined: nothing is known against any. */
  readonly maxEventBytes: () => number | undefined;
  readonly maxContentLength: () => number | undefined;
  /** Bits of proof of work (NIP-13) that its events need. */
  readonly pow: () => number;
  /** Whether it took an event of this size, or a larger one. */
  readonly hasTaken: (bytes: number) => boolean;
  /** It took an event of this size. */
  readonly took: (bytes: number) => void;
  /** It did not, for its size. */
  readonly refused: (bytes: number) => void;
  readonly wantsPow: (bits: number) => void;
  /** The events over which connections to it broke. */
  readonly breakers: Breakers;
};

/** `["EVENT",…]` around an event. */
const FRAME_BYTES = 12;
/** What is never believed to be too much: smaller, and nothing could be said at all. */
export const LEAST_EVENT_BYTES = 2_500;
const LEAST_CONTENT = 2_000;

/** What a relay wants was true then; a guess at a limit is forgotten after that, ms: the connection may have had other reasons to break. */
const GUESS_MS = 6 * 60 * 60_000;

export function createRelayCapacity(monotonic: () => number = () => performance.now()): RelayCapacity {
  let information: RelayInformation | undefined;
  let largestTaken = 0;
  let learnt: number | undefined;
  let learntUntil = 0;
  let learntPow = { bits: 0, until: 0 };
  const learntNow = () => (monotonic() < learntUntil ? learnt : undefined);
  return {
    breakers: createBreakers(monotonic),
    information: () => information,
    inform: (found) => {
      information = found ?? information;
    },
    maxEventBytes: () => {
      const stated = information?.maxMessageLength;
      const known = [stated === undefined ? undefined : stated - FRAME_BYTES, learntNow()].filter(
        (limit) => limit !== undefined,
      );
      return known.length === 0 ? undefined : Math.max(LEAST_EVENT_BYTES, Math.min(...known));
    },
    maxContentLength: () => {
      const stated = information?.maxContentLength;
      return stated && Math.max(LEAST_CONTENT, stated);
    },
    pow: () => Math.max(information?.minPow ?? 0, monotonic() < learntPow.until ? learntPow.bits : 0),
    hasTaken: (bytes) => bytes <= largestTaken,
    took: (bytes) => {
      largestTaken = Math.max(largestTaken, bytes);
      if (learnt !== undefined && learnt < bytes) learnt = bytes;
    },
    refused: (bytes) => {
      // Where the limit lies between what it took and what it did not is unknown: half is a guess that gets there soon.
      const guess = Math.max(Math.min(largestTaken, bytes - 1), Math.floor(bytes / 2));
      learnt = Math.min(learntNow() ?? Number.POSITIVE_INFINITY, Math.max(LEAST_EVENT_BYTES, guess));
      learntUntil = monotonic() + GUESS_MS;
    },
    wantsPow: (bits) => {
      learntPow = { bits: Math.max(learntPow.bits, bits), until: monotonic() + GUESS_MS };
    },
  };
}

/** Whether a relay refuses an event for its size; no machine-readable prefix says this, the wordings are those in use. */
export const refusesSize = (message: string): boolean =>
  /too (?:large|big|long)|(?:exceeds?|over|above|max(?:imum)?)\b.{0,40}\b(?:size|length|bytes|limit)|(?:size|length|bytes)\b.{0,40}\b(?:exceed|limit|max)/i.test(
    message,
  ) && !/rate|created_at|timestamp|tags|subscription|filter/i.test(message);

const asksForWork = (message: string): boolean => /^pow:|proof.of.work|\bpow\b/i.test(message);

/** What is tried with a relay that wants proof of work and does not say how much. */
const POW_STEPS = [8, 12, 16, 20];

/**
 * The bits of proof of work that a refusal asks for; when it does not say how many, more than `before`. Undefined when it asks
 * for none, or nothing is left to try.
 */
export function powIn(message: string, before = 0): number | undefined {
  if (!asksForWork(message)) return undefined;
  const stated = [...message.matchAll(/\d{1,3}/g)].map(([digits]) => Number(digits));
  const bits = stated.filter((each) => each <= 256);
  // `difficulty 25>=24 is required`, `3 bits of 16`: the one it has is the smaller one, or it would do.
  return bits.length === 0 ? POW_STEPS.find((step) => step > before) : Math.max(...bits);
}
