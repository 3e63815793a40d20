import { addSat, formatSat, msatToSatCeil, type Sat } from '@nostr-dm-agent/kit/sat';
import type { QuestionRefusal, QuickResult, Whereabouts } from '@nostr-dm-agent/routstr';
import { depositRefusal } from './routstr/node-account-replies.ts';
import { hostOf, unexplainedText } from './routstr/paid-run-replies.ts';
import { tooLittleMoney } from './too-little-money.ts';

/** The answer to `!quick`, and `— quick · 3 sat · claude-sonnet-4.5`. */
export function quickReply(result: QuickResult): string {
  if (result.state === 'refused') return questionRefusal(result.refusal);
  const { text, end, spent, fee, owed, unexplained, model } = result;
  const cost = formatSat(addSat(spent, fee));
  const parts = [
    ...(fee > 0 ? [`${cost}, ${formatSat(fee)} of it the mint’s fees`] : [cost]),
    ...(owed ? ['the change is not back yet; it is asked for'] : []),
  ];
  const note = unexplained > 0 ? `⚠ ${unexplainedText(unexplained)}` : '';
  return [text, endings[end](text !== ''), note, `— quick · ${parts.join(' · ')} · ${model}`]
    .filter((part) => part !== '')
    .join('\n\n');
}

const endings = {
  whole: (some: boolean) => (some ? '' : 'The model had nothing to say.'),
  length: (some: boolean) =>
    some
      ? '(Cut off: an answer to !quick has a limit. Send it as a task for a longer one.)'
      : 'The model used up its limit with thinking. Send it as a task, or choose another model (!model).',
  broken: (some: boolean) => (some ? '(The node cut the answer off here.)' : 'The node cut the answer off.'),
};

/** Why a question has no answer, and where its money is. */
export function questionRefusal(refusal: QuestionRefusal): string {
  switch (refusal.kind) {
    case 'short':
      return tooLittleMoney(refusal, {
        who: 'this question',
        also: '; what it does not cost comes back, and !model chooses a cheaper model',
      });
    case 'day_limit':
      return (
        `The limit of ${formatSat(refusal.limit)} for one day is reached: ${formatSat(refusal.used)} are spent or at stake today, ` +
        `and this question would take up to ${formatSat(refusal.budget)} more. !provider limit raises it.`
      );
    // More than a member may spend at once.
    case 'too_dear':
      return `This question takes up to ${formatSat(refusal.budget)}, and a member may spend at most ${formatSat(refusal.most)} at once (!provider budget). Ask it shorter, or choose a cheaper model: !model.`;
    case 'asked_before':
      return `The bot was restarted while it asked, and does not ask again by itself: send it once more if you still want it. ${moneyText(refusal)}`;
    case 'unanswered':
      return `${whatHappened(refusal)} ${moneyText(refusal)}`;
    default:
      return depositRefusal(refusal);
  }
}

function whatHappened({ node, budget, outcome }: Extract<QuestionRefusal, { kind: 'unanswered' }>): string {
  const host = hostOf(node);
  switch (outcome.state) {
    case 'not_sent':
      return `The node ${host} can’t be reached.`;
    case 'no_answer':
      return `The node ${host} gave no whole answer.`;
    case 'refused': {
      const { neededMsat, evidence } = outcome;
      if (neededMsat !== undefined) {
        const needed = formatSat(msatToSatCeil(neededMsat));
        return `The node ${host} wants ${needed} to be there for this question; it was given ${formatSat(budget)}. A cheaper model (!model) needs less.`;
      }
      const said = evidence.message === '' ? '' : `: ${evidence.message.slice(0, 160)}`;
      return `The node ${host} did not answer the question (${evidence.status ?? 'no status'}${said}).`;
    }
  }
}

function moneyText({ budget, money }: { readonly budget: Sat; readonly money: Whereabouts }): string {
  switch (money.state) {
    case 'back': {
      const fees = money.fee > 0 ? `, less ${formatSat(money.fee)} of the mint’s fees` : '';
      if (money.spent === 0) return `The money is back in the wallet${fees}.`;
      return `It cost ${formatSat(money.spent)}; ${formatSat(money.change)} are back in the wallet.`;
    }
    case 'never_left':
      return 'Nothing had left the wallet.';
    case 'in_doubt':
      return `Where its ${formatSat(budget)} are is in doubt: !provider status says more.`;
    case 'coming':
      return `What it did not cost of ${formatSat(budget)} is asked for; you will be told when it is back.`;
  }
}
