import { WalletError } from '@nostr-dm-agent/cashu-wallet';
import { NoWalletError } from '../money/wallet-access.ts';
import { describeWalletError, noWallet } from '../replies/wallet-error-replies.ts';
import { type Command, RefusalError, UsageError } from './command.ts';
import { examplesOf, usageOf } from './command-registry.ts';

/** It is told to the owner, and no fault of the bot. */
export const isExpected = (cause: unknown): boolean =>
  cause instanceof UsageError ||
  cause instanceof RefusalError ||
  cause instanceof WalletError ||
  cause instanceof NoWalletError ||
  isTimeout(cause);

/** In a word, for the log. */
export function outcomeOf(cause: unknown): 'wrong usage' | 'refused' | 'timeout' | 'failed' {
  if (cause instanceof UsageError) return 'wrong usage';
  if (isTimeout(cause)) return 'timeout';
  return isExpected(cause) ? 'refused' : 'failed';
}

/** Bad input gets one clear line and an example, a refusal its reason; a fault of ours is logged and loses nothing. */
export function describeCommandError(command: Command, cause: unknown, now: number): string {
  if (cause instanceof UsageError) {
    // What is wrong is an argument, so an example without one is no help.
    const examples = examplesOf(command);
    const example = examples.find((each) => each !== `!${command.path}`) ?? examples[0];
    return `${cause.problem}\nExpected: ${usageOf(command)}. Example: ${example}`;
  }
  if (cause instanceof RefusalError) return cause.reason;
  if (cause instanceof WalletError) return describeWalletError(cause, now);
  if (cause instanceof NoWalletError) return noWallet;
  if (isTimeout(cause)) {
    const rest =
      command.family === 'Wallet'
        ? 'Nothing is lost: what was started is finished by itself. !wallet pending shows what is open.'
        : 'Try it again, or see !status.';
    return `!${command.path} got no answer in time. ${rest}`;
  }
  return `!${command.path} did not work, through a fault of the bot (it is in its log). Nothing was changed. Try it again, or see !status.`;
}

/** The limit of a command was reached. */
const isTimeout = (cause: unknown): boolean => cause instanceof DOMException && cause.name === 'TimeoutError';

/** A member asked for what only admins may do. */
export const describeForbidden = ({ path, instead }: Extract<Command, { role: 'admin' }>): string =>
  `!${path} is for admins. ${instead}`;
