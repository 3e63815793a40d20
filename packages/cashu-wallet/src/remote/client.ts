import { connect } from 'node:net';
import { pause, untilAborted } from '@nostr-dm-agent/kit/abort';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { WalletCliConfig } from '../../../../src/cli/wallet/config.ts';
import { WalletInUseError } from '../errors.ts';
import { createWallet, fingerprintOf } from '../open-wallet.ts';
import { commandErrorOf, WalletCommandError } from './failure.ts';
import { perform } from './perform.ts';
import {
  answerLine,
  answerSchemas,
  toJson,
  type WalletAnswer,
  type WalletCommand,
  type WalletRequest,
} from './protocol.ts';
import { walletSocketPath } from './server.ts';

/** Asks the wallet for one thing. @throws WalletCommandError */
export type WalletCaller = <C extends WalletCommand>(
  request: WalletRequest<C>,
  signal: AbortSignal,
) => Promise<WalletAnswer<C>>;

/** What reads nothing but the database: nobody waits for a mint before it. */
const offline: ReadonlySet<WalletCommand> = new Set([
  'balance',
  'history',
  'pending',
  'decode',
  'mints',
  'backup',
  'claim',
]);

/** How long to wait for one who has the wallet and no socket: another command, or a bot that is just starting. */
const patienceMs = 3_000;
const retryMs = 100;

/**
 * How the command line comes to the wallet, anew for each request: through the socket of the bot that has it open, else
 * by opening it here for as long as the request takes. So nothing is held while a person thinks or an invoice waits.
 */
export function createWalletCaller(config: WalletCliConfig, log: Logger): WalletCaller {
  const fingerprint = fingerprintOf(config.wallet.mnemonic);
  const path = walletSocketPath(config.home);
  const once = async <C extends WalletCommand>(
    request: WalletRequest<C>,
    signal: AbortSignal,
  ): Promise<WalletAnswer<C>> => {
    const line = await exchange(path, `${toJson({ fingerprint, request })}\n`, signal);
    const answer = line === undefined ? undefined : answerLine.parse(JSON.parse(line));
    if (answer?.kind === 'failure') throw new WalletCommandError(answer.name, answer.message);
    if (answer?.kind === 'answer') return answerSchemas[request.command].parse(answer.answer);
    return performHere(config, request, log, signal);
  };
  return async (request, signal) => {
    const patient = performance.now() + patienceMs;
    for (;;) {
      try {
        return await once(request, signal);
      } catch (error) {
        if (!(error instanceof WalletInUseError)) throw commandErrorOf(error, systemClock.now());
        if (performance.now() > patient || signal.aborted) {
          throw new WalletCommandError(error.name, inUse(error, path), error);
        }
      }
      await pause(retryMs, signal);
    }
  };
}

async function performHere<C extends WalletCommand>(
  config: WalletCliConfig,
  request: WalletRequest<C>,
  log: Logger,
  signal: AbortSignal,
): Promise<WalletAnswer<C>> {
  const wallet = createWallet(config.wallet, { log });
  try {
    if (!offline.has(request.command)) await wallet.recover(signal, 'due');
    return await perform(wallet, request, signal);
  } finally {
    wallet.close();
  }
}

const inUse = ({ holder }: WalletInUseError, path: string): string =>
  `The wallet is in use by ${holder ? `process ${holder.pid} on ${holder.host}` : 'another process'}, which does not answer at ${path}. If that is a bot with another BOT_HOME, say which; else wait until it has ended.`;

/** Sends a line and reads one. undefined: nobody is there. */
async function exchange(path: string, line: string, signal: AbortSignal): Promise<string | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const socket = connect(path);
  let received = '';
  socket.setEncoding('utf8');
  socket.on('connect', () => void socket.write(line));
  socket.on('data', (text: string) => {
    received += text;
  });
  socket.on('close', () => {
    if (received.endsWith('\n')) resolve(received);
    else
      reject(
        new WalletCommandError(
          'ConnectionLostError',
          'The bot went away before it answered. Nothing is lost: wallet pending shows what was begun.',
        ),
      );
  });
  socket.on('error', (error) => {
    const code = errorCode(error);
    // EINVAL: the path is too long for a socket (some 100 bytes), so nobody can be there either.
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'EINVAL') resolve(undefined);
    else reject(error);
  });
  try {
    return await untilAborted(promise, signal);
  } finally {
    socket.destroy();
  }
}
