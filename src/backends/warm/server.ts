import { closeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { LimitMet } from '../jail/limits.ts';
import type { PreparedServer } from '../opencode-launch.ts';
import type { ProcessEntry } from '../process-table.ts';
import { runAgentProcess } from '../processes.ts';
import { type Client, connect } from './client.ts';
import { giveLogin, type HeldLogin } from './credentials.ts';
import { type Numbered, readServerEvent, type ServerEvent } from './server-events.ts';
import { serverChain } from './server-processes.ts';
import type { ServerPlan } from './server-request.ts';

const startMs = 60_000;
const reconnectMs = 100;

/** Who hears what a server says. */
export type Listener = {
  readonly on: (event: ServerEvent) => void;
  readonly numbered: (numbered: Numbered) => void;
  /** The stream was cut and is there again: what was said meanwhile was not heard. */
  readonly reopened: () => void;
};

/** An agent server that runs in a jail of its own until it is ended. */
export type WarmServer = {
  readonly plan: ServerPlan;
  readonly prepared: PreparedServer;
  readonly client: Client;
  readonly login: HeldLogin;
  /** The process that was started. */
  readonly pid: number;
  /** The processes that it consists of itself. */
  readonly chain: readonly ProcessEntry[];
  /** Without a repository there is nothing that keeps what was there before. */
  readonly hasGit: boolean;
  readonly listen: (listener: Listener) => () => void;
  readonly isAlive: () => boolean;
  readonly exited: Promise<void>;
  /** A bound of the jail for which it was ended. */
  readonly limit: () => LimitMet | undefined;
  /** Resident memory in bytes. */
  readonly memory: () => Promise<number>;
  /** Resolves when nothing of it is left. */
  readonly end: () => Promise<void>;
};

/** The server said no word, or ended, before it could be used. */
export class ServerStartError extends Error {
  override readonly name = 'ServerStartError';
}

/** Reads what the server says for as long as it lives. @returns resolves when it is heard for the first time */
const hear = (
  open: (signal: AbortSignal) => AsyncGenerator<string>,
  listeners: ReadonlySet<Listener>,
  signal: AbortSignal,
  log: Logger,
): Promise<void> => {
  const heard = Promise.withResolvers<void>();
  const hearOnce = async (isFirst: boolean): Promise<void> => {
    let isOpen = false;
    for await (const data of open(signal)) {
      if (!isOpen && !isFirst) for (const listener of listeners) listener.reopened();
      isOpen = true;
      heard.resolve();
      const said = readServerEvent(data);
      if (said === undefined) continue;
      for (const listener of listeners)
        if ('event' in said) listener.on(said.event);
        else listener.numbered(said.numbered);
    }
  };
  const keepHearing = async (): Promise<void> => {
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      await hearOnce(isFirst).catch((cause: unknown) => {
        if (!signal.aborted) log.debug({ cause }, 'the stream of a server was cut');
      });
      await sleep(reconnectMs, undefined, { signal }).catch(() => undefined);
    }
  };
  void keepHearing();
  return heard.promise;
};

const isGit = async (client: Client, signal: AbortSignal): Promise<boolean> => {
  const { data } = await client.project.current({}, { signal });
  return data?.vcs === 'git';
};

/**
 * Starts a server, which is there when this resolves. It is not warm yet: see `warmUp`.
 * @throws ServerStartError, SpawnError; nothing of it is left then
 */
export const startServer = async (
  plan: ServerPlan,
  prepared: PreparedServer,
  log: Logger,
  signal: AbortSignal,
): Promise<WarmServer> => {
  const { cell } = prepared;
  const ending = new AbortController();
  const started = Promise.withResolvers<number>();
  const listening = Promise.withResolvers<string>();
  let alive = true;
  let limit: LimitMet | undefined;
  let socket: number | undefined;
  const endFor = (met: LimitMet): void => {
    limit ??= met;
    ending.abort();
  };
  const life = async (): Promise<void> => {
    try {
      const { stderr, exit } = await runAgentProcess(
        prepared.command,
        { runId: plan.id, stdin: prepared.stdin, graceMs: 0 },
        {
          onSpawn: (pid) => {
            cell.started(pid, endFor);
            started.resolve(pid);
          },
          onLine: (line) => {
            const url = line.type === 'line' ? /listening on (http:\S+)/.exec(line.text)?.[1] : undefined;
            if (url !== undefined) listening.resolve(url);
            return 'go on';
          },
        },
        ending.signal,
      );
      if (!ending.signal.aborted) log.warn({ exit, stderr: stderr.slice(-300) }, 'a warm server ended');
    } catch (cause) {
      started.reject(cause);
      listening.reject(cause);
      log.warn({ cause }, 'a warm server could not be started or ended');
    } finally {
      alive = false;
      ending.abort();
      listening.reject(new ServerStartError('the server ended before it listened'));
      if (socket !== undefined) closeSync(socket);
      await cell.close().catch((cause: unknown) => log.warn({ cause }, 'the jail of a server stays'));
    }
  };
  started.promise.catch(() => undefined);
  listening.promise.catch(() => undefined);
  const exited = life();
  const end = async (): Promise<void> => {
    ending.abort();
    await exited;
  };
  try {
    const patience = AbortSignal.any([signal, ending.signal, AbortSignal.timeout(startMs)]);
    const pid = await untilAborted(started.promise, patience);
    const url = await untilAborted(listening.promise, patience);
    socket = cell.wall === 'bwrap' ? cell.openServer() : undefined;
    if (socket === undefined && cell.wall === 'bwrap') throw new ServerStartError('the server has no socket');
    const { client, events } = connect(socket ?? url, plan.password, plan.workspace);
    const { login: given } = plan.payment;
    // Its home was made with a token; a key is not to stay there.
    const login: HeldLogin = { now: given?.auth.type === 'oauth' ? given : undefined };
    await giveLogin({ client, login }, given, patience);
    const listeners = new Set<Listener>();
    const [chain, hasGit] = await untilAborted(
      Promise.all([serverChain(pid), isGit(client, patience), hear(events, listeners, ending.signal, log)]),
      patience,
    );
    return {
      ...{ plan, prepared, client, pid, chain, hasGit, exited, end },
      login,
      listen: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      isAlive: () => alive && !ending.signal.aborted,
      limit: () => limit,
      memory: async () => {
        const status = await readFile(`/proc/${chain.at(-1)?.pid}/status`, 'utf8').catch(() => '');
        return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
};
