import { setTimeout as sleep } from 'node:timers/promises';
import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { z } from 'zod';
import type { AgentHost } from '../../config/agent-hosts.ts';
import { toDetail } from '../cover-secrets.ts';
import { readLines } from '../lines.ts';
import { packDriver } from './bundle.ts';
import { createPeer, type Peer, type PeerHandlers } from './peer.ts';
import {
  type AwayReason,
  driverCommand,
  readSshEnd,
  type SshFiles,
  sshArguments,
  unpackCommand,
} from './ssh-command.ts';
import { type Hello, type HostReport, protocolVersion, report } from './wire.ts';

/** A host can't be had: why, and what was said. */
export class HostAwayError extends Error {
  override readonly name = 'HostAwayError';
  readonly reason: AwayReason;
  readonly detail: string | undefined;
  constructor(reason: AwayReason, said: string, cause?: unknown) {
    super(`${reason}: ${said}`, { cause });
    this.reason = reason;
    this.detail = toDetail(said);
  }
}

/** What this bot's program is started with on each host. */
export type HostSetup = {
  /** As they are now: they may be put there while the bot runs. */
  readonly ssh: () => SshFiles;
  /** ssh's own program. */
  readonly program: string;
  /** What ssh sees of the bot's environment: nothing that a user's `SendEnv` could carry away. */
  readonly environment: Readonly<Record<string, string>>;
  /** Names this bot on every host, in hex. */
  readonly mark: string;
  /** The socket that leads to the meter, here. */
  readonly relay: string;
  readonly hello: () => Promise<Omit<Hello, 'meter' | 'folder'>>;
};

export type HostSession = {
  readonly peer: Peer;
  readonly report: HostReport;
  /** Resolves when there is no connection any more, with why; never rejects. */
  readonly ended: Promise<HostAwayError>;
  /** Ends the connection, and with it everything there. */
  readonly end: () => Promise<void>;
};

const unpackMs = 90_000;
const startMs = 90_000;
const longestLine = 64 * 1024 * 1024;
const keptWords = 4096;

const unpacked = z.object({ unpacked: z.string() });
/** It becomes an argument of ssh's, which divides it at colons; a socket's path may have 107 characters. */
const remotePath = /^\/[\w./-]{1,80}$/;

/** Brings the program to the host. @returns where it is there */
const unpackThere = async (host: AgentHost, setup: HostSetup, signal: AbortSignal): Promise<string> => {
  const { execa } = await import('execa');
  const ended = await execa(setup.program, sshArguments(host, setup.ssh(), unpackCommand(setup.mark)), {
    ...{ env: { ...setup.environment }, extendEnv: false, input: await packDriver(), reject: false },
    ...{ cancelSignal: signal, timeout: unpackMs, maxBuffer: 1024 * 1024, detached: true },
  });
  signal.throwIfAborted();
  const said = ended.stderr.slice(-keptWords);
  if (ended.exitCode !== 0)
    throw new HostAwayError(
      ended.timedOut ? 'unreachable' : readSshEnd(ended.exitCode, said),
      said || String(ended.message),
    );
  for (const line of ended.stdout.split('\n').reverse()) {
    if (!line.startsWith('{"unpacked"')) continue;
    const place = unpacked.safeParse(JSON.parse(line)).data?.unpacked ?? '';
    if (remotePath.test(place)) return place;
    throw new HostAwayError(
      'no_folder',
      'the home there has a path that is too long, or has unusual characters',
    );
  }
  throw new HostAwayError('other', 'the host did not say where the program is');
};

/**
 * Connects to a host and starts the bot's program there.
 * @throws HostAwayError
 */
export const openHostSession = async (
  host: AgentHost,
  setup: HostSetup,
  handlers: Omit<PeerHandlers, 'onNonsense'>,
  log: Logger,
  signal: AbortSignal,
): Promise<HostSession> => {
  const place = await unpackThere(host, setup, signal);
  const meter = `${place}/m-${crypto.randomUUID().slice(0, 8)}.sock`;
  const { execa } = await import('execa');
  const forward = { remote: meter, local: setup.relay };
  const child = execa(setup.program, sshArguments(host, setup.ssh(), driverCommand(setup.mark), forward), {
    ...{ env: { ...setup.environment }, extendEnv: false, reject: false, buffer: false, detached: true },
    stdin: 'pipe',
  });
  let said = '';
  let open = true;
  const over = Promise.withResolvers<HostAwayError>();
  const here = Promise.withResolvers<void>();
  const peer = createPeer(
    (line) => {
      if (open) child.stdin.write(`${line}\n`);
    },
    {
      ...handlers,
      tells: { ...handlers.tells, here: () => here.resolve() },
      onNonsense: (what) => log.debug({ what, host: host.name }, 'a host said what is not understood'),
    },
  );
  const hear = async (): Promise<void> => {
    for await (const line of readLines(child.stdout, longestLine)) {
      if (line.type === 'oversized') break;
      if (open) peer.take(line.text);
    }
  };
  const hearErrors = async (): Promise<void> => {
    for await (const line of readLines(child.stderr, keptWords)) {
      if (line.type !== 'line') continue;
      said = `${said}${line.text}\n`.slice(-keptWords);
      log.debug({ host: host.name, said: toDetail(line.text) }, 'a host says');
    }
  };
  child.stdin.on('error', () => undefined);
  const live = async (): Promise<void> => {
    hearErrors().catch(() => undefined);
    // Whatever it is that ends: there is no half of a conversation.
    await Promise.race([hear().catch(() => undefined), child.catch(() => undefined)]);
    const ended = await Promise.race([child, sleep(300, undefined, { ref: false })]);
    open = false;
    peer.close();
    child.kill('SIGKILL');
    over.resolve(new HostAwayError(readSshEnd(ended?.exitCode, said), said || 'the connection ended'));
  };
  void live();
  const end = async (): Promise<void> => {
    open = false;
    child.stdin.end();
    // The program ends what it started; ssh ends with it.
    await Promise.race([over.promise, sleep(10_000, undefined, { ref: false })]);
    child.kill('SIGKILL');
  };
  const failed = over.promise.then((error) => Promise.reject(error));
  failed.catch(() => undefined);
  try {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(startMs)]);
    const inTime = <T>(promise: Promise<T>): Promise<T> =>
      untilAborted(Promise.race([promise, failed]), patience);
    // Not before it is there: a shell that reads ahead would swallow what is said to it.
    await inTime(here.promise);
    const answer = await inTime(
      peer.call('hello', { ...(await setup.hello()), meter, folder: host.folder ?? null }),
    );
    const found = report.safeParse(answer).data;
    if (found?.version !== protocolVersion)
      throw new HostAwayError('other_version', 'it answers in another way');
    if (!found.opencode.tested)
      throw new HostAwayError('untested', found.opencode.version || 'it does not run');
    if (found.wall !== undefined) throw new HostAwayError('no_wall', found.wall);
    return { peer, report: found, ended: over.promise, end };
  } catch (error) {
    await end();
    signal.throwIfAborted();
    if (error instanceof HostAwayError) throw error;
    throw new HostAwayError('other', error instanceof Error ? error.message : String(error), error);
  }
};
