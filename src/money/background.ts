import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@nostr-dm-agent/kit/log';

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

  const guarded = async (what: string, task: () => Promise<void>): Promise<void> => {
    try {
      await task();
    } catch (error) {
      if (!signal.aborted) log.error({ error }, `${what} failed`);
    }
  };
  const pause = (ms: number): Promise<boolean> =>
    sleep(ms, true, { signal }).catch((error: unknown) => {
      if (signal.aborted) return false;
      throw error;
    });
  const run = (what: string, task: () => Promise<void>): void => {
    if (signal.aborted) return;
    const done: Promise<void> = guarded(what, task).finally(() => work.delete(done));
    work.add(done);
  };
  return {
    signal,
    run,
    repeat: (what, everyMs, task) =>
      run(what, async () => {
        while (await pause(everyMs)) await guarded(what, task);
      }),
    pause,
    close: async () => {
      ending.abort();
      await Promise.all(work);
    },
  };
}
