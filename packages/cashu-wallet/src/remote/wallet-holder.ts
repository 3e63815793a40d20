/*
 * A process that has the wallet open while it needs it, and serves whoever needs it meanwhile: a command of the terminal,
 * a plugin. A bot that starts asks for it; then what is under way is finished, the wallet is closed, and the bot has it.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { pause } from '@nostr-dm-agent/kit/abort';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import { systemKeyring } from '../at-rest/keyring.ts';
import { openWords, referredWallet } from '../at-rest/sealed-words.ts';
import type { CashuWallet, Upkeep } from '../faces.ts';
import { createWallet, fingerprintOf, type WalletConfig } from '../open-wallet.ts';
import { WalletInUseError } from '../wallet-errors.ts';
import type { FoundMoney } from '../wallet-types.ts';
import { askHolder } from './ask-holder.ts';
import { RemoteError } from './remote-error.ts';
import type { RemoteExtension, RemoteHandlers } from './remote-handler.ts';
import { walletHandlers } from './wallet-requests.ts';
import { handOverCommand, serve, socketOf, walletSocketPath } from './wallet-socket.ts';

/** Whose wallet it is: `BOT_HOME`, where whoever has it open has its socket, and how to open it. */
export type HolderConfig = {
  readonly home: string;
  readonly wallet: WalletConfig;
  /** Gets the words where they are sealed, when it is opened here for the first time. Default: what the keyring opens. */
  readonly unseal?: () => Promise<string>;
  /** Commands of another package, for as long as it is open here. */
  readonly extend?: RemoteExtension;
  /** Told of older money with these words; a bot that is running tells its admins instead. */
  readonly onFound?: (found: readonly FoundMoney[]) => void;
  /** How long it stays open after it was used last; default: not at all. */
  readonly lingerMs?: number;
};

export type WalletHolder = {
  /** Does what is asked with the wallet that is open here; opens it, if need be. @throws WalletInUseError, WalletMovedError */
  readonly perform: (
    command: string,
    args: unknown,
    signal: AbortSignal,
    onEvent: (event: unknown) => void,
  ) => Promise<unknown>;
  readonly isOpen: () => boolean;
  /** After what is under way. */
  readonly close: () => Promise<void>;
};

/** It was given to somebody else meanwhile: they are to be asked. */
export class WalletMovedError extends Error {
  override readonly name = 'WalletMovedError';
}

/** And how long for what an earlier life left open at mints that take their time. */
const recoveryMs = 20_000;
/** Who asked for the wallet has it before it is opened here again. */
const yieldMs = 400;

type Held = {
  readonly handlers: RemoteHandlers;
  readonly during: <T>(offline: boolean, signal: AbortSignal, work: () => T | Promise<T>) => Promise<T>;
  /** Aborted when it is given to somebody else. */
  readonly leaving: AbortSignal;
  readonly close: () => Promise<void>;
};

/** Opens nothing yet. */
export function createWalletHolder(config: HolderConfig, log: Logger): WalletHolder {
  let held: Held | undefined;
  let closing: Promise<void> | undefined;
  let yieldUntil = 0;
  let words: string | undefined;

  const leave = (given: boolean): Promise<void> => {
    closing ??= (async () => {
      await held?.close();
      held = undefined;
      closing = undefined;
      if (given) yieldUntil = performance.now() + yieldMs;
    })();
    return closing;
  };

  const open = async (signal: AbortSignal): Promise<Held> => {
    await closing;
    const rest = yieldUntil - performance.now();
    if (rest > 0) {
      yieldUntil = 0;
      await pause(rest, signal);
      signal.throwIfAborted();
      // Whoever wanted it is to be asked first.
      throw new WalletMovedError('it was given away');
    }
    const wallet = referredWallet(config.wallet.mnemonic);
    if (held === undefined && wallet !== undefined) {
      words ??= await (config.unseal?.() ?? fromKeyring(config.wallet.directory, wallet));
      // Somebody else may have opened it meanwhile.
      await closing;
    }
    const opened = words === undefined ? config.wallet : { ...config.wallet, mnemonic: words };
    held ??= hold({ ...config, wallet: opened }, log, leave);
    return held;
  };

  return {
    isOpen: () => held !== undefined && closing === undefined,
    async perform(command, args, signal, onEvent) {
      const { handlers, during, leaving } = await open(signal);
      const handler = handlers.get(command);
      if (handler === undefined) throw new RemoteError({ name: 'UnknownCommandError', command });
      const ends = handler.waits ? AbortSignal.any([signal, leaving]) : signal;
      try {
        return await during(handler.offline === true, ends, () =>
          handler.perform(args, { signal: ends, progress: onEvent }),
        );
      } catch (error) {
        if (handler.waits && leaving.aborted && !signal.aborted) {
          throw new WalletMovedError('it changes hands', { cause: error });
        }
        throw error;
      }
    },
    close: () => leave(false),
  };
}

