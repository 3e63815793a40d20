/*
 * A run that a Routstr node serves, from the first sat that leaves the wallet until the change is home (DESIGN §6.3).
 *
 *             send      credited     agent starts       ends            token          redeemed
 *   created ──► token_issued ──► deposited ──► running ──► refund_due ──► change_held ──► settled
 *     │  │           │   ▲ not credited             │         ▲  │  ▲         │
 *     │  │           ▼   │                          │         │  │  └─────────┤ another token is to be had
 *     │  └──────► reclaim ──── credited after all ──┼─────────┘  │            │
 *     ▼              │ │                            │            ├────────────┤ nothing is left: settled
 *   void             │ └──► settled (taken back)    │            ▼            ▼
 *                    └────────────────────────────────────► needs_operator ◄──┘
 *
 *   state           on disk when it is entered                     killed in it: recovery
 *   ──────────────  ─────────────────────────────────────────────  ────────────────────────────────────────────────
 *   created         whose run, the budget, the node's URL          no send operation with its key -> void; else the next
 *   token_issued    the token, that the node may have it; ledger   -> reclaim: the mint says who has it
 *   deposited       what the node credited                         -> refund_due
 *   running         that the agent may be spending                 -> refund_due (its processes were ended before)
 *   refund_due      when it became due, how often it was asked     the same call again: nodes answer it with the same
 *                   for, each answer as it came                    token, or balances tell
 *   change_held     the change token, in the wallet's inbox        redeemed by the wallet's recovery or ours
 *   reclaim         why the node did not credit it                 wallet.reclaim (a swap at the mint: one of us wins);
 *                                                                  claimed -> the node's books are asked
 *   needs_operator  what contradicts what; all answers             asked once a day; money that turns up is taken
 *   settled, void   nothing of ours is anywhere else; no token     nothing to do
 *
 * More money for a run under way (`top-up.ts`) is a row of its own until the node has credited it to that run's account,
 * with the same states; then it is `merged`: the run's books have it. A run's change is not asked for while a top-up of
 * it is on its way.
 *
 * An account that is kept across runs, and the runs on it, are in `account.ts`; a question that its own token pays for is
 * in `quick.ts`. Their rows are of the same kind and go the same ways home.
 *
 * The send operation's key is the run's, so that no run has two tokens. A run whose node is down before it begins may be
 * begun again at another node, with a row and a key of its own, once the first token is back (`fallback.ts`). Asking for change and taking a token back are
 * answers to each other: for one run nothing of it is ever done twice at a time (`lock.ts`).
 */
import { z } from 'zod';
import { isSat } from '../../sat.ts';
import type { InboxId, OperationId } from '../../wallets/types.ts';
import type { NodeUrl } from './node-url.ts';

export const satColumn = z.number().refine(isSat);
const operation = z.string().transform((text) => text as OperationId);
const inbox = z.number().transform((number) => number as InboxId);
const time = z.number();

/** The token that stands for the run's account at the node. Bearer money until it is credited, a key afterwards. */
const issued = {
  operation,
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
  /** The meter's own reckoning, for nodes that keep no sums. */
  meteredMsat: z.number().optional(),
};

const reserved = {
  /** The most that the run may spend. */
  out: satColumn,
  /** As the meter counted, written down after each model call. */
  meteredMsat: z.number().nonnegative(),
};

/** Why a person has to look. The run stays open, and is asked about once a day. */
export const troubles = [
  'balance_missing', // the node has less than it was given and says it spent less
  'key_unknown', // the node took the token and does not know the account any more
  'credited_short', // the node credited less than half of what the token was worth
  'not_credited', // the token is spent at the mint, and the node has no account for it
  'refund_stuck', // the node says itself that it does not know
  'refund_refused', // for a day now, for a reason that asking does not change
  'change_swept', // the node took the change back, because it was not fetched in time
  'change_unreadable',
  'change_spent', // somebody else redeemed the change token
  'change_mint', // the change is at a mint that the wallet does not accept
  'change_refused',
] as const;
export type Trouble = (typeof troubles)[number];

