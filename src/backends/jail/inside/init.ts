/**
 * Runs inside the jail, before the agent: ports of the jail's own loopback lead to the bot's sockets, and a socket
 * that the bot may connect to leads to a server inside. Then the agent is started, and its end is the jail's end.
 *
 * Imports nothing, because every import is start time: it must be there before the agent, at every run.
 */
import { lstatSync } from 'node:fs';

export type InitPlan = {
  /** Where the agent is started. */
  readonly cwd: string;
  /** Ports on the jail's loopback, and the bot's socket behind each. */
  readonly forward: readonly { readonly host: string; readonly port: number; readonly unix: string }[];
  /** A server inside, and the socket that leads to it. */
  readonly serve: { readonly port: number; readonly unix: string } | undefined;
  /** Entries of workspaces that have to be covered at the start. */
  readonly covered: readonly string[];
  /** How many processes there may be, where no control group counts them. */
  readonly processes: number | undefined;
  /** Variables whose values are the first lines of standard input. */
  readonly secrets: readonly string[];
};

export const planVariable = 'NOSTR_DM_AGENT_JAIL';
/** Exit code: the workspace changed while the jail was built. */
const changedExit = 125;

type End = Bun.Socket<Pair>;
/** One connection through a relay: what came in, and what goes on. */
type Pair = { from: End | undefined; to: End | undefined; readonly early: Uint8Array[]; over: boolean };
type Outgoing = { rest: Uint8Array | undefined; ended: boolean };

const outgoing = new WeakMap<End, Outgoing>();
const stateOf = (socket: End): Outgoing => {
  const known = outgoing.get(socket) ?? { rest: undefined, ended: false };
  outgoing.set(socket, known);
  return known;
};

const other = (socket: End): End | undefined =>
  socket.data.from === socket ? socket.data.to : socket.data.from;

/** Writes what fits; the rest waits for `drain`, and nothing more is read meanwhile. */
const pass = (source: End, target: End, chunk: Uint8Array): void => {
  const state = stateOf(target);
  const sent = state.rest === undefined ? Math.max(target.write(chunk), 0) : 0;
  if (sent === chunk.length) return;
  const left = chunk.subarray(sent);
  // The chunk is Bun's own buffer, which it uses again.
  state.rest = state.rest === undefined ? Uint8Array.from(left) : Buffer.concat([state.rest, left]);
  source.pause();
};

const drain = (target: End): void => {
  const state = stateOf(target);
  if (state.rest !== undefined) {
    const sent = Math.max(target.write(state.rest), 0);
    state.rest = sent < state.rest.length ? state.rest.subarray(sent) : undefined;
    if (state.rest !== undefined) return;
    other(target)?.resume();
  }
  if (state.ended) target.shutdown();
};

const endOf = (target: End | undefined): void => {
  if (target === undefined) return;
  const state = stateOf(target);
  state.ended = true;
  if (state.rest === undefined) target.shutdown();
};

const close = (socket: End): void => {
  const pair = socket.data;
  if (pair.over) return;
  pair.over = true;
  const target = other(socket);
  if (target === undefined) return;
  const { rest } = stateOf(target);
  if (rest !== undefined) target.write(rest);
  target.end();
};

const handlers = {
  data: (socket: End, chunk: Uint8Array): void => {
    const target = other(socket);
    if (target === undefined) socket.data.early.push(Uint8Array.from(chunk));
    else pass(socket, target, chunk);
  },
  drain,
  end: (socket: End): void => endOf(other(socket)),
  close,
  error: close,
};

type Address = { readonly hostname: string; readonly port: number } | { readonly unix: string };

/** Every connection that `at` takes goes on to `to`. */
const relay = (at: Address, to: Address): void => {
  const open = async (from: End): Promise<void> => {
    const pair: Pair = { from, to: undefined, early: [], over: false };
    from.data = pair;
    from.pause();
    try {
      const options = { data: pair, allowHalfOpen: true, socket: handlers };
      const target = await ('unix' in to
        ? Bun.connect<Pair>({ ...options, unix: to.unix })
        : Bun.connect<Pair>({ ...options, hostname: to.hostname, port: to.port }));
      pair.to = target;
      for (const chunk of pair.early) pass(from, target, chunk);
      if (stateOf(target).rest === undefined) from.resume();
    } catch {
      pair.over = true;
      from.end();
    }
  };
  const options = {
    data: { from: undefined, to: undefined, early: [], over: false },
    allowHalfOpen: true,
    socket: { ...handlers, open },
  };
  if ('unix' in at) Bun.listen<Pair>({ ...options, unix: at.unix });
  else Bun.listen<Pair>({ ...options, hostname: at.hostname, port: at.port });
};

const deviceOf = (path: string): number | undefined => {
  try {
    return lstatSync(path).dev;
  } catch {
    return undefined;
  }
};

/** Another agent in the same workspace may have put something else there while this jail was built. */
const changed = ({ covered }: InitPlan): boolean =>
  covered.some((path) => deviceOf(path) === deviceOf(path.slice(0, path.lastIndexOf('/'))));

/**
 * What the agent is started through: a shell becomes it. This process must not hold a secret itself, because everything
 * inside can read its memory.
 */
const through = ({ processes, secrets }: InitPlan): readonly string[] => {
  const steps = [
    ...secrets.map((name) => `IFS= read -r ${name} || exit ${changedExit}; export ${name}`),
    // dash says -p where others say -u.
    ...(processes === undefined ? [] : [`ulimit -u ${processes} 2>/dev/null || ulimit -p ${processes}`]),
    `exec "$@"${secrets.length > 0 ? ' </dev/null' : ''}`,
  ];
  return steps.length === 1 ? [] : ['/bin/sh', '-c', steps.join('; '), 'sh'];
};

const main = async (): Promise<number> => {
  const { [planVariable]: text = '', BUN_BE_BUN: _, ...environment } = process.env;
  const plan: InitPlan = JSON.parse(text);
  for (const { host, port, unix } of plan.forward) {
    try {
      relay({ hostname: host, port }, { unix });
    } catch (error) {
      // A machine may have no IPv6; the same port is there under the other address.
      if (host !== '::1') throw error;
    }
  }
  if (plan.serve !== undefined)
    relay({ unix: plan.serve.unix }, { hostname: '127.0.0.1', port: plan.serve.port });
  if (changed(plan)) return changedExit;
  const agent = Bun.spawn([...through(plan), ...process.argv.slice(2)], {
    cwd: plan.cwd,
    env: environment,
    stdio: ['inherit', 'inherit', 'inherit'],
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => agent.kill(signal));
  return agent.exited;
};

if (import.meta.main) process.exit(await main());
