import { messageOf } from '../../../../src/replies/format.ts';
import { describeWalletError } from '../../../../src/replies/wallet-error-replies.ts';
import { WalletError } from '../errors.ts';

/** A command that failed, in words for a terminal. `kind` is the name of the error, for scripts. */
export class WalletCommandError extends Error {
  override readonly name = 'WalletCommandError';
  readonly kind: string;
  constructor(kind: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

/** Whatever the wallet threw, as a WalletCommandError. */
export function commandErrorOf(error: unknown, now: number): WalletCommandError {
  if (error instanceof WalletCommandError) return error;
  const kind = error instanceof Error ? error.name : 'Error';
  const text = error instanceof WalletError ? describeWalletError(error, now) : messageOf(error);
  // The sentences are written for a chat, where commands begin with an exclamation mark.
  return new WalletCommandError(kind, text.replaceAll('!wallet', 'wallet'), error);
}
