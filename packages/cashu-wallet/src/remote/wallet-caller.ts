import { connect } from 'node:net';
import { pause, untilAborted } from '@nostr-dm-agent/kit/abort';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Books, Upkeep, WalletJournal } from '../faces.ts';
import { createWallet, fingerprintOf, type WalletConfig } from '../open-wallet.ts';
import { WalletInUseError } from '../wallet-errors.ts';
import type { FoundMoney } from '../wallet-types.ts';
import { RemoteError, remoteFactsOf } from './remote-error.ts';
import { perform, type WalletAnswer, type WalletCommand, type WalletRequest } from './wallet-requests.ts';
import { walletSocketPath } from './wallet-socket.ts';
import { readAnswer, writeRequest } from './wire.ts';

/** Asks the wallet for one thing. @throws RemoteError */
export type WalletCaller = <C extends WalletCommand>(
  request: WalletRequest<C>,
  signal: AbortSignal,
) => Promise<WalletAnswer<C>>;

/** Whose wallet it is: `BOT_HOME`, where a running bot has its socket, and how to open it without one. */
export type CallerConfig = {
  readonly home: string;
  readonly wallet: WalletConfig;
  /** Adds to a check what others keep in the wallet (`WalletJournal.addCheck`), where no bot does it. */
  readonly addChecks?: (wallet: WalletJournal & Books) => void;
  /** Told of older money with these words; a bot that is running tells its admins instead. */
  readonly onFound?: (found: readonly FoundMoney[]) => void;
};

/** What reads nothing but the database: nobody waits for a mint before it. */
const offline: ReadonlySet<WalletCommand> = new Set([
  'balance',
  'history',
  'pending',
  'decode',
  'mints',
  'rename',
  'backup',
  'claim',
]);

/** How long to wait for one who has the wallet and no socket: another command, or a bot that is just starting. */
const patienceMs = 3_000;
const retryMs = 100;
/** And how long for what an earlier life left open at mints that take their time. */
const recoveryMs = 20_000;

/**
 * How the command line comes to the wallet, anew for each request: through the socket of the bot that has it open, else
 * by opening it here for as long as the request takes. So nothing is held while a person thinks or an invoice waits.
 */
export function createWalletCaller(config: CallerConfig, log: Logger): WalletCaller {
  const fingerprint = fingerprintOf(config.wallet.mnemonic);
  const path = walletSocketPath(config.home);
  const once = async <C extends WalletCommand>(
    request: WalletRequest<C>,
    signal: AbortSignal,
  ): Promise<WalletAnswer<C>> => {
    const line = await exchange(path, writeRequest(fingerprint, request), signal);
    if (line === undefined) return performHere(config, request, log, signal);
    const answer = readAnswer(line);
    if (answer === undefined) throw new RemoteError({ name: 'OtherVersionError' });
    if (answer.kind === 'failure') throw new RemoteError(answer.facts);
    // It says that it is of this version, and so it is of this shape.
    if (answer.kind === 'answer') return answer.answer as WalletAnswer<C>;
    return performHere(config, request, log, signal);
  };
  return async (request, signal) => {
    try {
      return await patiently(() => once(request, signal), signal);
    } catch (error) {
      throw new RemoteError(remoteFactsOf(error), error);
    }
  };
}

/** Does it, again for a while when another process has the wallet. @throws what `work` throws */
export async function patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const patient = performance.now() + patienceMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const waits = error instanceof WalletInUseError && performance.now() < patient && !signal.aborted;
      if (!waits) throw error;
    }
    await pause(retryMs, signal);
  }
}

async function performHere<C extends WalletCommand>(
  config: CallerConfig,
  request: WalletRequest<C>,
  log: Logger,
  signal: AbortSignal,
): Promise<WalletAnswer<C>> {
  const wallet = createWallet(config.wallet, { log });
  try {
    if (request.command === 'check') config.addChecks?.(wallet);
    if (!offline.has(request.command)) await recoverFor(wallet, signal);
    return await perform(wallet, request, signal);
  } finally {
    const found = wallet.found();
    if (config.onFound !== undefined && found.length > 0) {
      config.onFound(found);
      wallet.foundTold(found.map(({ operation }) => operation));
    }
    wallet.close();
  }
}

/** What is due first; a mint that takes its time is no reason to let somebody wait for another one. */
async function recoverFor(wallet: Upkeep, signal: AbortSignal): Promise<void> {
  const enough = AbortSignal.timeout(recoveryMs);
  try {
    await wallet.recover(AbortSignal.any([signal, enough]), 'due');
  } catch (error) {
    signal.throwIfAborted();
    if (!enough.aborted) throw error;
  }
}

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
    else reject(new RemoteError({ name: 'ConnectionLostError' }));
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
