import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { toDetail } from './cover-secrets.ts';

/** In the command line of the agent, and of everything that stands around it: shell, jail, supervisor. */
const ofAgents = ['--format\0json', '--output-format\0stream-json'];
/** What the programs of agents start for themselves. */
const helpers = new Set(['rg', 'git', 'bwrap', 'bun']);

type Entry = {
  readonly pid: number;
  readonly parent: number;
  readonly started: number;
  readonly line: string;
};

const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

const entryOf = async (pid: number): Promise<Entry | undefined> => {
  const status = await read(`/proc/${pid}/stat`);
  // proc(5): the name stands in parentheses and may hold anything; what follows the last one is state, ppid, …
  const [state, parent, ...rest] = status.slice(status.lastIndexOf(')') + 2).split(' ');
  if (parent === undefined || state === 'Z') return undefined;
  return { pid, parent: Number(parent), started: Number(rest[17]), line: await read(`/proc/${pid}/cmdline`) };
};

/** A shell's own argument is the command; any other program's are all of its words. */
const commandOf = (line: string): string => {
  const words = line.split('\0').filter((word) => word !== '');
  const isShell = /^(?:ba|z|da|k)?sh$/.test(basename(words[0] ?? ''));
  return (isShell && words[1] === '-c' ? words[2] : words.join(' ')) ?? '';
};

/**
 * The command that an agent has been at for the longest time, of those that are still running; also one that its shell
 * left in the background. Undefined when there is none, or where there is no `/proc`.
 * @param root the process that was started for the run
 */
export const runningCommand = async (root: number): Promise<string | undefined> => {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = (await Promise.all(pids.map(entryOf))).filter((entry) => entry !== undefined);
  const members = new Set([root]);
  for (let before = 0; before !== members.size; ) {
    before = members.size;
    for (const { pid, parent } of all) if (members.has(parent)) members.add(pid);
  }
  const commands = all
    .filter(
      ({ pid, line }) => members.has(pid) && line !== '' && !ofAgents.some((sign) => line.includes(sign)),
    )
    .filter(({ line }) => !helpers.has(basename(line.split('\0')[0] ?? '')))
    .sort((a, b) => a.started - b.started);
  const [first] = commands;
  return first === undefined ? undefined : toDetail(commandOf(first.line), 120) || undefined;
};
