import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type {
  DepositRefusal,
  DepositResult,
  NodeAccountBalance,
  NodeAccountRefund,
  Whereabouts,
} from '@nostr-dm-agent/routstr';
import { plural } from '../format.ts';
import { nodeName } from '../provider-replies.ts';
import { tooLittleMoney } from '../too-little-money.ts';
import {
  budgetRefusal,
  creditedShort,
  hostOf,
  mintText,
  news,
  shortText,
  whatNodeDid,
} from './paid-run-replies.ts';

/** What is kept at nodes across runs: `!provider deposit`, `refund`, `balance`. */

export function depositedText(
  { amount, node, balance, short }: Extract<DepositResult, { state: 'deposited' }>,
  budget: Sat,
): string {
  const use =
    balance < budget
      ? `A run has a budget of ${formatSat(budget)}, so this pays for none yet: deposit more, or !provider budget ${balance}.`
      : `Runs spend from it as long as it covers their budget of ${formatSat(budget)}.`;
  const missing = short === undefined ? '' : `\n⚠ ${shortText(short, amount)}`;
  return `Deposited ${formatSat(amount)} at ${nodeName(node)}; ${formatSat(balance)} are kept there now. ${use} !provider refund brings it back.${missing}`;
}

export function depositRefusal(refusal: DepositRefusal): string {
  switch (refusal.kind) {
    case 'leaving':
      return `The money at ${hostOf(refusal.node)} is on its way back; nothing is deposited meanwhile. !provider balance shows when it is back.`;
    case 'arriving':
      return `An earlier deposit of ${formatSat(refusal.amount)} at ${hostOf(refusal.node)} is not credited yet; I keep asking. Try again when !provider balance shows it.`;
    case 'interrupted':
      return `The bot was restarted during this deposit, and the node has not credited it. ${moneyText(refusal)}`;
    case 'not_credited':
      return `${whatNodeDid(refusal)}, so nothing was deposited. ${moneyText(refusal)}`;
    case 'credited_short':
      return `${creditedShort(refusal, 'deposit')}. What it took is asked for again and again; nothing is kept there.`;
    case 'short':
    case 'short_with_fees':
      return tooLittleMoney(refusal, { fees: refusal.kind === 'short_with_fees' });
    case 'mint_away':
      return `The mint ${mintText(refusal.mint)} can’t be used right now. Nothing was spent; try it again later.`;
    case 'token_unfinished':
      return 'The mint did not say whether the token was made. Nothing went to the node; the money is safe: see !wallet pending.';
    default:
      return budgetRefusal(refusal);
  }
}

function moneyText({ amount, money }: { readonly amount: Sat; readonly money: Whereabouts }): string {
  switch (money.state) {
    case 'back': {
      const fees = money.fee > 0 ? `, less ${formatSat(money.fee)} of fees` : '';
      return `The ${formatSat(amount)} are back in the wallet${fees}.`;
    }
    case 'never_left':
      return 'Nothing had left the wallet. Send it again.';
    case 'in_doubt':
      return 'Where the money is, is in doubt: !provider status says more.';
    case 'coming':
      return 'The money is being taken back; you will be told when it is back.';
  }
}

export const nothingKeptForMembers = 'Nothing is kept at a node: each run has a budget of its own.';
/** To admins. */
export const nothingKept = `${nothingKeptForMembers} !provider deposit 5000 keeps money there across runs.`;

/** One line for each node. */
export function refundLine(refund: NodeAccountRefund): string {
  const at = nodeName(refund.node);
  switch (refund.state) {
    case 'returned': {
      const fee = refund.fee > 0 ? `, ${formatSat(refund.fee)} of fees went to the mint` : '';
      const kept =
        refund.kept > 0 ? `, and the node has kept ${formatSat(refund.kept)} beyond what runs cost` : '';
      return `${at}: ${formatSat(refund.received)} are back in the wallet${fee}${kept}.`;
    }
    case 'under_way':
      return `${at}: up to ${formatSat(refund.balance)} are not back yet. I keep asking the node and will tell you when they are.`;
    case 'in_use':
      return `${at}: ${plural(refund.runs, 'run')} may still spend from it. Ask again when ${refund.runs === 1 ? 'it is' : 'they are'} done (!queue), or !stop.`;
    case 'doubtful':
      return `${at}: ${news(refund.run)}`;
  }
}

/** One line for each node. */
export function keptLine({ node, state, balance, runs, depositing, seen }: NodeAccountBalance): string {
  const at = nodeName(node);
  const coming = depositing > 0 ? ` A deposit of ${formatSat(depositing)} is not credited yet.` : '';
  switch (state) {
    case 'arriving':
      return `${at}:${coming}`;
    case 'leaving':
      return `${at}: up to ${formatSat(balance)} are on the way back to the wallet.`;
    case 'doubtful':
      return `${at}: the money there is in doubt, !provider status says why.`;
    case 'kept': {
      const users = runs > 0 ? ` ${plural(runs, 'run')} may spend from it now.` : '';
      return `${at}: ${amountOf(seen, balance)}${users}${coming}`;
    }
  }
}

function amountOf(seen: NodeAccountBalance['seen'], balance: Sat): string {
  if (seen === undefined) return `${formatSat(balance)} by the bot’s own books; the node does not answer.`;
  if (seen === 'unknown') {
    return `the node says that it does not know the account; ${formatSat(balance)} should be there. !provider refund asks for it.`;
  }
  const held = seen.reserved > 0 ? `, and ${formatSat(seen.reserved)} are held for calls under way` : '';
  return `${formatSat(seen.available)}${held}.`;
}
