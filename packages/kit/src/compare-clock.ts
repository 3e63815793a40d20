import type { Clock } from './clock.ts';
import { outwardFetch } from './net/way-out.ts';

/** Somebody whose clock is asked: a mint, a node, a relay. */
export type TimeSource = { readonly name: string; readonly url: string };

/** How this machine's clock compares with others'. */
export type ClockFinding = {
  /** Of all that answered the middle one, ms; positive: this machine is ahead. */
  readonly aheadMs: number;
  /** Who says so. */
  readonly sources: readonly string[];
};

const TIMEOUT_MS = 8_000;
/** Below that nothing is wrong: phones and servers differ by as much. */
export const CLOCK_TOLERANCE_MS = 2 * 60_000;

/**
 * Asks for the date that each source puts on an answer, whatever it answers. Undefined when none could be asked.
 * One that is wrong by itself does not count: the middle one does.
 */
export async function compareClock(
  sources: readonly TimeSource[],
  clock: Clock,
  signal: AbortSignal,
): Promise<ClockFinding | undefined> {
  const ask = async ({ name, url }: TimeSource) => {
    try {
      const sentAt = clock.now();
      const response = await outwardFetch(url.replace(/^ws/, 'http'), {
        // What a relay answers to without speaking WebSocket (NIP-11); nobody else minds.
        headers: { accept: 'application/nostr+json' },
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      const ahead = clockAheadOf(response, sentAt, clock.now());
      await response.body?.cancel();
      return ahead === undefined ? undefined : { name, ahead };
    } catch {
      // Out of reach: the others may answer.
      return undefined;
    }
  };
  const answers = (await Promise.all(sources.map(ask))).filter((answer) => answer !== undefined);
  const sorted = answers.toSorted((a, b) => a.ahead - b.ahead);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) return undefined;
  const agree = sorted.filter(({ ahead }) => Math.abs(ahead - middle.ahead) <= CLOCK_TOLERANCE_MS);
  return { aheadMs: middle.ahead, sources: agree.map(({ name }) => name) };
}

/**
 * How far our clock is ahead of the one that dated an answer, ms. The date has whole seconds and lies between sending and
 * receiving: what that explains is 0.
 */
export function clockAheadOf(response: Response, sentAt: number, receivedAt: number): number | undefined {
  const date = Date.parse(response.headers.get('date') ?? '');
  if (Number.isNaN(date)) return undefined;
  if (sentAt > date + 1000) return sentAt - (date + 1000);
  return receivedAt < date ? receivedAt - date : 0;
}
