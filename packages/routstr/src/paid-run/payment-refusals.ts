import {
  InsufficientFundsError,
  MintError,
  SpentElsewhereError,
  UnfinishedOperationError,
} from '@nostr-dm-agent/cashu-wallet';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { NodeUrl } from '../node/node-url.ts';
import type { OneCallOutcome } from '../node/one-call.ts';
import type { NotCredited } from '../node/outcomes.ts';
import type { BudgetRefusal } from './budget-rules.ts';
import type { UnableNode } from './fallback-nodes.ts';
import type { PaidRun } from './paid-run.ts';

/*
 * Why nothing is paid for, as facts. Whoever asked makes the sentences.
 */

/** Where the money is of something that came to nothing. */
export type Whereabouts =
  | { readonly state: 'never_left' }
  /** What of it was kept elsewhere, and what the mint took. */
  | { readonly state: 'back'; readonly spent: Sat; readonly change: Sat; readonly fee: Sat }
  /** It is asked for, or taken back. */
  | { readonly state: 'coming' }
  /** A person has to look. */
  | { readonly state: 'in_doubt' };

export function whereaboutsOf(row: PaidRun | undefined): Whereabouts {
  switch (row?.body.state) {
    case undefined:
    case 'void':
      return { state: 'never_left' };
    case 'settled': {
      const { spent, change, fee } = row.body;
      return { state: 'back', spent, change, fee };
    }
    case 'needs_operator':
      return { state: 'in_doubt' };
    default:
      return { state: 'coming' };
  }
}

/** There is no token. */
export type TokenRefusal =
  /** With the mint's fees. */
  | { readonly kind: 'short_with_fees'; readonly have: Sat; readonly need: Sat }
  | { readonly kind: 'mint_away'; readonly mint: string }
  /** The mint did not say whether it was made; the wallet looks after it. */
  | { readonly kind: 'token_unfinished' };

/** What a failure to make a token means to whoever wanted it; undefined: it is none of these. */
export function tokenRefusal(error: unknown): TokenRefusal | undefined {
  if (error instanceof InsufficientFundsError) {
    return { kind: 'short_with_fees', have: error.have, need: error.need };
  }
  if (error instanceof MintError) return { kind: 'mint_away', mint: error.mint };
  return error instanceof UnfinishedOperationError || error instanceof SpentElsewhereError
    ? { kind: 'token_unfinished' }
    : undefined;
}

/** A node did not take a token. */
export type NodeRefusal =
  | {
      readonly kind: 'not_credited';
      readonly node: NodeUrl;
      readonly amount: Sat;
      readonly outcome: NotCredited | { readonly state: 'unknown_key' };
      readonly money: Whereabouts;
    }
  /** For less than half of its worth; all of it is asked back. */
  | {
      readonly kind: 'credited_short';
      readonly node: NodeUrl;
      readonly amount: Sat;
      readonly creditedMsat: number;
    };

/** Why a run does not begin. */
export type RunRefusal =
  | BudgetRefusal
  | TokenRefusal
  | NodeRefusal
  /** It does not answer; nothing was spent. */
  | { readonly kind: 'node_away'; readonly node: NodeUrl }
  /** The same, and the run's money is kept there. */
  | { readonly kind: 'account_away'; readonly node: NodeUrl }
  | { readonly kind: 'no_fallback'; readonly first: RunRefusal; readonly others: readonly UnableNode[] };

/** Why nothing is added to the account at a node. */
export type DepositRefusal =
  | BudgetRefusal
  | TokenRefusal
  | NodeRefusal
  /** The money there is on its way back. */
  | { readonly kind: 'leaving'; readonly node: NodeUrl }
  /** An earlier deposit is not credited yet. */
  | { readonly kind: 'arriving'; readonly node: NodeUrl; readonly amount: Sat }
  /** The bot was restarted during it. */
  | { readonly kind: 'interrupted'; readonly amount: Sat; readonly money: Whereabouts };

/** Why a run under way gets no more money. */
export type MoreRefusal =
  | Exclude<DepositRefusal, { kind: 'interrupted' }>
  | { readonly kind: 'run_over' }
  /** Where the money of an earlier addition is, is not known yet. */
  | { readonly kind: 'still_adding' };

/** Why a question has no answer. */
export type QuestionRefusal =
  | BudgetRefusal
  | TokenRefusal
  /** It costs more than whoever asks may spend at once. */
  | { readonly kind: 'too_dear'; readonly budget: Sat; readonly most: Sat }
  | {
      readonly kind: 'unanswered';
      readonly node: NodeUrl;
      readonly budget: Sat;
      readonly outcome: Exclude<OneCallOutcome, { state: 'answered' }>;
      readonly money: Whereabouts;
    }
  | PastQuestion;

/** A question that was asked before, under the same key. */
export type PastQuestion = {
  readonly kind: 'asked_before';
  readonly budget: Sat;
  readonly money: Whereabouts;
};
