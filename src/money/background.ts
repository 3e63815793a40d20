import { pause } from '@nostr-dm-agent/kit/abort';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { every } from '@nostr-dm-agent/kit/timers';

/** Work that nobody waits for but `close`. What fails is logged and ends nothing else. */
export type Background = {
  /** Aborted by `close`. */
  readonly signal: AbortSignal;
  readonly run: (what: string, task: () => Promise<void>) => void;
  /** Again and again, `everyMs` after the last time ended; the first time after as long. */
  readonly repeat: (what: string, everyMs: number, task: () => Promise<void>) => void;
  /** Resolves after `ms`, with false when that was cut short by `close`. */
  readonly pause: (ms: number) => Promise<boolean>;
  readonly close: () => Promise<void>;
};

export function createBackground(log: Logger): Background {
  const ending = new AbortController();
  const { signal } = ending;
  const work = new Set<Promise<void>>();

  const run = async (what: string, task: () => Promise<void>): Promise<void> => {
    if (signal.aborted) return;
    const guarded = async () => {
      try {
        await task();
      } catch (error) {
        if (!signal.aborted) log.error({ error }, `${what} failed`);
      }
    };
    const done = guarded().finally(() => work.delete(done));
    work.add(done);
    await done;
  };
  return {
    signal,
    run: (what, task) => void run(what, task),
    repeat: (what, everyMs, task) => {
      every(everyMs, { name: what, log, signal }, () => run(what, task));
    },
    pause: (ms) => pause(ms, signal),
    close: async () => {
      ending.abort();
      await Promise.all(work);
    },
  };
}
