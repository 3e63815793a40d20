import { pause } from '@nostr-dm-agent/kit/abort';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { fingerprintOf } from '../open-wallet.ts';
import { WalletInUseError } from '../wallet-errors.ts';
import { askHolder } from './ask-holder.ts';
import { RemoteError, remoteFactsOf } from './remote-error.ts';
import { createWalletHolder, type HolderConfig, WalletMovedError } from './wallet-holder.ts';
import type { WalletAnswer, WalletCommand, WalletRequest } from './wallet-requests.ts';
import { socketOf } from './wallet-socket.ts';

/** Asks the wallet for one thing. @throws RemoteError */
export type WalletCaller = <C extends WalletCommand>(
  request: WalletRequest<C>,
  signal: AbortSignal,
) => Promise<WalletAnswer<C>>;

/** How one question is asked. */
export type AskOptions = {
  readonly onEvent?: (event: unknown) => void;
  /** The same question twice does what it does once: it is asked again when whoever was asked is gone. */
  readonly repeatable?: boolean;
};

/** The way to the wallet, whoever has it. */
export type WalletLine = {
  /**
   * Through the socket of whoever has it open, else by opening it here. The wallet may change hands meanwhile.
   * @throws RemoteError
   */
  readonly ask: (
    command: string,
    args: unknown,
    signal: AbortSignal,
    options?: AskOptions,
  ) => Promise<unknown>;
  /** Gives it back, if it is open here: after what is under way. */
  readonly close: () => Promise<void>;
};

/** How long to wait for one who has the wallet and no socket: another command, or a bot that is just starting. */
const patienceMs = 3_000;
/** And for those who hand it on to each other. */
const movingMs = 60_000;
const retryMs = 50;

/** Opens nothing yet. */
export function createWalletLine(config: HolderConfig, log: Logger): WalletLine {
  const fingerprint = fingerprintOf(config.wallet.mnemonic);
  const holder = createWalletHolder(config, log);

  const once = async (
    command: string,
    args: unknown,
    signal: AbortSignal,
    onEvent: (event: unknown) => void,
  ): Promise<unknown> => {
    const here = () => holder.perform(command, args, signal, onEvent);
    if (holder.isOpen()) return here();
    const answer = await askHolder(socketOf(config), { fingerprint, command, args }, signal, onEvent);
    switch (answer?.kind) {
      case 'answer':
        return answer.answer;
      case 'failure':
        throw new RemoteError(answer.facts);
      case 'moved':
        throw new WalletMovedError('it changes hands');
      default:
        return here();
    }
  };

  return {
    async ask(command, args, signal, { onEvent = () => undefined, repeatable = false } = {}) {
      const begun = performance.now();
      for (;;) {
        try {
          return await once(command, args, signal, onEvent);
        } catch (error) {
          const waited = performance.now() - begun;
          const again =
            (error instanceof WalletInUseError && waited < patienceMs) ||
            (error instanceof WalletMovedError && waited < movingMs) ||
            (isLost(error, false) && waited < patienceMs) ||
            (repeatable && isLost(error, true) && waited < movingMs);
          if (!again || signal.aborted) throw new RemoteError(remoteFactsOf(error), error);
        }
        await pause(retryMs, signal);
      }
    },
    close: holder.close,
  };
}

const isLost = (error: unknown, begun: boolean): boolean =>
  error instanceof RemoteError && error.facts.name === 'ConnectionLostError' && error.facts.begun === begun;

/** The wallet's own commands over a line, as what they are. */
export const callerOver =
  (line: WalletLine): WalletCaller =>
  async <C extends WalletCommand>({ command, args }: WalletRequest<C>, signal: AbortSignal) =>
    // It says that it is of this version, and so it is of this shape.
    (await line.ask(command, args, signal)) as WalletAnswer<C>;

/** The same, where nothing is held between two of them: the wallet is given back after each. */
export function createWalletCaller(config: HolderConfig, log: Logger): WalletCaller {
  const line = createWalletLine(config, log);
  const call = callerOver(line);
  return async (request, signal) => {
    try {
      return await call(request, signal);
    } finally {
      // Who asked this process meanwhile is answered before it ends.
      await line.close();
    }
  };
}
