import { conclude, type Ending } from './conclude.ts';
import type { Settlement } from './provider.ts';
import type { Run, RunOutcome } from './run.ts';
import type { RunDeps } from './run-deps.ts';

export type Recovered = {
  /** Runs that were under way when an earlier life of the bot ended. */
  readonly interrupted: number;
  /** Tasks that had waited for too long and were taken off the queue. */
  readonly missed: number;
  /** What the providers brought home, a line each. */
  readonly lines: readonly string[];
};

/**
 * Ends what is left of the agents of an earlier life: one that is still alive is still spending. Before anything else
 * is looked at.
 * @returns how many processes there were
 */
export async function endLeftovers(
  { stores: { runs }, backends }: Pick<RunDeps, 'stores' | 'backends'>,
  signal: AbortSignal,
): Promise<number> {
  let processes = 0;
  for (const backend of backends.values()) processes += (await backend.endLeftServers?.(signal)) ?? 0;
  for (const run of runs.open()) {
    if (run.state === 'queued') continue;
    for (const backend of backends.values()) processes += await backend.endLeftovers(run.id, signal);
  }
  return processes;
}

/**
 * At start, after `endLeftovers` and before any message is acted on: settles the runs of an earlier life and tells their
 * owners. Nothing is run again by itself. Tasks that only waited stay in the queue, unless they waited longer than
 * `catchupMs`.
 */
export async function recoverRuns(deps: RunDeps, catchupMs: number, signal: AbortSignal): Promise<Recovered> {
  const open = deps.stores.runs.open();
  const left = open.filter(({ state }) => state !== 'queued');
  const late = open.filter(
    ({ state, queuedAt }) => state === 'queued' && deps.clock.now() - queuedAt > catchupMs,
  );

  const lines: string[] = [];
  for (const provider of deps.providers.providers.values()) lines.push(...(await provider.recover(signal)));
  for (const run of left) close(run, endingOf(run), await settleLeftover(run, deps), deps);
  for (const run of late) close(run, without('missed'), undefined, deps);
  return { interrupted: left.length, missed: late.length, lines };
}

const without = (outcome: RunOutcome): Ending => ({ outcome, answer: undefined, result: undefined });

/** A run that was killed while it settled has its answer already. */
const endingOf = ({ state, outcome, answer, result, told }: Run): Ending =>
  state === 'settling' && outcome !== undefined
    ? { outcome, answer, result }
    : { ...without('interrupted'), answer: told };

async function settleLeftover(run: Run, deps: RunDeps): Promise<Settlement> {
  const provider = run.provider === undefined ? undefined : deps.providers.providers.get(run.provider);
  try {
    return await provider?.finalizeRun(run.id, AbortSignal.timeout(deps.limits.settleMs));
  } catch (cause) {
    deps.log.error(
      { cause, run: run.id, provider: run.provider },
      'a left-over run could not be settled yet',
    );
    return undefined;
  }
}

const close = (run: Run, ending: Ending, settlement: Settlement, deps: RunDeps): void =>
  conclude(run.id, ending, settlement, timesOf(run.startedAt ?? deps.clock.now()), deps);

const timesOf = (startedAt: number) => ({ startedAt, since: startedAt });
