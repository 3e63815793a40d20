import { homedir } from 'node:os';
import type { AgentHost } from '../../config/agent-hosts.ts';
import { toDetail } from '../cover-secrets.ts';
import { pick } from '../jail/environment.ts';
import { testedOpencode } from '../opencode-binary.ts';
import {
  type AwayReason,
  lookCommand,
  readSshEnd,
  type SshFiles,
  sshArguments,
  sshVariables,
} from './ssh-command.ts';

/** A host as it was found. */
export type HostLook =
  | { readonly state: 'away'; readonly why: AwayReason; readonly detail: string | undefined }
  /** `freeBytes`: where workspaces are; undefined: it could not be found out. */
  | { readonly state: 'there'; readonly opencode: string; readonly freeBytes: number | undefined };

const away = (why: AwayReason, said: string): HostLook => ({ state: 'away', why, detail: toDetail(said) });

const longestMs = 30_000;
const mostSaid = 64 * 1024;

/**
 * Looks at a host from here, by a connection of its own: nothing is put there, and a bot that is connected to it goes on.
 * @throws the signal's reason
 */
export async function lookAtHost(
  host: AgentHost,
  { files, ambient }: { readonly files: SshFiles; readonly ambient: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<HostLook> {
  const { execa } = await import('execa');
  const ended = await execa('ssh', sshArguments(host, files, lookCommand()), {
    ...{ env: { HOME: homedir(), ...pick(ambient, sshVariables) }, extendEnv: false, reject: false },
    ...{ input: `${host.folder ?? ''}\n`, cancelSignal: signal, timeout: longestMs, maxBuffer: mostSaid },
    ...{ detached: true },
  });
  signal.throwIfAborted();
  if (ended.code === 'ENOENT') return away('other', 'there is no ssh on the bot’s own machine');
  if (ended.exitCode !== 0) {
    const why = ended.timedOut ? 'unreachable' : readSshEnd(ended.exitCode, ended.stderr);
    return away(why, ended.stderr || (ended.exitCode === undefined ? String(ended.shortMessage) : ''));
  }
  return readLook(ended.stdout);
}

/** What a host says is a stranger's: of it, only what is looked for is taken. */
export function readLook(said: string): HostLook {
  const words = said.split('\n');
  const wordsAfter = (name: string): string | undefined => {
    const start = `look ${name}`;
    return words
      .find((line) => line.startsWith(start))
      ?.slice(start.length)
      .trim();
  };
  const opencode = wordsAfter('opencode');
  if (opencode === undefined) return away('other', 'it does not say what there is');
  if (opencode !== testedOpencode) return away('untested', opencode === '' ? 'it does not run' : opencode);
  if (wordsAfter('wall') === undefined) return away('no_wall', '');
  // POSIX: blocks, used, available, capacity, and where it is mounted.
  const [, available] = /\s\d+\s+\d+\s+(\d+)\s+\d+%\s/.exec(wordsAfter('place') ?? '') ?? [];
  return {
    state: 'there',
    opencode,
    freeBytes: available === undefined ? undefined : Number(available) * 1024,
  };
}
