import { formatSat, msatToSatFloor, remainingSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type {
  BudgetRefusal,
  InState,
  MoreRefusal,
  NodeRefusal,
  NodeUrl,
  OperatorProblem,
  PaidRun,
  PaidRunIn,
  RoutstrStatus,
  RunRefusal,
  UnableNode,
} from '@nostr-dm-agent/routstr';
import { isIn } from '@nostr-dm-agent/routstr';
import { missing, tooLittleMoney } from '../too-little-money.ts';

/** What the owner reads of paid runs. */

/** Why a run does not begin, and the ways on. */
export function runRefusal(refusal: RunRefusal): string {
  switch (refusal.kind) {
    case 'short_with_fees':
      return budgetRefusal({ ...refusal, kind: 'short' });
    case 'mint_away':
      return `The mint ${mintText(refusal.mint)} can’t be used right now, so there is no budget for this run. Nothing was spent; !retry runs it again.`;
    case 'token_unfinished':
      return 'The mint did not say whether the budget token was made. The run was not started; the money is safe: see !wallet pending.';
    case 'node_away':
      return `The node ${hostOf(refusal.node)} does not answer, so the run was not started and nothing was spent. !retry runs it again; !provider nodes shows other nodes, !provider set local is another way on.`;
    case 'account_away':
      return `The node ${hostOf(refusal.node)} does not answer, and the money of this run is kept there. Nothing was spent; !retry runs it again, !provider set local is another way on.`;
    case 'not_credited': {
      const { money } = refusal;
      const budget =
        money.state === 'back'
          ? `The budget is back in the wallet${lessFees(money)}.`
          : 'The budget is being taken back; you will be told when it is back.';
      return `${whatNodeDid(refusal)}, so the run was not started. ${budget} !retry runs it again; !provider nodes shows other nodes.`;
    }
    case 'credited_short':
      return `${creditedShort(refusal, 'budget')}, so the run was not started. What it took is asked for again until it comes.`;
    case 'no_fallback':
      return `${runRefusal(refusal.first)} The fallbacks can’t take it either: ${refusal.others.map(unableNode).join('; ')}.`;
    default:
      return budgetRefusal(refusal);
  }
}

export function budgetRefusal(refusal: BudgetRefusal): string {
  switch (refusal.kind) {
    case 'no_budget':
      return 'This run has a budget of 0 sat. Set one with !provider budget 2000, or end the task with !!2000.';
    case 'below_minimum':
      return (
        `${formatSat(refusal.budget)} is too little for ${refusal.model}: it needs ${formatSat(refusal.minimum)} to get anywhere. ` +
        `End the task with !!${refusal.minimum}, or use !provider budget ${refusal.minimum}, or a cheaper model (!provider models).`
      );
    case 'short':
      return tooLittleMoney(refusal, {
        who: 'this run',
        topUpAt: refusal.mint && mintText(refusal.mint),
        also: '; !provider budget and !provider set local are other ways on',
      });
    case 'over_cap':
      return `${formatSat(refusal.need)} is more than this wallet may hold at all, which is ${formatSat(refusal.most)}: choose a smaller amount.`;
    case 'elsewhere':
      return (
        `This run needs ${formatSat(refusal.need)} at ${mintText(refusal.mint)}, which the node takes; ${formatSat(refusal.have)} are there, the rest is at ${mintText(refusal.from)}. ` +
        `!wallet move ${refusal.move} ${mintText(refusal.mint)} brings it there, !provider nodes shows other nodes.`
      );
    case 'no_common_mint':
      return (
        `The node ${hostOf(refusal.node)} takes money of ${refusal.listed.slice(0, 3).map(mintText).join(', ')}, and none of these is a mint of this wallet. ` +
        `!wallet mints add ${refusal.listed[0]?.slice(0, 100) ?? '<url>'} accepts it if you trust it; !provider nodes shows other nodes.`
      );
    case 'day_limit':
      return (
        `The limit of ${formatSat(refusal.limit)} for one day is reached: ${formatSat(refusal.used)} are spent or at stake today, ` +
        `and this run would take ${formatSat(refusal.budget)} more. !provider limit raises it.`
      );
    case 'owner_limit': {
      const left = remainingSat(refusal.limit, refusal.used);
      return (
        `Your limit of ${formatSat(refusal.limit)} for one day: ${formatSat(refusal.used)} are spent or at stake today, ` +
        `and this run would take ${formatSat(refusal.budget)} more. ` +
        `${left === 0 ? 'It starts afresh tomorrow' : `End the task with !!${left} to use what is left`}; an admin can raise it (!limit), and !provider set local is another way on.`
      );
    }
    case 'own_money':
      return (
        `Your share is ${formatSat(refusal.have)}; this run needs ${formatSat(refusal.need)}. ` +
        `!wallet topup ${missing(refusal)} makes an invoice${refusal.have === 0 ? '' : `; or end the task with !!${refusal.have}`}. !provider set local is another way on.`
      );
  }
}

/** Why nothing is added to a run under way: another budget or provider is of no use to it. */
export function moreRefusal(refusal: MoreRefusal): string {
  switch (refusal.kind) {
    case 'run_over':
      return 'That run is over; !continue goes on with a new budget.';
    case 'still_adding':
      return 'Where the money is that was to be added before is not known yet; I keep asking. Try again in a minute.';
    case 'leaving':
      return `The money at ${hostOf(refusal.node)} is on its way back, so nothing can be added there now.`;
    case 'arriving':
      return `An earlier deposit of ${formatSat(refusal.amount)} at ${hostOf(refusal.node)} is not credited yet, so nothing was added. Try again in a minute.`;
    case 'short':
    case 'short_with_fees':
      return `The wallet has ${formatSat(refusal.have)} ready, so ${formatSat(refusal.need)} can’t be added. Add less, or fill the wallet first: !wallet topup ${missing(refusal)}.`;
    case 'mint_away':
      return `The mint ${mintText(refusal.mint)} can’t be used right now, so nothing was added. Try again in a minute.`;
    case 'token_unfinished':
      return 'The mint did not say whether the token was made, so nothing was added. The money is safe: see !wallet pending.';
    case 'not_credited':
      return `${whatNodeDid(refusal)}, so nothing was added. ${refusal.money.state === 'back' ? `It is back in the wallet${lessFees(refusal.money)}.` : 'It is being taken back.'}`;
    case 'credited_short':
      return `${creditedShort(refusal, 'deposit')}, so nothing was added. What it took is asked for again until it comes.`;
    default:
      return budgetRefusal(refusal);
  }
}

/** What the mint took on the way there and back. */
const lessFees = ({ fee }: { readonly fee: Sat }): string =>
  fee > 0 ? `, less ${formatSat(fee)} of the mint’s fees` : '';

/** A mint as people read it, and as `!wallet move` understands it. A node may have chosen the text. */
export const mintText = (url: string): string =>
  url
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '')
    .slice(0, 100);
