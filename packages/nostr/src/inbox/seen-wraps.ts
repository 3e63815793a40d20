import type { Logger } from '@nostr-dm-agent/kit/log';
import type { EventId } from '../nostr-types.ts';
import type { SeenWrapStore } from './message-store.ts';

/** Which wraps were looked at: the newest in memory, all of the last days on disk. */
export type SeenWraps = {
  /** Asked of every raw frame, so memory alone answers. */
  readonly inMemory: (id: string) => boolean;
  readonly has: (id: EventId) => boolean;
  /** Remembers, and writes with the next batch. */
  readonly add: (id: EventId) => void;
  /** Remembers in memory alone: the store writes this one together with its message. */
  readonly hold: (id: EventId) => void;
  /** Undoes `hold`: its message could not be stored. */
  readonly release: (id: EventId) => void;
  readonly flush: () => void;
};

const BATCH = 500;

/** @param capacity how many ids are kept in memory (some 150 bytes each) */
export function createSeenWraps(store: SeenWrapStore, capacity: number, log: Logger): SeenWraps {
  const newest = new Set<string>(store.recentlySeen(capacity));
  // Once something was pushed out, a miss in memory proves nothing.
  let complete = newest.size < capacity;
  let batch = new Set<EventId>();

  const hold = (id: EventId) => {
    newest.add(id);
    if (newest.size <= capacity) return;
    const [oldest] = newest;
    if (oldest !== undefined) newest.delete(oldest);
    complete = false;
  };
  const flush = () => {
    if (batch.size === 0) return;
    const ids = [...batch];
    batch = new Set();
    try {
      store.markSeen(ids);
    } catch (error) {
      // They will be decrypted once more after a restart, nothing worse; keeping them would grow without end.
      log.error({ error, count: ids.length }, 'seen gift wraps could not be written');
    }
  };
  return {
    inMemory: (id) => newest.has(id),
    has: (id) => newest.has(id) || (!complete && (batch.has(id) || store.hasSeen(id))),
    add: (id) => {
      hold(id);
      batch.add(id);
      if (batch.size >= BATCH) flush();
    },
    hold,
    release: (id) => {
      newest.delete(id);
    },
    flush,
  };
}
