import type { LockHolder } from '@nostr-dm-agent/kit/lock';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { OperationId } from './wallet-types.ts';

/** Everything a wallet refuses or cannot do. Facts are fields; sentences are made of them elsewhere. */
export abstract class WalletError extends Error {}

export class InsufficientFundsError extends WalletError {
  override readonly name = 'InsufficientFundsError';
  /** Ready at the mint in question. */
  readonly have: Sat;
  /** Fees included. */
  readonly need: Sat;
  readonly mint: string;
  constructor(facts: { readonly have: Sat; readonly need: Sat; readonly mint: string }) {
    super(`${facts.have} sat ready, ${facts.need} sat needed`);
    this.have = facts.have;
    this.need = facts.need;
    this.mint = facts.mint;
  }
}

/** Why a token or an invoice was refused before anything was done with it. */
export type TokenProblem =
  | { readonly kind: 'malformed' }
  | { readonly kind: 'too-large'; readonly length: number; readonly max: number }
  | { readonly kind: 'too-many-proofs'; readonly proofs: number; readonly max: number }
  | { readonly kind: 'wrong-mint'; readonly mint: string; readonly accepted: readonly string[] }
  | { readonly kind: 'wrong-unit'; readonly unit: string }
  | { readonly kind: 'locked'; readonly lock: string }
  | { readonly kind: 'unknown-keyset' }
  | { readonly kind: 'bad-signature' }
  | { readonly kind: 'dust'; readonly amount: Sat; readonly fee: Sat }
  | { readonly kind: 'spent' }
  | {
      readonly kind: 'already-received';
      readonly operation: OperationId;
      readonly amount: Sat;
      readonly at: number;
    }
  /** The mint said no although nothing is spent. */
  | { readonly kind: 'refused'; readonly detail: string };

/** A token that cannot be received. Nothing was lost: it is as good or as bad as before. */
export class TokenRefusedError extends WalletError {
  override readonly name = 'TokenRefusedError';
  readonly problem: TokenProblem;
  constructor(problem: TokenProblem, cause?: unknown) {
    super(`token refused: ${problem.kind}`, { cause });
    this.problem = problem;
  }
}

export class BalanceCapError extends WalletError {
  override readonly name = 'BalanceCapError';
  readonly balance: Sat;
  readonly amount: Sat;
  readonly cap: Sat;
  constructor(facts: { readonly balance: Sat; readonly amount: Sat; readonly cap: Sat }) {
    super(`${facts.balance} + ${facts.amount} sat is more than the cap of ${facts.cap} sat`);
    this.balance = facts.balance;
    this.amount = facts.amount;
    this.cap = facts.cap;
  }
}

export type InvoiceProblem =
  | { readonly kind: 'malformed' }
  | { readonly kind: 'no-amount' }
  /** It is over this much, and another amount was given. */
  | { readonly kind: 'fixed-amount'; readonly amount: Sat }
  /** It names no amount, and its mint pays only what does. */
  | { readonly kind: 'amountless-unsupported' }
  /** A BOLT12 offer (`lno1…`), or an address on the chain: neither is an invoice. */
  | { readonly kind: 'bolt12' }
  | { readonly kind: 'on-chain' }
  | { readonly kind: 'expired'; readonly at: number }
  | { readonly kind: 'wrong-network'; readonly network: string }
  | { readonly kind: 'amount-mismatch'; readonly asked: Sat; readonly quoted: Sat }
  | { readonly kind: 'quote-expired' }
  /** The mint's fees have grown since they were shown. */
  | { readonly kind: 'costs-more'; readonly shown: Sat; readonly fee: Sat }
  /** `spent`: what making the exact sum had cost. */
  | { readonly kind: 'already-paid'; readonly spent?: Sat }
  /** By this wallet, now. */
  | { readonly kind: 'under-way'; readonly operation: OperationId }
  | { readonly kind: 'fee-too-high'; readonly fee: Sat; readonly max: Sat }
  /** The mint would not quote or pay it. The money is still ours, but for what making the exact sum had cost. */
  | { readonly kind: 'refused'; readonly detail: string; readonly spent?: Sat };