/** Nobody is asked: what a passphrase seals is for a bot, or the command line. @throws SealedWordsError */
const fromKeyring = (directory: string, fingerprint: string): Promise<string> =>
  openWords(directory, fingerprint, { passphrase: async () => undefined, keyring: systemKeyring });

/** @throws WalletInUseError and what `createWallet` throws */
function hold(config: HolderConfig, log: Logger, leave: (given: boolean) => Promise<void>): Held {
  const path = walletSocketPath(config.home);
  const wallet = createWallet(config.wallet, { log });
  const leaving = new AbortController();
  const extension = config.extend?.(wallet);
  const handlers: RemoteHandlers = new Map([
    ...walletHandlers(wallet),
    ...(extension?.handlers ?? new Map()),
  ]);
  let users = 0;
  let cancelLinger: Cancel | undefined;
  let recovered: Promise<void> | undefined;
  let idle = Promise.withResolvers<void>();
  idle.resolve();

  /** Once for as long as it is open; who asks for the disk alone does not wait for it. */
  const recoverOnce = async (signal: AbortSignal): Promise<void> => {
    recovered ??= (async () => {
      await recoverFor(wallet, signal);
      await extension?.recover(signal);
    })();
    try {
      await recovered;
    } catch (error) {
      recovered = undefined;
      throw error;
    }
  };

  const during: Held['during'] = async (offline, signal, work) => {
    if (users === 0) idle = Promise.withResolvers<void>();
    users += 1;
    cancelLinger?.();
    try {
      if (!offline) await recoverOnce(signal);
      return await work();
    } finally {
      users -= 1;
      if (users === 0) {
        idle.resolve();
        tellFound(wallet, config);
        const quietly = { name: 'closing the wallet', log };
        cancelLinger = after(config.lingerMs ?? 0, quietly, () => (users === 0 ? leave(false) : undefined));
      }
    }
  };

  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const server = serve(
    {
      ...wallet.info(),
      handlers,
      during,
      onHandOver: () => void leave(true),
    },
    path,
    log,
  );
  return {
    handlers,
    during,
    leaving: leaving.signal,
    async close() {
      cancelLinger?.();
      leaving.abort(new DOMException('the wallet changes hands', 'AbortError'));
      await server.drain();
      await idle.promise;
      // The socket first: afterwards it would be the next holder's.
      await server.close();
      await extension?.close();
      wallet.close();
    },
  };
}

function tellFound(wallet: CashuWallet, { onFound }: HolderConfig): void {
  const found = wallet.found();
  if (onFound === undefined || found.length === 0) return;
  onFound(found);
  wallet.foundTold(found.map(({ operation }) => operation));
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

/** For how long one who needs the wallet for itself waits for whoever gives it away. */
const takeOverMs = 30_000;
/** And for one who has it and does not listen: it is just beginning, or ending. */
const deafMs = 3_000;
const againMs = 50;

/**
 * Opens what needs the wallet for itself: a bot that starts, a copy that is put in its place. Whoever has it open for now
 * (a plugin, a command) is asked for it, finishes what it does and goes on by this one's socket.
 *
 * @throws WalletInUseError when it is kept: by another bot, or by somebody who does not listen; what `open` throws
 */
export async function takeOver<T>(
  { home, wallet }: Pick<HolderConfig, 'home' | 'wallet'>,
  open: () => T | Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const question = { fingerprint: fingerprintOf(wallet.mnemonic), command: handOverCommand, args: {} };
  const begun = performance.now();
  let promisedAt: number | undefined;
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof WalletInUseError) || signal.aborted) throw error;
      const answer = await askHolder(socketOf({ home, wallet }), question, signal).catch(() => undefined);
      if (answer?.kind === 'answer' && answer.answer === false) throw error;
      if (answer?.kind === 'answer' || answer?.kind === 'moved') promisedAt ??= performance.now();
      const since = performance.now() - (promisedAt ?? begun);
      if (since > (promisedAt === undefined ? deafMs : takeOverMs)) throw error;
    }
    await pause(againMs, signal);
    signal.throwIfAborted();
  }
}
