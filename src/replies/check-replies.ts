import type { BookProblem, CheckReport, Mended, NotLooked } from '@nostr-dm-agent/cashu-wallet';
import { formatSat } from '@nostr-dm-agent/kit/sat';
import { plural, shorten } from './format.ts';
import { nodeName } from './provider-replies.ts';
import { describeTrouble } from './wallet-error-replies.ts';
import { mintName, operationText } from './wallet-replies.ts';

/** What a check found, put right, and could not look at: the verdict first. */
export function checkText(report: CheckReport): string {
  const { consistent, problems, checkedProofs, checkedTopUps, mended, notLooked } = report;
  const topUps = checkedTopUps > 0 ? `, ${plural(checkedTopUps, 'top-up')} against what was paid` : '';
  return [
    consistent ? 'The books add up, those of the wallet and of all paid runs.' : 'The books do NOT add up:',
    ...problems.map((problem) => `- ${bookProblemText(problem)}`),
    `${plural(checkedProofs, 'proof')} held against the mints’ own records${topUps}.`,
    ...mended.map(mendedText),
    ...(notLooked.length > 0 ? ['Not proven:', ...notLooked.map((part) => `- ${notLookedText(part)}`)] : []),
  ].join('\n');
}

function bookProblemText(problem: BookProblem): string {
  switch (problem.kind) {
    case 'reserved-by-closed':
      return `Proofs worth ${formatSat(problem.amount)} are reserved by ${problem.operation ?? 'nobody'}, which is closed.`;
    case 'sent-without-token':
      return `Proofs worth ${formatSat(problem.amount)} are sent by ${problem.operation ?? 'nobody'}, which has no token.`;
    case 'made-other':
      return `Operation ${problem.operation} made ${formatSat(problem.made)}, not ${formatSat(problem.amount)}.`;
    case 'inputs-other':
      return `Operation ${problem.operation} took ${formatSat(problem.amount)} and accounts for ${formatSat(problem.made)}.`;
    case 'top-up-unpaid':
      return `The top-up of ${formatSat(problem.amount)} (${problem.operation}) is booked, and its mint says that nobody paid it.`;
    case 'node': {
      const { run, node, expected, found } = problem;
      const said = found === undefined ? 'does not know it' : `says that ${formatSat(found)} are left`;
      return `${formatSat(expected)} should be at ${nodeName(node)} (${shorten(run, 40)}), which ${said}.`;
    }
    case 'ledger-other':
      return `Run ${shorten(problem.run, 40)} and its row of the ledger say something else.`;
    case 'ledger':
      return `Run ${problem.run} of the ledger does not add up.`;
  }
}

function mendedText(mended: Mended): string {
  const sum = formatSat(mended.amount);
  switch (mended.kind) {
    case 'settled': {
      const { what: kind, state, amount, operation } = mended;
      return `Finished what was open: ${operationText({ kind, state, open: false, amount })} (${operation}).`;
    }
    case 'issued':
      return `A top-up of ${sum} had been paid and not credited: it is in the wallet now (${mended.operation}).`;
    case 'came-through':
      return `What had failed at ${mintName(mended.mint)} went through after all: ${sum} more are in the wallet now (${mended.operation}).`;
    case 'claimed':
      return `The token worth ${sum} (${mended.operation}) has been claimed by its receiver.`;
    case 'put-aside':
      return `${sum} at ${mintName(mended.mint)} had been spent by somebody with the same words, and are put aside (${mended.operation} in the history). If that was not you, move the money to new words.`;
    case 'being-paid':
      return `${sum} at ${mintName(mended.mint)} are in the middle of a payment of somebody with the same words, and are put aside until it ends.`;
    case 'free-again':
      return `${sum} at ${mintName(mended.mint)} had been put aside, are not spent, and are ready again.`;
    case 'let-go':
      return `${sum} at ${mintName(mended.mint)} were reserved by nobody who needs them, and are ready again.`;
  }
}

function notLookedText(part: NotLooked): string {
  switch (part.what) {
    case 'mint':
      return part.why === 'not-accepted'
        ? `${mintName(part.mint)} is not accepted any more and was not asked; there is money of yours.`
        : `${mintName(part.mint)} could not be asked${reason(part.why)}.`;
    case 'top-ups':
      return `${plural(part.count, 'top-up')} at ${mintName(part.mint)} ${part.count === 1 ? 'was' : 'were'} not held against ${part.count === 1 ? 'its quote' : 'their quotes'}${reason(part.why)}.`;
    case 'operation': {
      const { kind, amount, operation, why } = part;
      const text = operationText({ kind, state: 'prepared', open: true, amount });
      return why === 'open' ? `${text} (${operation}).` : `${text} (${operation}). ${describeTrouble(why)}.`;
    }
    case 'run':
      return `Up to ${formatSat(part.amount)} at ${nodeName(part.node)} (${shorten(part.run, 40)})${reason(part.why)}.`;
    case 'old-keyset':
      return `Older money of keyset ${shorten(part.keyset, 20)} at ${mintName(part.mint)}, which signs with it no more, was not looked for to the end: \`wallet restore\` on the command line does.`;
    case 'keyset':
      return `${formatSat(part.amount)} at ${mintName(part.mint)} are of keyset ${shorten(part.keyset, 20)}, which it shows no longer: whether they can be spent is not known.`;
  }
}

const reasons: Readonly<Record<string, string>> = {
  unreachable: 'it does not answer',
  timeout: 'it takes too long',
  'rate-limited': 'it wants fewer requests',
  'too-many': 'there are many; the next check goes on',
  nonsense: 'what it answers is no answer',
  no_bot: 'the bot asks its node when it runs',
  under_way: 'a run is spending from it now',
  node_away: 'the node does not answer',
  owed: 'it is asked for',
  doubtful: 'a person has to look, see !provider status',
};
const reason = (why: string): string => {
  const text = reasons[why];
  return text === undefined ? '' : `: ${text}`;
};
