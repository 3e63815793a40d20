import { formatSat, msatToSatFloor, remainingSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { BudgetRefusal, NotCredited, TopUpOutcome, Unable } from '@nostr-dm-agent/routstr';
import { type InState, isIn, type PaidRun, type PaidRunIn, type Trouble } from '@nostr-dm-agent/routstr';

/** What the owner reads of paid runs. One place for all of it. */

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
      return (
        `The wallet has ${formatSat(refusal.have)} ready; this run needs ${formatSat(refusal.need)}. ` +
        `!wallet topup ${Math.max(1, refusal.need - refusal.have)}${refusal.mint === undefined ? '' : ` ${mintText(refusal.mint)}`} makes an invoice; !provider budget and !provider set local are other ways on.`
      );
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
        `${left === 0 ? 'Tomorrow it begins anew' : `End the task with !!${left} to use what is left`}; an admin can raise it (!limit), and !provider set local is another way on.`
      );
    }
    case 'own_money':
      return (
        `Your account has ${formatSat(refusal.have)}; this run needs ${formatSat(refusal.need)}. ` +
        `!wallet topup ${Math.max(1, refusal.need - refusal.have)} makes an invoice${refusal.have === 0 ? '' : `; or end the task with !!${refusal.have}`}. !provider set local is another way on.`
      );
  }
}

/** Why nothing is added to a run under way: another budget or provider is of no use to it. */
export const notMore = (refusal: BudgetRefusal): string =>
  refusal.kind === 'short'
    ? `The wallet has ${formatSat(refusal.have)} ready, so ${formatSat(refusal.need)} can’t be added. Add less, or fill the wallet first: !wallet topup ${Math.max(1, refusal.need - refusal.have)}.`
    : budgetRefusal(refusal);

/** A mint as people read it, and as `!wallet move` understands it. A node may have chosen the text. */
export const mintText = (url: string): string =>
  url
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '')
    .slice(0, 100);
const hostOf = (node: string): string => new URL(node).host;

export const mintAway = (mint: string): string =>
  `The mint ${mintText(mint)} can't be used right now, so there is no budget for this run. Nothing was spent; !retry runs it again.`;

export const tokenUnfinished =
  'The mint did not say whether the budget token was made. The run was not started; the money is looked after, see !wallet pending.';

/** The node did not take the budget; `run` says where the money is now. */
export function notCredited(outcome: NotCredited, run: PaidRun): string {
  const money =
    run.body.state === 'settled'
      ? `The budget is back in the wallet${run.body.fee > 0 ? `, less ${formatSat(run.body.fee)} of the mint's fees` : ''}.`
      : 'The budget is being taken back; you are told when it arrived.';
  return `The node ${hostOf(run.node)} ${whatItDid(outcome)}, so the run was not started. ${money} !retry runs it again; !provider nodes shows other nodes.`;
}

/** A run that another node serves. */
export const fellBack = (from: string, to: string): string =>
  `${hostOf(to)} served this run, because ${hostOf(from)} is down.`;

/** A run that no node serves: why its own does not, and each of the others. */
export function noFallback(reason: string, unable: readonly Unable[]): string {
  const others = unable.map(({ url, why }) => `${hostOf(url)} ${unableWords[why]}`).join('; ');
  return others === '' ? reason : `${reason} The fallbacks can’t take it either: ${others}.`;
}
const unableWords: Readonly<Record<Unable['why'], string>> = {
  away: 'does not answer',
  no_model: 'does not have the model',
  mint: 'takes none of the wallet’s mints',
  short: 'takes a mint with too little in it',
  minimum: 'needs a bigger budget for the model',
};

export const nodeDown = (node: string): string =>
  `The node ${hostOf(node)} does not answer, so the run was not started and nothing was spent. !retry runs it again; !provider nodes shows other nodes, !provider set local is another way on.`;

export const creditedShort = (run: PaidRun, balanceMsat: number): string =>
  `The node ${hostOf(run.node)} credited ${formatSat(msatToSatFloor(balanceMsat))} for a budget of ${formatSat(run.ticket.budget)}, so the run was not started. ` +
  'What it took is asked for again and again.';

export const runIsOver = 'That run is over; !continue goes on with a new budget.';

