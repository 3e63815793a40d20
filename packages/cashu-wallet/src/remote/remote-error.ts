import { factsOf, WalletError, type WalletErrorFacts } from '../wallet-errors.ts';

/** Asked for in a way that cannot be. */
export type UsageProblem = { readonly kind: 'mint'; readonly accepted: readonly string[] };

/** Why the words were not searched. */
export type RestoreProblem = { readonly kind: 'bot-is-running' };

/** What went wrong with a request of the command line: data, as it crosses the socket. */
export type RemoteErrorFacts =
  | WalletErrorFacts
  | { readonly name: 'WalletUsageError'; readonly problem: UsageProblem }
  | { readonly name: 'RestoreRefusedError'; readonly problem: RestoreProblem }
  /** Whoever had the wallet went away before it answered; `begun`: it may have done some of what was asked. */
  | { readonly name: 'ConnectionLostError'; readonly begun: boolean }
  /** The bot that has the wallet is of another version of this program. */
  | { readonly name: 'OtherVersionError' }
  /** Of a version that does not know this command. */
  | { readonly name: 'UnknownCommandError'; readonly command: string }
  /** Nothing of the wallet's own: a full disk, a file that is there already. */
  | { readonly name: 'OtherError'; readonly error: string; readonly message: string };

export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  readonly facts: RemoteErrorFacts;
  constructor(facts: RemoteErrorFacts, cause?: unknown) {
    super(facts.name, { cause });
    this.facts = facts;
  }
}

/** What can be said of whatever was thrown. */
export function remoteFactsOf(error: unknown): RemoteErrorFacts {
  if (error instanceof RemoteError) return error.facts;
  if (error instanceof WalletError) return factsOf(error);
  const name = error instanceof Error ? error.name : 'Error';
  return { name: 'OtherError', error: name, message: error instanceof Error ? error.message : String(error) };
}