export const hostOf = (node: NodeUrl): string => new URL(node).host;

/** A run that another node serves. */
export const fellBack = (from: NodeUrl, to: NodeUrl): string =>
  `${hostOf(to)} served this run, because ${hostOf(from)} is down.`;

const unableNode = ({ url, why }: UnableNode): string => `${hostOf(url)} ${unableWords[why]}`;
const unableWords: Readonly<Record<UnableNode['why'], string>> = {
  away: 'does not answer',
  no_model: 'does not have the model',
  mint: 'takes none of the wallet’s mints',
  short: 'takes a mint with too little in it',
  minimum: 'needs a bigger budget for the model',
};

export const creditedShort = (
  { node, amount, creditedMsat }: Extract<NodeRefusal, { kind: 'credited_short' }>,
  what: 'budget' | 'deposit',
): string =>
  `The node ${hostOf(node)} credited ${formatSat(msatToSatFloor(creditedMsat))} for a ${what} of ${formatSat(amount)}`;

/** `The node … did not answer`. */
export const whatNodeDid = ({ node, outcome }: Extract<NodeRefusal, { kind: 'not_credited' }>): string =>
  `The node ${hostOf(node)} ${answerText(outcome)}`;

function answerText(outcome: Extract<NodeRefusal, { kind: 'not_credited' }>['outcome']): string {
  switch (outcome.state) {
    case 'unknown_key':
      return 'does not know the account any more';
    case 'not_sent':
      return 'can’t be reached';
    case 'mint_unavailable':
      return 'can’t reach the mint';
    case 'unspent':
      return outcome.reason === 'mint_not_trusted'
        ? 'does not accept the wallet’s mint'
        : 'refused the budget token';
    case 'check_mint':
      return 'could not redeem the budget token';
    case 'spent':
    case 'consumed':
      return 'says that the budget token is worth nothing';
    case 'ambiguous':
      return outcome.reason === 'no_answer' ? 'did not answer' : 'did not credit the budget';
  }
}

