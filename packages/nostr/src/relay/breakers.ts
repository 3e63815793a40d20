/** The events over which the connection to a relay broke. */
export type Breakers = {
  /**
   * The connection ended while this one had no answer. `alone`: nothing else was under way, so it was this one.
   * @returns whether it is held back from now on
   */
  readonly broke: (eventId: string, alone: boolean) => boolean;
  /** It may have been this one: it is sent when nothing else is under way. */
  readonly isSuspect: (eventId: string) => boolean;
  /** It was this one, twice: it is not sent for a while. */
  readonly isHeld: (eventId: string) => boolean;
  /** It was sent at that time (monotonic ms) and not answered. @returns when it was sent first, if that was not answered either */
  readonly unanswered: (eventId: string, sentAt: number) => number | undefined;
  /** It was answered. */
  readonly forget: (eventId: string) => void;
};

const BREAKS = 2;
const REMEMBERED = 500;
/** A connection may have broken for other reasons: it is tried again, but not soon, and each time later. */
const HOLD_MS = 10 * 60_000;
const LONGEST_HOLD_MS = 6 * 60 * 60_000;

export function createBreakers(monotonic: () => number): Breakers {
  const suspects = new Map<string, { readonly breaks: number; readonly heldUntil: number }>();
  const silent = new Map<string, number>();
  return {
    broke: (eventId, alone) => {
      const breaks = (suspects.get(eventId)?.breaks ?? 0) + 1;
      const hold = breaks >= BREAKS && alone;
      const holdMs = Math.min(LONGEST_HOLD_MS, HOLD_MS * 2 ** Math.max(0, breaks - BREAKS));
      suspects.delete(eventId);
      suspects.set(eventId, { breaks, heldUntil: hold ? monotonic() + holdMs : 0 });
      const [oldest] = suspects.keys();
      if (suspects.size > REMEMBERED && oldest !== undefined) suspects.delete(oldest);
      return hold;
    },
    isSuspect: (eventId) => suspects.has(eventId),
    isHeld: (eventId) => monotonic() < (suspects.get(eventId)?.heldUntil ?? 0),
    unanswered: (eventId, sentAt) => {
      const first = silent.get(eventId);
      if (first !== undefined) return first;
      silent.set(eventId, sentAt);
      const [oldest] = silent.keys();
      if (silent.size > REMEMBERED && oldest !== undefined) silent.delete(oldest);
      return undefined;
    },
    forget: (eventId) => {
      silent.delete(eventId);
      suspects.delete(eventId);
    },
  };
}
