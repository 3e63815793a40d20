import { formatSat, msatToSatCeil, type Sat } from '@nostr-dm-agent/kit/sat';
import type { BudgetRefusal, OneCallOutcome, PaidRun } from '@nostr-dm-agent/routstr';
import * as words from './paid-run.ts';

/** What the owner reads when a question has no answer. */

export function refusal(reason: BudgetRefusal): string {
  switch (reason.kind) {
    case 'short':
      return (
        `The wallet has ${formatSat(reason.have)} ready; this question needs up to ${formatSat(reason.need)} (what it does not cost comes back). ` +
        `!wallet topup ${Math.max(1, reason.need - reason.have)} makes an invoice; !model chooses a cheaper model.`
      );
    case 'day_limit':
      return (
        `The limit of ${formatSat(reason.limit)} for one day is reached: ${formatSat(reason.used)} are spent or at stake today, ` +
        `and this question would take up to ${formatSat(reason.budget)} more. !provider limit raises it.`
      );
    default:
      return words.budgetRefusal(reason);
  }
}

/** More than a member may spend at once. */
export const tooDear = (budget: Sat, most: Sat): string =>
  `This question takes up to ${formatSat(budget)}, and a member may spend at most ${formatSat(most)} at once (!provider budget). Ask it shorter, or choose a cheaper model: !model.`;

/** `run` says where the money is now. */
export function unanswered(outcome: Exclude<OneCallOutcome, { state: 'answered' }>, run: PaidRun): string {
  return `${whatHappened(outcome, run)} ${money(run)}`;
}

function whatHappened(
  outcome: Exclude<OneCallOutcome, { state: 'answered' }>,
  { node, ticket }: PaidRun,
): string {
  const host = new URL(node).host;
  switch (outcome.state) {
    case 'not_sent':
      return `The node ${host} can't be reached.`;
    case 'no_answer':
      return `The node ${host} gave no whole answer.`;
    case 'refused': {
      const { neededMsat, evidence } = outcome;
      if (neededMsat !== undefined) {
        const needed = formatSat(msatToSatCeil(neededMsat));
        return `The node ${host} wants ${needed} to be there for this question; it was given ${formatSat(ticket.budget)}. A cheaper model (!model) needs less.`;
      }
      const said = evidence.message === '' ? '' : `: ${evidence.message.slice(0, 160)}`;
      return `The node ${host} did not answer the question (${evidence.status ?? 'no status'}${said}).`;
    }
  }
}

function money({ body, ticket }: PaidRun): string {
  switch (body.state) {
    case 'settled': {
      const fees = body.fee > 0 ? `, less ${formatSat(body.fee)} of the mint's fees` : '';
      if (body.spent === 0) return `The money is back in the wallet${fees}.`;
      return `It cost ${formatSat(body.spent)}; ${formatSat(body.change)} are back in the wallet.`;
    }
    case 'void':
      return 'Nothing had left the wallet.';
    case 'needs_operator':
      return `Where its ${formatSat(ticket.budget)} are is in doubt: !provider status says more.`;
    default:
      return `What it did not cost of ${formatSat(ticket.budget)} is asked for; you are told when it is back.`;
  }
}

/** The same message again, after the bot was restarted while it asked. */
export const pastQuestion = (run: PaidRun | undefined): string =>
  `The bot was restarted while it asked, and does not ask again by itself: send it once more if you still want it. ${run === undefined ? 'Nothing had left the wallet.' : money(run)}`;
