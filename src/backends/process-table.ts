import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { errorCode } from '@nostr-dm-agent/kit/error-code';

/** A process as one look at the system saw it. `pid` with `started` names it for ever: a pid alone is reused. */
export type ProcessEntry = {
  readonly pid: number;
  readonly parent: number;
  /** Start time in the system's own unit; only ever compared. */
  readonly started: string;
  /** Carries the marker that was asked for in its environment. */
  readonly marked: boolean;
};

/** Living processes (zombies are not), with whether their environment holds the entry `marker` (`NAME=value`). */
export type ReadProcesses = (marker: string) => Promise<readonly ProcessEntry[]>;

/** Errors that mean: gone meanwhile, or somebody else's process, whose environment is not ours to see. */
const hidden = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EIO']);
const readIfVisible = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hidden.has(errorCode(error) ?? '')) return undefined;
    throw error;
  }
};

const readLinuxProcess = async (pid: number, marker: string): Promise<ProcessEntry | undefined> => {
  const status = await readIfVisible(`/proc/${pid}/stat`);
  if (status === undefined) return undefined;
  // proc(5): the name stands in parentheses and may hold anything; what follows the last one is state, ppid, …
  const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
  const [state, parent] = fields;
  const started = fields[19];
  if (started === undefined || state === 'Z' || state === 'X') return undefined;
  const environment = await readIfVisible(`/proc/${pid}/environ`);
  const marked = environment?.split('\0').includes(marker) ?? false;
  return { pid, parent: Number(parent), started, marked };
};

/** Reads `/proc`. */
const readLinuxProcesses: ReadProcesses = async (marker) => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map((pid) => readLinuxProcess(pid, marker)));
  return found.filter((entry) => entry !== undefined);
};

/** `pid ppid stat lstart(5 words) command environment` of `ps -axwwE`. */
const psLine = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\d+\s+[\d:]+\s+\d+)\s(.*)$/;

/** Understands the output of the `ps` call that `readPsProcesses` makes. */
export const parsePs = (output: string, marker: string): readonly ProcessEntry[] =>
  output.split('\n').flatMap((line) => {
    const [, pid, parent, state, started, rest] = psLine.exec(line) ?? [];
    if (pid === undefined || started === undefined || rest === undefined || state?.startsWith('Z')) return [];
    const marked = rest.split(/\s+/).includes(marker);
    return [{ pid: Number(pid), parent: Number(parent), started: started.replace(/\s+/g, ' '), marked }];
  });

/** Where there is no `/proc` (macOS): `ps`, which shows the environment of one's own processes with -E. */
const readPsProcesses: ReadProcesses = async (marker) => {
  const { stdout } = await promisify(execFile)(
    '/bin/ps',
    ['-axww', '-E', '-o', 'pid=,ppid=,stat=,lstart=,command='],
    { maxBuffer: 64 * 1024 * 1024, timeout: 10_000, env: { LC_ALL: 'C' } },
  );
  return parsePs(stdout, marker);
};

/** Looks at one process alone, where that is possible: a look at all of them reads hundreds of files. */
export const readProcess = async (pid: number): Promise<ProcessEntry | undefined> =>
  process.platform === 'linux'
    ? readLinuxProcess(pid, '')
    : (await readPsProcesses('')).find((entry) => entry.pid === pid);

/** The way to look at the processes of this system. */
export const readProcesses: ReadProcesses =
  process.platform === 'linux' ? readLinuxProcesses : readPsProcesses;
