/*
 * What a paid run's row holds in each of its states (`paid-run.ts`). Loaded only by those who read rows.
 */

import type { KeptTokenId, MintUrl, OperationId } from '@nostr-dm-agent/cashu-wallet';
import { isSat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';

export const satColumn = z.number().refine(isSat);
const operation = z.string().transform((text) => text as OperationId);
const keptToken = z.number().transform((number) => number as KeptTokenId);
const time = z.number();

/** The token that stands for the run's account at the node. Bearer money until it is credited, a key afterwards. */
const issued = {
  /** That made it; absent: no wallet did, the node was paid by Lightning, and `token` is the key itself. */
  operation: operation.optional(),
  token: z.string(),
  /** What left the wallet for it: the token's face and what making it cost. */
  out: satColumn,
  face: satColumn,
};
const credited = { ...issued, creditedMsat: z.number().int().nonnegative() };

/** How asking for the change went so far. Times in Unix milliseconds. */
const asking = {
  ...credited,
  dueSince: time,
  /** The meter's own count, for nodes that keep no sums. */
  meteredMsat: z.number().optional(),
  /** The most that the node can have charged by its own bills (`RunUsage.mostMsat`); absent: nobody can tell. */
  mostMsat: z.number().nonnegative().optional(),
};

const reserved = {
  /** The most that the run may spend. */
  out: satColumn,
  /** As the meter counted, written down after each model call. */
  meteredMsat: z.number().nonnegative(),
};

/** Why a person has to look. The run stays open, and is asked about once a day. */
export const operatorProblems = [
  'balance_missing', // the node has less than it was given and says it spent less
  'key_unknown', // the node took the token and does not know the account any more
  'credited_short', // the node credited less than half of what the token was worth
  'not_credited', // the token is spent at the mint, and the node has no account for it
  'refund_stuck', // the node says itself that it does not know
  'refund_refused', // for a day now, for a reason that asking does not change
  'node_silent', // it has not said anything that helps for days
  'change_swept', // the node took the change back, because it was not fetched in time
  'change_unreadable',
  'change_repeated', // the node gives a token that came before, for another run or as something else
  'change_spent', // somebody else redeemed the change token
  'change_mint', // the change is at a mint that the wallet does not accept
  'change_refused',
] as const;

export const bodies = {
  created: z.object({ state: z.literal('created') }),
  tokenIssued: z.object({ state: z.literal('token_issued'), ...issued }),
  deposited: z.object({ state: z.literal('deposited'), ...credited }),
  running: z.object({ state: z.literal('running'), ...credited }),
  /** A user's key: the node's invoice is to be paid. */
  invoiced: z.object({
    state: z.literal('invoiced'),
    /** The node's name for it. */
    invoiceId: z.string(),
    /** BOLT11. */
    invoice: z.string(),
    expiresAt: time,
    /** A top-up: the key that it is for. */
    key: z.string().optional(),
  }),
  /** An account, or a user's key: it stays at the node until it is asked back. */
  kept: z.object({
    state: z.literal('kept'),
    ...credited,
    /** A user's key: the node's sum of what was spent, as it was seen last. */
    spentMsat: z.number().nonnegative().optional(),
  }),
  /** A run on an account: `out` of it is reserved, and its agent may be spending. */
  spending: z.object({ state: z.literal('spending'), ...reserved }),
  /** A run on an account that is over: what it cost is for the node to say. */
  unreckoned: z.object({
    state: z.literal('unreckoned'),
    ...reserved,
    dueSince: time,
    /** As in `asking`. */
    mostMsat: z.number().nonnegative().optional(),
    /** The bot died meanwhile: the meter may have missed the end. */
    interrupted: z.boolean(),
  }),
  refundDue: z.object({ state: z.literal('refund_due'), ...asking }),
  changeHeld: z.object({
    state: z.literal('change_held'),
    ...asking,
    keptToken,
    /** The node forgot the account: what is tried is our own token, in case it was never redeemed. */
    own: z.boolean().optional(),
  }),
  reclaim: z.object({
    state: z.literal('reclaim'),
    ...issued,
    reason: z.string(),
    /** When the mint said that it is spent, and not by us. */
    claimedAt: time.optional(),
    /** A question that was answered: the node's bill. */
    meteredMsat: z.number().optional(),
  }),
  needsOperator: z.object({
    state: z.literal('needs_operator'),
    trouble: z.enum(operatorProblems),
    detail: z.string(),
    operation: operation.optional(),
    token: z.string(),
    out: satColumn,
    face: satColumn,
    /** undefined: it was never credited, as far as the node says. */
    creditedMsat: z.number().int().nonnegative().optional(),
    dueSince: time,
    meteredMsat: z.number().optional(),
    mostMsat: z.number().nonnegative().optional(),
    keptToken: keptToken.optional(),
  }),
  settled: z.object({
    state: z.literal('settled'),
    /** `out = spent + change + fee`. */
    out: satColumn,
    spent: satColumn,
    change: satColumn,
    fee: satColumn,
    /** A user's key: what the node had credited in all. */
    deposited: satColumn.optional(),
    /** What of `spent` no bill of the node explains; absent: nothing, or nobody can tell. */
    unexplained: satColumn.optional(),
  }),
  /** A top-up whose money is the other run's now; that one's books have it. */
  merged: z.object({
    state: z.literal('merged'),
    /** What the node did not credit of it. */
    short: satColumn.optional(),
  }),
  /** No money moved. */
  void: z.object({ state: z.literal('void') }),
};
export const bodySchema = z.discriminatedUnion('state', [
  bodies.created,
  bodies.tokenIssued,
  bodies.deposited,
  bodies.running,
  bodies.invoiced,
  bodies.kept,
  bodies.spending,
  bodies.unreckoned,
  bodies.refundDue,
  bodies.changeHeld,
  bodies.reclaim,
  bodies.needsOperator,
  bodies.settled,
  bodies.merged,
  bodies.void,
]);

export const ticketSchema = z.object({
  /**
   * What the money is for: one run, an account that is kept across runs, one question, a run that is to come, a key that a
   * user has in hand.
   */
  purpose: z.enum(['run', 'account', 'quick', 'ahead', 'key']).default('run'),
  /** A user's key: what paid for it. */
  source: z.enum(['token', 'wallet', 'invoice']).optional(),
  /** The token that pays for it, as it was pasted. */
  keptToken: keptToken.optional(),
  /** Where its money is, if not where budgets are made. */
  mint: z
    .string()
    .transform((url) => url as MintUrl)
    .optional(),
  sessionId: z.string().optional(),
  owner: z.string(),
  model: z.string().optional(),
  /** The first 80 characters of the task. */
  prompt: z.string(),
  budget: satColumn,
  /** A top-up: the run, or the account, that it is for. */
  parent: z.string().optional(),
  /** A run without a token of its own: the account that it spends from. */
  account: z.string().optional(),
  /** Above 1: earlier ones at other nodes came to nothing (`fallback-nodes.ts`). */
  attempt: z.number().int().positive().optional(),
  /** The key of its send operation, when its token was made ahead (`budgets-ahead.ts`). */
  sendKey: z.string().optional(),
});
