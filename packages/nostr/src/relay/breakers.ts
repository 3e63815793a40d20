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
    forget: (eventId) => {
      suspects.delete(eventId);
    },
  };
}