/** An invoice that was not paid. The money is where it was. */
export class InvoiceRefusedError extends WalletError {
  override readonly name = 'InvoiceRefusedError';
  readonly problem: InvoiceProblem;
  constructor(problem: InvoiceProblem, cause?: unknown) {
    super(`invoice refused: ${problem.kind}`, { cause });
    this.problem = problem;
  }
}

export type LnurlProblem =
  | { readonly kind: 'malformed' }
  /** An address in our own network, or without https. */
  | { readonly kind: 'forbidden'; readonly host: string }
  | { readonly kind: 'unreachable'; readonly host: string }
  /** There is nobody of that name. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'nonsense'; readonly detail: string }
  | { readonly kind: 'amount'; readonly min: Sat; readonly max: Sat }
  /** Its invoice is not what was asked for. */
  | { readonly kind: 'invoice'; readonly problem: InvoiceProblem };

/** A Lightning address or LNURL that gave no invoice to pay. Nothing was paid. */
export class LnurlError extends WalletError {
  override readonly name = 'LnurlError';
  readonly problem: LnurlProblem;
  constructor(problem: LnurlProblem, cause?: unknown) {
    super(`Lightning address: ${problem.kind}`, { cause });
    this.problem = problem;
  }
}

/** How a mint cannot be used right now. */
export type MintProblem =
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'timeout'; readonly afterMs: number }
  | { readonly kind: 'rate-limited'; readonly retryAfterMs: number | undefined }
  | { readonly kind: 'http'; readonly status: number; readonly detail: string }
  /** HTTP 400 with a NUT error code. The code chooses a sentence, never what becomes of money. */
  | { readonly kind: 'refused'; readonly code: number; readonly detail: string }
  | { readonly kind: 'nonsense'; readonly detail: string }
  | { readonly kind: 'not-accepted'; readonly accepted: readonly string[] }
  /** The configuration names it, so it can't be taken out here. */
  | { readonly kind: 'configured' }
  /** Its active keysets are all of a kind that this wallet does not know. */
  | { readonly kind: 'unsupported-keysets' }
  /** Those that it had have ended (NUT-02), and it shows no other one. */
  | { readonly kind: 'keysets-ended' }
  /** It shows a keyset id that belongs to another mint: secrets would be used twice. */
  | { readonly kind: 'keyset-conflict'; readonly keyset: string; readonly owner: string };

export class MintError extends WalletError {
  override readonly name = 'MintError';
  readonly mint: string;
  readonly problem: MintProblem;
  constructor(mint: string, problem: MintProblem, cause?: unknown) {
    super(`mint ${mint}: ${problem.kind}`, { cause });
    this.mint = mint;
    this.problem = problem;
  }
}

/** Begun, and not known how it ended. `recover` finds out; the money is reserved until then. */
export class UnfinishedOperationError extends WalletError {
  override readonly name = 'UnfinishedOperationError';
  readonly operation: OperationId;
  /** Why it needs a person; undefined when waiting is enough. */
  readonly trouble: string | undefined;
  constructor(operation: OperationId, trouble: string | undefined, cause?: unknown) {
    super(`operation ${operation} is not finished`, { cause });
    this.operation = operation;
    this.trouble = trouble;
  }
}

export class UnknownOperationError extends WalletError {
  override readonly name = 'UnknownOperationError';
  readonly operation: string;
  constructor(operation: string) {
    super(`no operation ${operation}`);
    this.operation = operation;
  }
}

/** The operation is past the point at which this could be done. */
export class OperationStateError extends WalletError {
  override readonly name = 'OperationStateError';
  readonly operation: OperationId;
  readonly state: string;
  constructor(operation: OperationId, state: string) {
    super(`operation ${operation} is ${state}`);
    this.operation = operation;
    this.state = state;
  }
}

/** Inputs of an operation were spent by somebody who has the same words. What was left is free again. */
export class SpentElsewhereError extends WalletError {
  override readonly name = 'SpentElsewhereError';
  readonly operation: OperationId;
  readonly amount: Sat;
  constructor(operation: OperationId, amount: Sat) {
    super(`${amount} sat of operation ${operation} were spent elsewhere`);
    this.operation = operation;
    this.amount = amount;
  }
}

