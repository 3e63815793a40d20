import type { Settlement } from '../providers/types.ts';
import { finalReply } from '../replies/run.ts';
import { type RunDeps, recipientOf } from './execute.ts';
import type { Run, RunOutcome } from './types.ts';

export type Recovered = {
  /** Runs that were in hand when an earlier life of the bot ended. */
  readonly interrupted: number;
  /** Processes of theirs that were still alive and were ended. */
  readonly processes: number;
  /** Tasks that had waited for too long and were taken off the queue. */
  readonly missed: number;
  /** What the providers brought home, a line each. */
  readonly lines: readonly string[];
};

/**
 * At start, before any message is acted on: ends what is left of the agents, settles their runs and tells their owners.
 * Nothing is run again by itself. Tasks that only waited stay in the queue, unless they waited longer than `catchupMs`.
 */
export async function recoverRuns(
  deps: RunDeps & { readonly catchupMs: number },
  signal: AbortSignal,
): Promise<Recovered> {
  const open = deps.runs.open();
  const left = open.filter(({ state }) => state !== 'queued');
  const late = open.filter(
    ({ state, queuedAt }) => state === 'queued' && deps.clock.now() - queuedAt > deps.catchupMs,
  );

  // The agents first: one that is still alive is still spending.
  let processes = 0;
  for (const run of left) {
    for (const backend of deps.backends.values()) processes += await backend.endLeftovers(run.id, signal);
  }
  const lines: string[] = [];
  for (const provider of deps.providers.values()) lines.push(...(await provider.recover(signal)));
  for (const run of left) {
    close(run, 'interrupted', await settleLeftover(run, deps), deps);
  }
  for (const run of late) close(run, 'missed', undefined, deps);
  return { interrupted: left.length, processes, missed: late.length, lines };
}

async function settleLeftover(run: Run, deps: RunDeps): Promise<Settlement> {
  const provider = run.provider === undefined ? undefined : deps.providers.get(run.provider);
  try {
    return await provider?.finalizeRun(run.id, AbortSignal.timeout(deps.settleMs));
  } catch (cause) {
    deps.log.error(
      { cause, run: run.id, provider: run.provider },
      'a left-over run could not be settled yet',
    );
    return undefined;
  }
}

function close(run: Run, outcome: RunOutcome, settlement: Settlement, deps: RunDeps): void {
  const endedAt = deps.clock.now();
  deps.atomically(() => {
    deps.runs.finish(run.id, { outcome, answer: undefined, result: undefined, endedAt });
    const done = deps.runs.get(run.id) ?? run;
    const to = recipientOf(run);
    deps.correspondence.send(to, finalReply(done, endedAt - (run.startedAt ?? endedAt), settlement));
    deps.correspondence.react(to, { id: run.message, author: run.owner, kind: run.messageKind }, '❌');
  });
}