/** What became of a run's money while nobody waited for it. */
export function news(run: PaidRun): string {
  const about = nameOf(run);
  const { body, ticket } = run;
  if (body.state === 'settled') {
    if (ticket.account !== undefined) {
      return `${sentence(about)} was cut off; it cost ${formatSat(body.spent)}, paid from the account at ${hostOf(run.node)}.`;
    }
    if (ticket.purpose === 'account') return `${formatSat(body.change)} of ${about} are back in the wallet.`;
    const fees = body.fee > 0 ? ` and ${formatSat(body.fee)} of the mint’s fees` : '';
    return `Change is back: ${formatSat(body.change)} of ${about}, which cost ${formatSat(body.spent)}${fees}.${body.unexplained === undefined ? '' : ` ${unexplainedText(body.unexplained)}`}`;
  }
  if (isIn(run, 'needs_operator')) {
    return `${operatorProblemText(run)} !provider status shows what its operator needs to know.`;
  }
  return `The change of ${about} is not back yet: ${hostOf(run.node)} is asked for it until it comes.`;
}

/** Of a run, or a question. */
export const unexplainedText = (amount: Sat): string =>
  `The node kept ${formatSat(amount)} more than its own bills say. The evidence is kept; !provider nodes shows other nodes.`;

/** Of a deposit, or of money that was added. */
export const shortText = (short: Sat, amount: Sat): string =>
  `The node credited ${formatSat(short)} less than the ${formatSat(amount)} that it got. The evidence is kept; !provider nodes shows other nodes.`;

/** A run that needs a person. */
export function operatorProblemText(run: PaidRunIn<'needs_operator'>): string {
  return `${formatSat(inDoubt(run.body))} of ${nameOf(run)} are in doubt: ${operatorProblem(run.body)} Node: ${run.node}, run ${run.id}. All evidence is kept, and it is asked about once a day.`;
}

function operatorProblem({ trouble, detail }: InState<'needs_operator'>): string {
  return `${operatorProblems[trouble]}${detail === '' ? '' : ` (${detail})`}.`;
}

/** What contradicts what, as a sentence. */
export const problemSentence = ({ trouble, detail }: InState<'needs_operator'>): string =>
  `${sentence(operatorProblems[trouble])}.${detail === '' ? '' : ` It said: ${detail}`}`;

function nameOf({ ticket, node }: PaidRun): string {
  switch (ticket.purpose) {
    case 'run':
      return `the run “${ticket.prompt}”`;
    case 'quick':
      return `the question “${ticket.prompt}”`;
    case 'ahead':
      return 'a budget that was made ahead';
    case 'key':
      return `a key at ${hostOf(node)}`;
    case 'account':
      return ticket.parent === undefined ? `the account at ${hostOf(node)}` : `a deposit at ${hostOf(node)}`;
  }
}
const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** What is missing, the costs that the meter saw taken off. */
export const inDoubt = (body: InState<'needs_operator'>): Sat =>
  msatToSatFloor(Math.max(0, (body.creditedMsat ?? body.face * 1000) - (body.meteredMsat ?? 0)));

const operatorProblems: Readonly<Record<OperatorProblem, string>> = {
  balance_missing:
    'the node says that nothing is left, and that less was spent than it got. Ask its operator',
  key_unknown: 'the node took the money and does not know the account any more. Ask its operator',
  credited_short: 'the node credited less than half of what it was given. Ask its operator',
  not_credited: 'the token was redeemed, and the node has no account for it. Ask its operator',
  refund_stuck: 'the node says that it cannot resolve the refund. Ask its operator',
  refund_refused: 'the node refuses the refund. Ask its operator',
  node_silent: 'the node has been away, or out of order, for a week. Ask its operator',
  change_swept: 'the node took the change back because it was not fetched in time. Ask its operator',
  change_unreadable: "the node's answer cannot be read as a token",
  change_repeated:
    'the node gives a token as change that had come before, and nothing of it is new. Ask its operator',
  change_spent: 'the change token was redeemed by somebody else. Ask the operator of the node',
  change_mint: 'the change is at a mint that is not accepted. !wallet mints add <url> accepts it',
  change_refused: "the mint refuses the node's change token. Ask the node's operator",
};

export function statusLine({ node, budget, running, owed }: RoutstrStatus): string {
  const runs = `${owed.dueRuns} ${owed.dueRuns === 1 ? 'run' : 'runs'}`;
  return [
    `routstr (${hostOf(node)})`,
    `budget ${formatSat(budget)}`,
    ...(owed.kept > 0 ? [`${formatSat(owed.kept)} kept there`] : []),
    ...(running > 0 ? [`${running} running`] : []),
    ...(owed.dueRuns > 0 ? [`owed up to ${formatSat(owed.due)} by ${runs}`] : []),
    ...(owed.doubtful > 0 ? [`${owed.doubtful} in doubt, see !provider`] : []),
  ].join(' · ');
}
