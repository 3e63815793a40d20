import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { CashuWallet } from '../faces.ts';
import { RemoteError, remoteFactsOf } from './remote-error.ts';
import { parseRequest, perform } from './wallet-requests.ts';
import { type Answer, maxLineBytes, readRequest, writeAnswer } from './wire.ts';

/** Where a bot listens for the command line. */
export const walletSocketPath = (home: string): string => join(home, 'wallet.sock');

/** The longest that one request may take: a payment over Lightning, and room. */
const requestTimeoutMs = 5 * 60_000;

/**
 * Lets the command line use the wallet that this process has open: a unix socket, 0600, one request and one answer a
 * connection. Whoever may read it may do anything with the wallet, as with `.env`. `restore` is refused: it is not safe
 * beside operations under way.
 *
 * To be called by the process that has the wallet: a socket that is left there by a dead one is replaced.
 */
export function serveWalletSocket(
  wallet: CashuWallet,
  path: string,
  log: Logger,
): { readonly close: () => Promise<void> } {
  const closing = new AbortController();
  const working = new Set<Promise<void>>();
  rmSync(path, { force: true });

  const answerTo = async (line: string): Promise<Answer> => {
    try {
      const { fingerprint, request: asked } = readRequest(line);
      if (fingerprint !== wallet.info().fingerprint) return { kind: 'other-wallet' };
      const request = parseRequest(asked);
      if (request.command === 'restore') {
        throw new RemoteError({ name: 'RestoreRefusedError', problem: { kind: 'bot-is-running' } });
      }
      log.info({ command: request.command }, 'the wallet is used from the command line');
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(requestTimeoutMs)]);
      return { kind: 'answer', answer: await perform(wallet, request, signal) };
    } catch (error) {
      log.info({ error }, 'a request of the command line failed');
      return { kind: 'failure', facts: remoteFactsOf(error) };
    }
  };
  const serve = (socket: Socket): void => {
    let received = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      received += text;
      const end = received.indexOf('\n');
      if (end < 0) {
        if (received.length > maxLineBytes) socket.destroy();
        return;
      }
      socket.removeAllListeners('data');
      const work = answerTo(received.slice(0, end))
        .then((answer) => void socket.end(writeAnswer(answer)))
        .finally(() => working.delete(work));
      working.add(work);
    });
    // The other side went away. What was begun for it is finished all the same, and is in the journal.
    socket.on('error', (error) => log.debug({ error }, 'the command line went away'));
  };

  const server = createServer(serve);
  server.on('error', (error) => log.error({ error, path }, 'the command line cannot reach the wallet'));
  // Nobody else's from the moment it is there.
  const umask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(umask);
  }
  return {
    async close() {
      closing.abort();
      await Promise.allSettled(working);
      const { promise, resolve } = Promise.withResolvers<void>();
      // Also called when it never listened.
      server.close(() => resolve());
      await promise;
      rmSync(path, { force: true });
    },
  };
}
