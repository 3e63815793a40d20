import {
  type RemoteError,
  type RemoteErrorFacts,
  type RestoreProblem,
  type UsageProblem,
  walletSocketPath,
} from '@nostr-dm-agent/cashu-wallet/remote';
import type { Place } from '../../replies/place.ts';
import { describeWalletError } from '../../replies/wallet-error-replies.ts';
import { mintName } from '../../replies/wallet-replies.ts';

/** A terminal: nobody is there afterwards who could tell how something ended. */
export const terminal: Place = {
  command: (words) => words,
  goingOn: 'It is asked about again at the next command, or by the bot.',
  addingMint: 'or accept the mint: wallet mints --add <url>',
};

/** A command that failed, in words. `kind` is the name of the error, for scripts. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly kind: string;
  constructor(kind: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

/** The same where the database itself is to be replaced: whoever has it, it has to be given back first. */
export function replacingFailureOf(error: RemoteError, home: string, now: number): CommandFailure {
  const { facts } = error;
  if (facts.name !== 'WalletInUseError') return failureOf(error, home, now);
  const { holder } = facts;
  const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another process';
  return new CommandFailure(
    facts.name,
    `The wallet is in use by ${who}: the bot, or another command. Stop it first. Nothing was changed.`,
    error,
  );
}

/** @param home `BOT_HOME` */
export function failureOf(error: RemoteError, home: string, now: number): CommandFailure {
  // What ended the waiting here.
  if (error.cause instanceof CommandFailure) return error.cause;
  const { facts } = error;
  // What the command line itself left out is its own fault.
  if (facts.name === 'InvoiceRefusedError' && facts.problem.kind === 'no-amount') {
    const example = 'wallet withdraw <name@host or invoice> 2000';
    return new CommandFailure('WalletUsageError', `That needs an amount in sat: ${example}`, error);
  }
  const kind = facts.name === 'OtherError' ? facts.error : facts.name;
  return new CommandFailure(kind, sentenceOf(facts, home, now), error);
}

function sentenceOf(facts: RemoteErrorFacts, home: string, now: number): string {
  switch (facts.name) {
    case 'WalletUsageError':
      return usageSentence(facts.problem);
    case 'RestoreRefusedError':
      return restoreSentence(facts.problem);
    case 'ConnectionLostError':
      return 'The bot went away before it answered. Nothing is lost: wallet pending shows what was begun.';
    case 'OtherVersionError':
    case 'UnknownCommandError':
      return 'The bot that is running is of another version than this command. Restart it, then try again.';
    case 'WalletInUseError': {
      const { holder } = facts;
      const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another process';
      return `The wallet is in use by ${who}, which does not answer at ${walletSocketPath(home)}. If that is a bot with another BOT_HOME, say which; else wait until it has ended.`;
    }
    case 'OtherError':
      return /malformed|not a database/.test(facts.message)
        ? 'The wallet’s database is damaged. Nothing was done. wallet restore --from <backup> puts a copy in its place and keeps what is there; without one, move the .db files in CASHU_WALLET_DIR away, then wallet restore finds what the words have.'
        : facts.message;
    default:
      return describeWalletError(facts, now, terminal);
  }
}

function usageSentence(problem: UsageProblem): string {
  return `This mint is not accepted. Accepted: ${problem.accepted.map(mintName).join(', ')}.`;
}

function restoreSentence(problem: RestoreProblem): string {
  switch (problem.kind) {
    case 'bot-is-running':
      return 'A bot is running with this wallet. Stop it first: restore is not safe beside other operations.';
  }
}
