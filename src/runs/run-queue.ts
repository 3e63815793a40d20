import { executeRun, type RunDeps } from './execute-run.ts';
import type { Run, RunOrder, StopReason } from './run.ts';

/** Tasks of one session run one after another; different sessions side by side, up to `concurrency`. */
export type RunQueue = {
  /** Puts a task in the stored queue; may be part of the caller's transaction. It is started right after. */
  readonly enqueue: (order: RunOrder) => Run;
  /** Every run that is not done: those in hand first, then those waiting, each in order. */
  readonly list: () => readonly Run[];
  /** Ends a run in hand; false when it isn't in hand. Its reply follows when it has been settled. */
  readonly stop: (runId: string) => boolean;
  /** Takes a waiting task off the queue; false when it isn't waiting (any more). */
  readonly drop: (runId: string) => boolean;
  /** Begins to take tasks; before that they are only stored. */
  readonly start: () => void;
  /** Takes no more tasks and ends those in hand; resolves when they are settled and answered. */
  readonly close: () => Promise<void>;
};

export function createRunQueue(
  deps: RunDeps & { readonly concurrency: number; readonly newId: () => string },
): RunQueue {
  const inHand = new Map<
    string,
    { readonly session: string; readonly controller: AbortController; done: Promise<void> }
  >();
  let taking = false;
  let kicked = false;

  const kick = () => {
    if (!taking || kicked) return;
    kicked = true;
    // After the caller's transaction, which may still be open here.
    queueMicrotask(() => {
      kicked = false;
      take();
    });
  };

  const take = () => {
    if (!taking || inHand.size >= deps.concurrency) return;
    const busy = new Set([...inHand.values()].map(({ session }) => session));
    for (const run of deps.runs.open()) {
      if (inHand.size >= deps.concurrency) return;
      if (run.state !== 'queued' || busy.has(run.session)) continue;
      busy.add(run.session);
      begin(run);
    }
  };

  const begin = (run: Run) => {
    const controller = new AbortController();
    const entry = { session: run.session, controller, done: Promise.resolve() };
    inHand.set(run.id, entry);
    entry.done = executeRun(run, deps, controller.signal)
      .catch((cause: unknown) => deps.log.error({ cause, run: run.id }, 'a run could not be concluded'))
      .finally(() => {
        inHand.delete(run.id);
        kick();
      });
  };

  const end = (runId: string, reason: StopReason) => {
    const entry = inHand.get(runId);
    entry?.controller.abort(reason);
    return entry !== undefined;
  };

  return {
    enqueue: (order) => {
      const run = deps.runs.enqueue(deps.newId(), order, deps.clock.now());
      kick();
      return run;
    },
    list: () => {
      const open = deps.runs.open();
      return [
        ...open.filter(({ state }) => state !== 'queued'),
        ...open.filter(({ state }) => state === 'queued'),
      ];
    },
    stop: (runId) => end(runId, 'stopped'),
    drop: (runId) => {
      const run = deps.runs.get(runId);
      if (run?.state !== 'queued' || inHand.has(runId)) return false;
      const target = { id: run.message, author: run.owner, kind: run.messageKind };
      deps.runs.finish(runId, {
        outcome: 'dropped',
        answer: undefined,
        result: undefined,
        endedAt: deps.clock.now(),
      });
      deps.messenger.react(
        {
          publicKey: run.owner,
          protocol: run.protocol,
          fallbackRelays: run.fallbackRelays,
          inReplyTo: run.message,
        },
        target,
        '❌',
      );
      return true;
    },
    start: () => {
      taking = true;
      kick();
    },
    close: async () => {
      taking = false;
      for (const runId of inHand.keys()) end(runId, 'interrupted');
      await Promise.all([...inHand.values()].map(({ done }) => done));
    },
  };
}
