import type { WalletAnswer, WalletCommand, WalletRequest } from '@nostr-dm-agent/cashu-wallet/remote';
import { createWalletLine } from '@nostr-dm-agent/cashu-wallet/remote';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { type KeyParts, withKeys } from './key-handlers.ts';
import { keysOver } from './session-keys.ts';
import type { SessionConfig, WalletSession } from './wallet-session.ts';

/** How long the wallet stays open here after it was used last: what follows at once need not open it again. */
const lingerMs = 2_000;

/**
 * The wallet and the persistent keys, whoever has the wallet open. Opens nothing yet: the first question does.
 *
 * @param parts how keys are looked after where this process has the wallet
 * @throws BadMnemonicError
 */
export function openWalletSession(
  config: SessionConfig,
  log: Logger,
  parts: Omit<KeyParts, 'log'> = {},
): WalletSession {
  const line = createWalletLine({ lingerMs, ...config, extend: withKeys({ log, ...parts }) }, log);
  const ask = async <C extends WalletCommand>(
    command: C,
    args: WalletRequest<C>['args'],
    signal: AbortSignal,
    repeatable = false,
  ): Promise<WalletAnswer<C>> =>
    // It says that it is of this version, and so it is of this shape.
    (await line.ask(command, args, signal, { repeatable })) as WalletAnswer<C>;

  return {
    ...keysOver(line),
    balance: (signal) => ask('balance', {}, signal, true),
    decode: (token, signal) => ask('decode', { token }, signal, true),
    receive: (token, signal) => ask('receive', { token }, signal),
    async topUpWallet(amount, signal, waiting) {
      const invoice = await ask('topup', { amount, mint: undefined }, signal);
      waiting?.onInvoice?.(invoice);
      return ask('awaitTopUp', { operation: invoice.operation }, signal, true);
    },
    quoteWithdrawal: ({ to, amount }, signal) => ask('quote', { to, amount, mint: undefined }, signal, true),
    // An operation is paid once, however often it is asked.
    withdraw: (operation, signal) => ask('pay', { operation }, signal, true),
    send: (amount, signal) => ask('send', { amount, mint: undefined }, signal),
    history: (limit, signal) => ask('history', { limit }, signal, true),
    close: line.close,
  };
}