export const bodies = {
  created: z.object({ state: z.literal('created') }),
  tokenIssued: z.object({ state: z.literal('token_issued'), ...issued }),
  deposited: z.object({ state: z.literal('deposited'), ...credited }),
  running: z.object({ state: z.literal('running'), ...credited }),
  /** An account: it waits for runs to spend from it. */
  kept: z.object({ state: z.literal('kept'), ...credited }),
  /** A run on an account: `out` of it is reserved, and its agent may be spending. */
  spending: z.object({ state: z.literal('spending'), ...reserved }),
  /** A run on an account that is over: what it cost is for the node to say. */
  unreckoned: z.object({
    state: z.literal('unreckoned'),
    ...reserved,
    dueSince: time,
    /** The bot died meanwhile: the meter may have missed the end. */
    interrupted: z.boolean(),
  }),
  refundDue: z.object({ state: z.literal('refund_due'), ...asking }),
  changeHeld: z.object({
    state: z.literal('change_held'),
    ...asking,
    inbox,
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
    trouble: z.enum(troubles),
    detail: z.string(),
    operation,
    token: z.string(),
    out: satColumn,
    face: satColumn,
    /** undefined: it was never credited, as far as the node says. */
    creditedMsat: z.number().int().nonnegative().optional(),
    dueSince: time,
    meteredMsat: z.number().optional(),
    inbox: inbox.optional(),
  }),
  settled: z.object({
    state: z.literal('settled'),
    /** `out = spent + change + fee`. */
    out: satColumn,
    spent: satColumn,
    change: satColumn,
    fee: satColumn,
  }),
  /** A top-up whose money is the other run's now; that one's books have it. */
  merged: z.object({ state: z.literal('merged') }),
  /** No money moved. */
  void: z.object({ state: z.literal('void') }),
};
export const bodySchema = z.discriminatedUnion('state', [
  bodies.created,
  bodies.tokenIssued,
  bodies.deposited,
  bodies.running,
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
export type PaidRunBody = z.infer<typeof bodySchema>;
export type PaidRunState = PaidRunBody['state'];
export type InState<State extends PaidRunState> = Extract<PaidRunBody, { state: State }>;

export const ticketSchema = z.object({
  /** What the money is for: one run, an account that is kept across runs, one question. */
  purpose: z.enum(['run', 'account', 'quick']).default('run'),
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
  /** Above 1: earlier ones at other nodes came to nothing (`fallback.ts`). */
  attempt: z.number().int().positive().optional(),
});
export type PaidRunTicket = z.infer<typeof ticketSchema>;

/** One paid run: what every state has, and its state's own facts. */
export type PaidRun = {
  readonly id: string;
  readonly node: NodeUrl;
  readonly ticket: PaidRunTicket;
  readonly ledger: number | undefined;
  readonly attempts: number;
  readonly nextAt: number;
  readonly createdAt: number;
  readonly body: PaidRunBody;
};
export type PaidRunIn<State extends PaidRunState> = PaidRun & { readonly body: InState<State> };

export const isIn = <State extends PaidRunState>(
  run: PaidRun,
  ...states: readonly State[]
): run is PaidRunIn<State> => states.some((state) => state === run.body.state);

/** The row of an account itself, not one of its deposits. */
export const isAccount = ({ ticket }: Pick<PaidRun, 'ticket'>): boolean =>
  ticket.purpose === 'account' && ticket.parent === undefined;

/** Rows with the same name are about the same money at a node: nothing is done to them twice at a time. */
export const moneyOf = ({ id, node, ticket }: PaidRun): string =>
  ticket.purpose === 'account' || ticket.account !== undefined ? accountMoney(node) : (ticket.parent ?? id);
export const accountMoney = (node: NodeUrl): string => `account at ${node}`;

/** Money of ours may still be elsewhere. */
export const isOpen = (body: PaidRunBody): boolean =>
  body.state !== 'settled' && body.state !== 'void' && body.state !== 'merged';

/** The send operation's key: one token for an attempt of a run, ever. */
export const sendKeyOf = ({ id, ticket: { attempt = 1 } }: Pick<PaidRun, 'id' | 'ticket'>): string =>
  attempt === 1 ? `run:${id}` : `run:${id}~${attempt}`;

/** Moments between which everything is on disk. Tests end the process at each of them. */
export type RunCheckpoint =
  | 'run:created'
  | 'run:sent'
  | 'run:token_issued'
  | 'run:credited'
  | 'run:deposited'
  | 'run:running'
  | 'run:kept'
  | 'run:merged'
  | 'run:spending'
  | 'run:unreckoned'
  | 'run:refund_due'
  | 'run:answered'
  | 'run:answer_kept'
  | 'run:change_held'
  | 'run:reclaim'
  | 'run:settled';