export const stillAdding =
  'Where the money is that was to be added before is not known yet; I look after it. Try again in a minute.';

/** The node did not take more money for a run; `run` is the top-up. */
export function notAdded(outcome: Exclude<TopUpOutcome, { state: 'credited' }>, run: PaidRun): string {
  const money = run.body.state === 'settled' ? 'It is back in the wallet.' : 'It is being taken back.';
  return `The node ${hostOf(run.node)} ${whatItDid(outcome)}, so nothing was added. ${money}`;
}

export function whatItDid(outcome: NotCredited | { readonly state: 'unknown_key' }): string {
  switch (outcome.state) {
    case 'unknown_key':
      return 'does not know the account any more';
    case 'not_sent':
      return "can't be reached";
    case 'mint_unavailable':
      return "can't reach the mint";
    case 'unspent':
      return outcome.reason === 'mint_not_trusted'
        ? "does not accept the wallet's mint"
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
    return `Change is back: ${formatSat(body.change)} of ${about}, which cost ${formatSat(body.spent)}.`;
  }
  if (isIn(run, 'needs_operator')) {
    return `${inTrouble(run)} !provider status shows what its operator needs to know.`;
  }
  return `The change of ${about} is not back yet: ${hostOf(run.node)} is asked for it again and again.`;
}

/** A run that needs a person. */
export function inTrouble(run: PaidRunIn<'needs_operator'>): string {
  const { trouble, detail } = run.body;
  return (
    `${formatSat(inDoubt(run.body))} of ${nameOf(run)} are in doubt: ${troubles[trouble]}` +
    `${detail === '' ? '' : ` (${detail})`}. Node: ${run.node}, run ${run.id}. All evidence is kept, and it is asked about once a day.`
  );
}

function nameOf({ ticket, node }: PaidRun): string {
  switch (ticket.purpose) {
    case 'run':
      return `the run “${ticket.prompt}”`;
    case 'quick':
      return `the question “${ticket.prompt}”`;
    case 'account':
      return ticket.parent === undefined ? `the account at ${hostOf(node)}` : `a deposit at ${hostOf(node)}`;
  }
}
const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** What is missing, the costs that the meter saw taken off. */
const inDoubt = (body: InState<'needs_operator'>): Sat =>
  msatToSatFloor(Math.max(0, (body.creditedMsat ?? body.face * 1000) - (body.meteredMsat ?? 0)));

const troubles: Readonly<Record<Trouble, string>> = {
  balance_missing:
    'the node says that nothing is left, and that less was spent than it got. Ask its operator',
  key_unknown: 'the node took the money and does not know the account any more. Ask its operator',
  credited_short: 'the node credited less than half of what it was given. Ask its operator',
  not_credited: 'the token was redeemed, and the node has no account for it. Ask its operator',
  refund_stuck: 'the node says that it cannot resolve the refund. Ask its operator',
  refund_refused: 'the node refuses the refund. Ask its operator',
  change_swept: 'the node took the change back because it was not fetched in time. Ask its operator',
  change_unreadable: "the node's answer cannot be read as a token",
  change_spent: 'the change token was redeemed by somebody else. Ask the operator of the node',
  change_mint: 'the change is at a mint that is not accepted. !wallet mints add <url> accepts it',
  change_refused: "the mint refuses the node's change token. Ask the node's operator",
};

export function statusLine(facts: {
  readonly node: string;
  readonly budget: Sat;
  readonly running: number;
  readonly owed: Sat;
  readonly owedBy: number;
  readonly doubtful: number;
  /** In accounts across runs. */
  readonly kept: Sat;
}): string {
  const parts = [`routstr (${new URL(facts.node).host})`, `budget ${formatSat(facts.budget)}`];
  if (facts.kept > 0) parts.push(`${formatSat(facts.kept)} kept there`);
  if (facts.running > 0) parts.push(`${facts.running} running`);
  if (facts.owedBy > 0)
    parts.push(
      `owed up to ${formatSat(facts.owed)} by ${facts.owedBy} ${facts.owedBy === 1 ? 'run' : 'runs'}`,
    );
  if (facts.doubtful > 0) parts.push(`${facts.doubtful} in doubt, see !provider`);
  return parts.join(' · ');
}
