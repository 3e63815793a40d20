/*
 * A run that a Routstr node serves, from the first sat that leaves the wallet until the change is home
 * (docs/design.md#paid-runs).
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
 *   change_held     the change token, kept by the wallet           redeemed by the wallet's recovery or ours
 *   reclaim         why the node did not credit it                 wallet.reclaim (a swap at the mint: one of us wins);
 *                                                                  claimed -> the node's books are asked
 *   needs_operator  what contradicts what; all answers             asked once a day; money that turns up is taken
 *   settled, void   nothing of ours is anywhere else; no token     nothing to do
 *
 * More money for a run under way (`top-up.ts`) is a row of its own until the node has credited it to that run's account,
 * with the same states; then it is `merged`: the run's books have it. A run's change is not asked for while a top-up of
 * it is on its way.
 *
 * An account that is kept across runs, and the runs on it, are in `node-account.ts`; keys that users have in hand in `user-key.ts`; a question that its own token pays for is
 * in `quick.ts`. Their rows are of the same kind and go the same ways home.
 *
 * A budget that is made ahead of its run (`budgets-ahead.ts`) is a row in `created` whose token exists. The run that takes it
 * gets a row with that token's key, and the first row is void, in one transaction.
 *
 * The send operation's key is the run's, so that no run has two tokens. A run whose node is down before it begins may be
 * begun again at another node, with a row and a key of its own, once the first token is back (`fallback-nodes.ts`). Asking for change and taking a token back are
 * answers to each other: for one run nothing of it is ever done twice at a time (`MoneyLock`).
 */
import type { z } from 'zod';
import type { NodeUrl } from '../node/node-url.ts';
import type { bodySchema, operatorProblems, ticketSchema } from './paid-run-schema.ts';

export type OperatorProblem = (typeof operatorProblems)[number];
export type PaidRunBody = z.infer<typeof bodySchema>;
export type PaidRunState = PaidRunBody['state'];
export type InState<State extends PaidRunState> = Extract<PaidRunBody, { state: State }>;
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
export const isNodeAccount = ({ ticket }: Pick<PaidRun, 'ticket'>): boolean =>
  ticket.purpose === 'account' && ticket.parent === undefined;

/** The row of a key that a user has in hand, or of money that is added to one (`user-key.ts`). */
export const isOfUserKey = ({ ticket }: Pick<PaidRun, 'ticket'>): boolean => ticket.purpose === 'key';

/** Stays at its node until it is asked back. */
export const staysAtNode = (run: Pick<PaidRun, 'ticket'>): boolean =>
  isNodeAccount(run) || (isOfUserKey(run) && run.ticket.parent === undefined);

/** Rows with the same name are about the same money at a node: nothing is done to them twice at a time. */
export const moneyOf = ({ id, node, ticket }: PaidRun): string =>
  ticket.purpose === 'account' || ticket.account !== undefined
    ? nodeAccountMoney(node)
    : (ticket.parent ?? id);
export const nodeAccountMoney = (node: NodeUrl): string => `account at ${node}`;
/** One at a time for each such name. */
export type MoneyLock = <T>(money: string, work: () => Promise<T>) => Promise<T>;

/** What a body has to say of its token. */
export const tokenOf = ({ operation, token, out, face }: Issued): Issued => ({ operation, token, out, face });
type Issued = Omit<InState<'token_issued'>, 'state'>;

/** What a body has to say of how its change is asked for, beside its token. */
export const dueOf = ({ creditedMsat, dueSince, meteredMsat, mostMsat }: Due): Due => ({
  creditedMsat,
  dueSince,
  meteredMsat,
  mostMsat,
});
type Due = Pick<InState<'refund_due'>, 'creditedMsat' | 'dueSince' | 'meteredMsat' | 'mostMsat'>;

/** Money of ours may still be elsewhere. */
export const isOpen = (body: PaidRunBody): boolean =>
  body.state !== 'settled' && body.state !== 'void' && body.state !== 'merged';

/** The send operation's key: one token for an attempt of a run, ever. */
export const sendKeyOf = ({ id, ticket: { attempt = 1, sendKey } }: Pick<PaidRun, 'id' | 'ticket'>): string =>
  sendKey ?? (attempt === 1 ? `run:${id}` : `run:${id}~${attempt}`);

/** A budget that was made ahead, and has no run. */
export const isAhead = ({ ticket }: Pick<PaidRun, 'ticket'>): boolean => ticket.purpose === 'ahead';

/** Moments between which everything is on disk. Tests end the process at each of them. */
export type RunCheckpoint =
  | 'run:created'
  | 'run:sent'
  | 'run:ahead'
  | 'run:token_issued'
  | 'run:credited'
  | 'run:deposited'
  | 'run:running'
  | 'run:invoiced'
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
