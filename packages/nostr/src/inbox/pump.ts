import type { NostrEvent } from '../nostr-types.ts';
import type { Lane, Urgency } from './lane.ts';

type PumpOptions = {
  readonly lanes: readonly Lane[];
  /** How long events are opened at a stretch, ms. */
  readonly sliceMs: number;
  readonly monotonic: () => number;
  readonly open: (lane: Lane, event: NostrEvent, urgency: Urgency) => void;
  readonly afterSlice: () => void;
};

/** Empties the lanes: live events before stored ones, the lanes in turn, as fast as each may be read. */
type Pump = {
  /** Something was queued. */
  readonly wake: () => void;
  readonly stop: () => void;
};

export function createPump({ lanes, sliceMs, monotonic, open, afterSlice }: PumpOptions): Pump {
  let turn = 0;
  let stopped = false;
  let pending: { readonly at: 'next round' | 'next token'; readonly cancel: () => void } | undefined;

  function takeNext(
    urgency: Urgency,
  ): { readonly lane: Lane; readonly event: NostrEvent; readonly urgency: Urgency } | undefined {
    for (let offset = 0; offset < lanes.length; offset += 1) {
      const index = (turn + offset) % lanes.length;
      const lane = lanes[index];
      const event = lane !== undefined && lane.bucket.waitMs() === 0 ? lane.take(urgency) : undefined;
      if (lane === undefined || event === undefined) continue;
      turn = index + 1;
      return { lane, event, urgency };
    }
    return undefined;
  }

  function slice(): void {
    pending = undefined;
    const end = monotonic() + sliceMs;
    do {
      const next = takeNext('live') ?? takeNext('backlog');
      if (next === undefined) break;
      open(next.lane, next.event, next.urgency);
    } while (monotonic() < end);
    afterSlice();
    wake();
  }

  function wake(): void {
    if (stopped || pending?.at === 'next round') return;
    const waits = lanes.filter((lane) => lane.size() > 0).map((lane) => lane.bucket.waitMs());
    if (waits.length === 0) return;
    const waitMs = Math.min(...waits);
    if (waitMs === 0) {
      pending?.cancel();
      const immediate = setImmediate(slice);
      pending = { at: 'next round', cancel: () => clearImmediate(immediate) };
    } else if (pending === undefined) {
      const timer = setTimeout(slice, waitMs);
      pending = { at: 'next token', cancel: () => clearTimeout(timer) };
    }
  }

  return {
    wake,
    stop: () => {
      stopped = true;
      pending?.cancel();
    },
  };
}