/** Another process has the wallet's database. */
export class WalletInUseError extends WalletError {
  override readonly name = 'WalletInUseError';
  /** undefined when it has not written down who it is yet. */
  readonly holder: LockHolder | undefined;
  constructor(holder: LockHolder | undefined, cause?: unknown) {
    super(
      `the wallet is in use by ${holder ? `process ${holder.pid} on ${holder.host}` : 'another process'}`,
      { cause },
    );
    this.holder = holder;
  }
}

/** Why a mint is not called by another address from now on. */
export type RenameProblem =
  /** Nothing of it was ever seen, so there is nothing to compare. */
  | { readonly kind: 'nothing-known' }
  /** The new address is that of a mint which is known by these keysets of its own. */
  | { readonly kind: 'another-mint'; readonly keysets: readonly string[] }
  /** Keysets that the new one does not have, and those that it has with other keys. */
  | { readonly kind: 'differs'; readonly missing: readonly string[]; readonly different: readonly string[] }
  /** Something is under way there at this moment. */
  | { readonly kind: 'busy'; readonly operation: OperationId };

/** Two addresses that are not the same mint's, as far as can be told. Nothing was changed. */
export class RenameRefusedError extends WalletError {
  override readonly name = 'RenameRefusedError';
  readonly from: string;
  readonly to: string;
  readonly problem: RenameProblem;
  constructor(from: string, to: string, problem: RenameProblem) {
    super(`${from} is not ${to}: ${problem.kind}`);
    this.from = from;
    this.to = to;
    this.problem = problem;
  }
}

/** Why a file is not put in the place of the wallet's database. */
export type CopyProblem =
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreadable'; readonly code: string }
  /** It is the wallet's database. */
  | { readonly kind: 'itself' }
  | { readonly kind: 'no-wallet' }
  | { readonly kind: 'damaged'; readonly detail: string }
  | { readonly kind: 'other-words' }
  /** Versions of its tables, and the newest that this program knows. */
  | { readonly kind: 'newer'; readonly found: number; readonly supported: number };

/** A file that can't be used as this wallet's database. Nothing was changed. */
export class CopyRefusedError extends WalletError {
  override readonly name = 'CopyRefusedError';
  readonly path: string;
  readonly problem: CopyProblem;
  constructor(path: string, problem: CopyProblem, cause?: unknown) {
    super(`${path}: ${problem.kind}`, { cause });
    this.path = path;
    this.problem = problem;
  }
}

/** A copy of the database that was not written. What was at its place is as it was. */
export class BackupRefusedError extends WalletError {
  override readonly name = 'BackupRefusedError';
  readonly path: string;
  readonly problem: { readonly kind: 'exists' } | { readonly kind: 'unwritable'; readonly code: string };
  constructor(path: string, problem: BackupRefusedError['problem'], cause?: unknown) {
    super(`${path}: ${problem.kind}`, { cause });
    this.path = path;
    this.problem = problem;
  }
}

export class BadMnemonicError extends WalletError {
  override readonly name = 'BadMnemonicError';
  readonly problem:
    | { readonly kind: 'length'; readonly words: number }
    /** Positions from 1. */
    | { readonly kind: 'unknown-words'; readonly positions: readonly number[] }
    | { readonly kind: 'checksum' };
  constructor(problem: BadMnemonicError['problem']) {
    super(`the mnemonic is not valid: ${problem.kind}`);
    this.problem = problem;
  }
}

type FactsOf<E> = E extends WalletError ? Omit<E, 'message' | 'stack' | 'cause'> : never;
/** What a wallet error says, without being one: for another process. Every wallet error is its own facts, too. */
export type WalletErrorFacts = FactsOf<
  | InsufficientFundsError
  | TokenRefusedError
  | BalanceCapError
  | InvoiceRefusedError
  | LnurlError
  | MintError
  | UnfinishedOperationError
  | UnknownOperationError
  | OperationStateError
  | SpentElsewhereError
  | WalletInUseError
  | CopyRefusedError
  | RenameRefusedError
  | BackupRefusedError
  | BadMnemonicError
>;

/** The facts of an error, and nothing else of it. */
export const factsOf = (error: WalletError): WalletErrorFacts =>
  // Message, stack and cause are not enumerable.
  Object.fromEntries(Object.entries(error)) as WalletErrorFacts;
