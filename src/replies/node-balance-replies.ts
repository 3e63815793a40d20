import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { AccountBalance, AccountRefund, DepositResult } from '@nostr-dm-agent/routstr';
import { plural } from './format.ts';
import { nodeName } from './provider-replies.ts';

/** What stands at nodes across runs: `!provider deposit`, `refund`, `balance`. */

export function depositedText(
  { amount, node, balance }: Extract<DepositResult, { state: 'deposited' }>,
  budget: Sat,
): string {
  const use =
    balance < budget
      ? `A run has a budget of ${formatSat(budget)}, so this pays for none yet: deposit more, or !provider budget ${balance}.`
      : `Runs spend from it as long as it covers their budget of ${formatSat(budget)}.`;
  return `Deposited ${formatSat(amount)} at ${nodeName(node)}; ${formatSat(balance)} are kept there now. ${use} !provider refund brings it home.`;
}

export const nothingKeptForMembers = 'Nothing is kept at a node: each run has a budget of its own.';
/** To admins. */
export const nothingKept = `${nothingKeptForMembers} !provider deposit 5000 keeps money there across runs.`;

/** One line for each node. */
export function refundLine(refund: AccountRefund): string {
  const at = nodeName(refund.node);
  switch (refund.state) {
    case 'home': {
      const fee = refund.fee > 0 ? `, ${formatSat(refund.fee)} of fees went to the mint` : '';
      const kept =
        refund.kept > 0 ? `, and the node has kept ${formatSat(refund.kept)} beyond what runs cost` : '';
      return `${at}: ${formatSat(refund.received)} are back in the wallet${fee}${kept}.`;
    }
    case 'under_way':
      return `${at}: up to ${formatSat(refund.balance)} are not back yet. The node is asked again and again; I tell you when they are.`;
    case 'in_use':
      return `${at}: ${plural(refund.runs, 'run')} may still spend from it. Ask again when ${refund.runs === 1 ? 'it is' : 'they are'} done (!queue), or !stop.`;
    case 'doubtful':
      return `${at}: ${refund.reason}`;
  }
}

/** One line for each node. */
export function keptLine({ node, state, balance, runs, depositing, seen }: AccountBalance): string {
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

function amountOf(seen: AccountBalance['seen'], balance: Sat): string {
  if (seen === undefined) return `${formatSat(balance)} by the bot’s own books; the node does not answer.`;
  if (seen === 'unknown') {
    return `the node says that it does not know the account; ${formatSat(balance)} should be there. !provider refund asks for it.`;
  }
  const held = seen.reserved > 0 ? `, and ${formatSat(seen.reserved)} are held for calls under way` : '';
  return `${formatSat(seen.available)}${held}.`;
}
