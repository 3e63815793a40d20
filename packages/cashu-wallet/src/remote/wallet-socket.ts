import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { readFileIfThere, writeFileAtomically } from '@nostr-dm-agent/kit/files';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { CashuWallet } from '../faces.ts';
import { type WalletConfig, walletFile } from '../open-wallet.ts';
import { RemoteError, remoteFactsOf } from './remote-error.ts';
import type { RemoteContext, RemoteHandlers } from './remote-handler.ts';
import { walletHandlers } from './wallet-requests.ts';
import { type Answer, isCancel, lineReader, readQuestion, writeAnswer } from './wire.ts';

/** Where whoever has the wallet open listens. */
export const walletSocketPath = (home: string): string => join(home, 'wallet.sock');

/**
 * Where whoever has this wallet open is asked: as it has written down beside the wallet, for its `BOT_HOME` may be another one
 * than ours; else in our own.
 */
export function socketOf({ home, wallet }: { readonly home: string; readonly wallet: WalletConfig }): string {
  const named = readFileIfThere(noteBeside(walletFile(wallet)))?.trim();
  return named?.startsWith('/') ? named : walletSocketPath(home);
}

const noteBeside = (file: string): string => file.replace(/\.db$/, '.socket');

/** The longest that one request may take: a payment over Lightning, and room. */
export const requestTimeoutMs = 5 * 60_000;
/** How long what is under way has when the wallet is to be given to somebody else. What is cut off then is recovered there. */
const drainMs = 20_000;

/** The same when a bot is stopped. */
const closeMs = 3_000;

/** Asked of the one who has the wallet by one who needs it for itself. */
export const handOverCommand = 'handOver';

export type ServedWallet = {
  readonly fingerprint: string;
  /** Its database. */
  readonly file: string;
  readonly handlers: RemoteHandlers;
  /** Around each request: counts it, puts the wallet in order before it. */
  readonly during?: <T>(offline: boolean, signal: AbortSignal, work: () => T | Promise<T>) => Promise<T>;
  /** Somebody needs the wallet: it is to be closed. A bot keeps it, and has none. */
  readonly onHandOver?: () => void;
};
export type WalletServer = {
  /** Begins nothing any more: whoever asks is to ask the next one. Resolves when nothing is under way. */
  readonly drain: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/**
 * Lets others use the wallet that this process has open: a unix socket, 0600, one question a connection, its events and
 * one answer. Whoever may read it may do anything with the wallet, as with `.env`. `restore` is refused: it is not safe
 * beside operations under way.
 *
 * To be called by the process that has the wallet: a socket that is left there by a dead one is replaced.
 *
 * @param further commands of other packages
 */
export const serveWalletSocket = (
  wallet: CashuWallet,
  path: string,
  log: Logger,
  further: RemoteHandlers = new Map(),
): WalletServer =>
  serve({ ...wallet.info(), handlers: new Map([...walletHandlers(wallet), ...further]) }, path, log);

/** The same for whatever can be asked. */
export function serve(served: ServedWallet, path: string, log: Logger): WalletServer {
  const closing = new AbortController();
  const leaving = new AbortController();
  const working = new Set<Promise<unknown>>();
  /** Those that have asked nothing yet. */
  const silent = new Set<Socket>();
  rmSync(path, { force: true });

  const ask = (line: string, begun: Promise<void>, progress: RemoteContext['progress']): Asked =>
    askServed(served, line, begun, progress, { closing: closing.signal, leaving: leaving.signal }, log);

  const onConnection = (socket: Socket): void => {
    let asked: Asked | undefined;
    silent.add(socket);
    socket.setEncoding('utf8');
    const onLine = (line: string): void => {
      if (asked !== undefined) {
        if (isCancel(line)) asked.cancel();
        return;
      }
      silent.delete(socket);
      // It reaches who asked whatever happens here, before anything does.
      const begun = Promise.withResolvers<void>();
      socket.write(writeAnswer({ kind: 'begun' }), (gone) => (gone ? begun.reject(gone) : begun.resolve()));
      asked = ask(line, begun.promise, (event) => void socket.write(writeAnswer({ kind: 'event', event })));
      const work = asked.answer
        .then((answer) => void socket.end(writeAnswer(answer)))
        .finally(() => working.delete(work));
      working.add(work);
    };
    socket.on(
      'data',
      lineReader(onLine, () => void socket.destroy()),
    );
    // What was begun for it is finished all the same, and is in the journal; what waits is not waited for.
    socket.on('close', () => {
      silent.delete(socket);
      asked?.leave();
    });
    socket.on('error', (error) => log.debug({ error }, 'who asked went away'));
  };

  /** Begins nothing any more, and waits so long for what is under way. */
  const finish = async (ms: number): Promise<void> => {
    leaving.abort(new DOMException('the wallet changes hands', 'AbortError'));
    const late = setTimeout(() => closing.abort(), ms);
    await Promise.allSettled(working);
    clearTimeout(late);
  };

  const server = createServer(onConnection);
  server.on('error', (error) => log.error({ error, path }, 'others cannot reach the wallet'));
  // Nobody else's from the moment it is there.
  const umask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(umask);
  }
  const note = noteBeside(served.file);
  writeFileAtomically(note, `${resolve(path)}\n`);
  return {
    drain: () => finish(drainMs),
    async close() {
      await finish(closeMs);
      const closed = Promise.withResolvers<void>();
      // Also called when it never listened.
      server.close(() => closed.resolve());
      for (const socket of silent) socket.destroy();
      await closed.promise;
      rmSync(note, { force: true });
      rmSync(path, { force: true });
    },
  };
}

