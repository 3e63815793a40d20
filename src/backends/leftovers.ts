import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { type ProcessEntry, type ReadProcesses, readProcess, readProcesses } from './process-table.ts';

/** The variable that names the run in the environment of every process of it. */
export const markerVariable = 'NOSTR_DM_AGENT_RUN';

type ProcessIdentity = Pick<ProcessEntry, 'pid' | 'started'>;

type EndRunOptions = {
  readonly runId: string;
  /** The process that was started, if it is known: its descendants belong to the run even without the marker. */
  readonly root?: ProcessIdentity | undefined;
  /** How long a process may take to end after SIGTERM before it gets SIGKILL. */
  readonly graceMs?: number;
  /** What marks them, where it is not the run's own marker. */
  readonly marker?: string;
  /** Others that belong to it, of those that there are. */
  readonly also?: ((all: readonly ProcessEntry[]) => readonly ProcessEntry[]) | undefined;
  readonly read?: ReadProcesses;
  readonly signal?: AbortSignal;
};

/** Some processes of a run could not be ended. */
export class ProcessesRemainError extends Error {
  override readonly name = 'ProcessesRemainError';
  readonly runId: string;
  readonly pids: readonly number[];
  constructor(runId: string, pids: readonly number[]) {
    super(`${pids.length} processes of run ${runId} do not end`);
    this.runId = runId;
    this.pids = pids;
  }
}

const nameOf = ({ pid, started }: ProcessIdentity): string => `${pid}@${started}`;

/** False when it is gone already. */
const send = (pid: number, kind: 'SIGTERM' | 'SIGKILL'): boolean => {
  try {
    return process.kill(pid, kind);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
};

/** Those that carry the marker, that were known to belong already, and the children of all of these. */
const belonging = (
  all: readonly ProcessEntry[],
  known: ReadonlySet<string>,
  also: readonly ProcessEntry[],
): readonly ProcessEntry[] => {
  const members = new Map<number, ProcessEntry>(also.map((entry) => [entry.pid, entry]));
  for (const entry of all) if (entry.marked || known.has(nameOf(entry))) members.set(entry.pid, entry);
  for (let before = -1; before !== members.size; ) {
    before = members.size;
    for (const entry of all) if (members.has(entry.parent)) members.set(entry.pid, entry);
  }
  members.delete(process.pid);
  return [...members.values()];
};

/**
 * Ends every process of a run: SIGTERM, and SIGKILL for what is left after the grace, looking again until nothing is
 * found. An agent's shell children leave its process group and its tree, so they are known by the marker in their
 * environment as well as by descent. Nothing else is ever touched: a pid counts only together with its start time.
 * Resolves with the number of processes that were told to end; throws `ProcessesRemainError` when some do not.
 */
export const endRun = async (options: EndRunOptions): Promise<number> => {
  const { runId, root, graceMs = 3000, read = readProcesses, signal, also = () => [] } = options;
  const marker = options.marker ?? `${markerVariable}=${runId}`;
  const known = new Set<string>(root === undefined ? [] : [nameOf(root)]);
  const asked = new Set<string>();
  const graceEnds = Date.now() + graceMs;
  const giveUp = graceEnds + 10_000;
  for (let round = 0; ; round++) {
    signal?.throwIfAborted();
    const all = await read(marker);
    const members = belonging(all, known, also(all));
    if (members.length === 0) return asked.size;
    if (Date.now() > giveUp)
      throw new ProcessesRemainError(
        runId,
        members.map(({ pid }) => pid),
      );
    const patient = Date.now() < graceEnds;
    for (const member of members) {
      const name = nameOf(member);
      known.add(name);
      if (patient && asked.has(name)) continue;
      send(member.pid, patient ? 'SIGTERM' : 'SIGKILL');
      asked.add(name);
    }
    await sleep(Math.min(20 * 2 ** round, 250));
  }
};

/** The lasting name of a living process, or undefined when it is gone. */
export const identify = async (pid: number): Promise<ProcessIdentity | undefined> => {
  const entry = await readProcess(pid);
  return entry === undefined ? undefined : { pid, started: entry.started };
};
