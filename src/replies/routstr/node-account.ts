import { formatSat, msatToSatFloor, type Sat } from '@nostr-dm-agent/kit/sat';
import type { BudgetRefusal, NotCredited, PaidRun, TopUpOutcome } from '@nostr-dm-agent/routstr';
import * as words from './paid-run.ts';

/** What the owner reads of accounts that are kept at nodes. */

const host = (node: string): string => new URL(node).host;

/** Stands where a run has its task. */
export const accountName = (node: string): string => `account at ${host(node)}`;

export const leaving = (node: string): string =>
  `The money at ${host(node)} is on its way back; nothing is deposited meanwhile. !provider balance shows when it is home.`;

export const arriving = (node: string, amount: Sat): string =>
  `An earlier deposit of ${formatSat(amount)} at ${host(node)} is not credited yet, and I look after it. Try again when !provider balance shows it.`;

export const nodeAway = (node: string): string =>
  `The node ${host(node)} does not answer, and the money of this run is kept there. Nothing was spent; !retry runs it again, !provider set local is another way on.`;

export const refusedDeposit = (refusal: BudgetRefusal): string =>
  refusal.kind === 'short'
    ? `The wallet has ${formatSat(refusal.have)} ready; that is less than ${formatSat(refusal.need)}. !wallet topup ${Math.max(1, refusal.need - refusal.have)} makes an invoice.`
    : words.budgetRefusal(refusal);

type Refusal = NotCredited | Exclude<TopUpOutcome, { state: 'credited' }>;

/** The node did not take a deposit; `row` says where the money is now. */
export const notDeposited = (outcome: Refusal, row: PaidRun): string =>
  `The node ${host(row.node)} ${words.whatItDid(outcome)}, so nothing was deposited. ${whereabouts(row)}`;

export const creditedShort = (row: PaidRun, balanceMsat: number): string =>
  `The node ${host(row.node)} credited ${formatSat(msatToSatFloor(balanceMsat))} for a deposit of ${formatSat(row.ticket.budget)}. ` +
  'What it took is asked for again and again; nothing is kept there.';

/** The same message again, after the bot was restarted while it deposited. */
export const depositAgain = (row: PaidRun): string =>
  `The bot was restarted during this deposit, and the node has not credited it. ${whereabouts(row)}`;

function whereabouts({ body, ticket }: PaidRun): string {
  switch (body.state) {
    case 'settled': {
      const fees = body.fee + body.spent;
      const less = fees > 0 ? `, less ${formatSat(body.fee)} of fees` : '';
      return `The ${formatSat(ticket.budget)} are back in the wallet${less}.`;
    }
    case 'void':
      return 'Nothing had left the wallet. Send it again.';
    case 'needs_operator':
      return 'Where the money is, is in doubt: !provider status says more.';
    default:
      return 'The money is being taken back; you are told when it arrived.';
  }
}
