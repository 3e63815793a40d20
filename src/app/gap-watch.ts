import type { Clock } from '@nostr-dm-agent/kit/clock';

/**
 * Notices that this program stood still: both clocks are looked at by whoever asks, for after a gap nobody knows which timer fires
 * first. SIGSTOP: the monotonic one has gone on. A machine that slept: perhaps the wall's alone. One that was set counts as well.
 *
 * @param gapMs asked more often than that, whatever is longer is a gap
 * @returns gives the length of the gap since it was called last, in ms; undefined: there was none
 */
export function watchGaps(clock: Clock, monotonic: () => number, gapMs: number): () => number | undefined {
  let last = { wall: clock.now(), mono: monotonic() };
  return () => {
    const now = { wall: clock.now(), mono: monotonic() };
    const gap = Math.max(Math.abs(now.wall - last.wall), now.mono - last.mono);
    last = now;
    return gap > gapMs ? Math.round(gap) : undefined;
  };
}