/** One question of one connection. */
type Asked = {
  readonly answer: Promise<Answer>;
  /** It is wanted no more. */
  readonly cancel: () => void;
  /** Nobody is there any more who could hear the answer. */
  readonly leave: () => void;
};

type Ends = { readonly closing: AbortSignal; readonly leaving: AbortSignal };

function askServed(
  served: ServedWallet,
  line: string,
  begun: Promise<void>,
  progress: RemoteContext['progress'],
  ends: Ends,
  log: Logger,
): Asked {
  const cancel = new AbortController();
  const left = new AbortController();
  const work = async (): Promise<Answer> => {
    const { fingerprint, command, args } = readQuestion(line);
    if (fingerprint !== served.fingerprint) return { kind: 'other-wallet' };
    if (ends.leaving.aborted) return { kind: 'moved' };
    if (command === handOverCommand) {
      served.onHandOver?.();
      return { kind: 'answer', answer: served.onHandOver !== undefined };
    }
    if (command === 'restore') {
      throw new RemoteError({ name: 'RestoreRefusedError', problem: { kind: 'bot-is-running' } });
    }
    const handler = served.handlers.get(command);
    if (handler === undefined) throw new RemoteError({ name: 'UnknownCommandError', command });
    await begun;
    log.info({ command }, 'the wallet is used from outside');
    const signal = AbortSignal.any([
      ...[ends.closing, cancel.signal],
      ...(handler.waits ? [ends.leaving, left.signal] : [AbortSignal.timeout(requestTimeoutMs)]),
    ]);
    const { during = async (_offline, _signal, does) => does() } = served;
    try {
      const perform = () => handler.perform(args, { signal, progress });
      return { kind: 'answer', answer: await during(handler.offline === true, signal, perform) };
    } catch (error) {
      if (handler.waits && (ends.leaving.aborted || ends.closing.aborted) && !cancel.signal.aborted) {
        return { kind: 'moved' };
      }
      // Begun, and not ended by who asked: what became of it is in the journal.
      if (ends.closing.aborted && !cancel.signal.aborted) {
        throw new RemoteError({ name: 'ConnectionLostError', begun: true }, error);
      }
      throw error;
    }
  };
  const answer = work().catch((error: unknown): Answer => {
    log.info({ error }, 'a request from outside failed');
    return { kind: 'failure', facts: remoteFactsOf(error) };
  });
  return { answer, cancel: () => cancel.abort(), leave: () => left.abort() };
}
