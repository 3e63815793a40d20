/**
 * Runs inside a warm opencode server, which agents cannot be kept out of otherwise: they are the same user. The bot hands
 * its text into the jail, where nobody can change it.
 *
 * 1. Every command carries the marker of its run, a sub-agent's too: the bot writes `metadata.run` of the root session.
 * 2. No command gets to know what the server was told in secret.
 */
import { dlopen } from 'bun:ffi';

type Session = {
  readonly parentID?: string;
  readonly metadata?: { readonly run?: string };
};
type Host = {
  readonly client: {
    readonly session: {
      readonly get: (of: { readonly path: { readonly id: string } }) => Promise<{ readonly data?: Session }>;
    };
  };
};
/** `blank`: variables that a command must find empty. They stay in the server's own environment, which is read again. */
type Options = { readonly blank?: readonly string[] };

const setDumpable = 4;

export const Warm = async ({ client }: Host, { blank = [] }: Options = {}) => {
  // It has been read; else every command would inherit it.
  delete process.env.OPENCODE_SERVER_PASSWORD;
  // Closes /proc/<pid>/{environ,fd,mem} and ptrace to others of the same user.
  const types = { args: ['i32', 'u64', 'u64', 'u64', 'u64'], returns: 'i32' } as const;
  const closed = dlopen('libc.so.6', { prctl: types }).symbols.prctl(setDumpable, 0n, 0n, 0n, 0n);
  if (closed !== 0) throw new Error('the server cannot be closed to its agents');
  // The server's own git obeys nothing that an agent can write into its home, runs no hook, and asks no program what changed.
  const home = process.env.GIT_CONFIG_GLOBAL ?? `${process.env.HOME}/.gitconfig`;
  Object.assign(process.env, {
    ...{ GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_COUNT: '2' },
    ...{ GIT_CONFIG_KEY_0: 'core.fsmonitor', GIT_CONFIG_VALUE_0: 'false' },
    ...{ GIT_CONFIG_KEY_1: 'core.hooksPath', GIT_CONFIG_VALUE_1: '/dev/null' },
  });
  const runOf = async (id: string): Promise<string> => {
    const session = (await client.session.get({ path: { id } })).data;
    return session?.parentID === undefined ? (session?.metadata?.run ?? 'none') : runOf(session.parentID);
  };
  return {
    'shell.env': async (
      { sessionID }: { readonly sessionID?: string },
      output: { readonly env: Record<string, string> },
    ) => {
      for (const name of blank) output.env[name] = '';
      Object.assign(output.env, { GIT_CONFIG_GLOBAL: home, GIT_CONFIG_COUNT: '0' });
      output.env.NOSTR_DM_AGENT_RUN = sessionID === undefined ? 'none' : await runOf(sessionID);
    },
  };
};
