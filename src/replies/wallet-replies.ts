import type {
  Balance,
  CheckReport,
  LedgerEntry,
  OperationSummary,
  Received,
  RecoveryReport,
  TokenPreview,
} from '@nostr-dm-agent/cashu-wallet';
import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { Account } from '../money/shares.ts';
import { formatAgo, plural, shorten } from './format.ts';

/** `mint.example/Bitcoin`: a mint's address as people read it. A stranger may have chosen it. */
export const mintName = (url: string): string => shorten(url.replace(/^https?:\/\//, ''), 100);

/** What there is, and what is under way; each mint when there are several. */
export function balanceText({ mints, ...all }: Balance): string {
  const shown = mints.filter(({ ready, reserved, sent, incoming }) => ready + reserved + sent + incoming > 0);
  const each = shown.map((part) => `${mintName(part.mint)}: ${holdingsLine(part)}`);
  return [holdingsLine(all), ...(shown.length > 1 ? each : [])].join('\n');
}

function holdingsLine({ ready, reserved, sent, incoming }: Omit<Balance, 'mints'>): string {
  const parts = [
    `${formatSat(ready)} ready`,
    ...(reserved > 0 ? [`${formatSat(reserved)} reserved`] : []),
    ...(sent > 0 ? [`${formatSat(sent)} in tokens not claimed yet`] : []),
    ...(incoming > 0 ? [`${formatSat(incoming)} coming in`] : []),
  ];
  return parts.join(' · ');
}

/** `Balance: 9,876 sat.` */
export function balanceLine({ ready }: Balance, account?: Account): string {
  if (account === undefined) return `Balance: ${formatSat(ready)}.`;
  if (account.role === 'member') return `Your account: ${formatSat(account.available)}.`;
  return `Balance: ${formatSat(ready)}, ${formatSat(account.available)} of it yours to spend.`;
}

/** What is one owner's, where accounts are kept apart. */
export function shareText({ role, available, brought, spent, atStake }: Account): string {
  const stake = atStake === 0 ? '' : ` · ${formatSat(atStake)} at stake in your runs`;
  const books = `You brought in ${formatSat(brought)} and spent ${formatSat(spent)}.`;
  return role === 'member'
    ? `Your account: ${formatSat(available)}${stake}\n${books}`
    : `Yours to spend: ${formatSat(available)}${stake}. The rest was brought in by other owners.\n${books}`;
}

export const feeText = (fee: Sat): string => (fee === 0 ? 'no fee' : `fee ${formatSat(fee)}`);

export const receivedText = ({ amount, fee }: Received, balance: Balance, account?: Account): string =>
  `Received ${formatSat(amount)} (${feeText(fee)}). ${balanceLine(balance, account)}`;

/**
 * One run of the ledger on one line: `5 min ago · write hello.txt · claude-sonnet-4.5 · budget 2,002 sat = 138 spent +
 * 1,862 change + 2 fees`. `name`: whose run it was, where runs of several owners are listed.
 */
export function ledgerLine(entry: LedgerEntry, now: number, name?: string): string {
  const { ts, model, promptPrefix } = entry;
  const facts = [
    formatAgo(now - ts),
    name,
    shorten(promptPrefix, 40),
    model?.split('/').at(-1),
    bookedText(entry),
  ];
  return facts.filter((fact) => fact !== undefined && fact !== '').join(' · ');
}

/** A run's books, which add up once it is settled. */
function bookedText({ budget, spent, refund, fee, state }: LedgerEntry): string {
  if (state !== 'settled')
    return `budget ${formatSat(budget)}, ${openStates[state] ?? state.replaceAll('_', ' ')}`;
  const parts = [
    `${digits(spent)} spent`,
    ...(refund > 0 ? [`${digits(refund)} change`] : []),
    ...(fee > 0 ? [`${digits(fee)} fees`] : []),
  ];
  return `budget ${formatSat(budget)} = ${parts.join(' + ')}`;
}

const digits = (amount: Sat): string => amount.toLocaleString('en-US');

/** Of a run whose money is not home yet. */
const openStates: Readonly<Record<string, string>> = {
  token_issued: 'on its way to the node',
  deposited: 'under way',
  running: 'under way',
  kept: 'kept at the node across runs',
  spending: 'under way, from the account',
  unreckoned: 'over, the node is asked what it cost',
  refund_due: 'change asked for',
  change_held: 'change being redeemed',
  reclaim: 'being taken back',
  needs_operator: 'change in doubt, see !provider status',
};

/** One operation of the wallet on one line. */
export function operationLine(operation: OperationSummary, now: number, name?: string): string {
  const { fee, note, updatedAt } = operation;
  const facts = [
    formatAgo(now - updatedAt),
    name,
    `${what(operation)}${fee === 0 ? '' : `, ${feeText(fee)}`}`,
    note === undefined ? undefined : shorten(note, 40),
    operation.operation,
  ];
  return facts.filter((fact) => fact !== undefined).join(' · ');
}

function what({ kind, state, open, amount }: OperationSummary): string {
  const sum = formatSat(amount);
  switch (`${kind} ${state}`) {
    case 'send issued':
    case 'send handed_over':
      return `token over ${sum}, not claimed yet`;
    case 'send claimed':
      return `token over ${sum}, claimed`;
    case 'send reclaiming':
      return `token over ${sum}, being taken back`;
    case 'send reclaimed':
      return `token over ${sum}, taken back`;
    case 'receive done':
      return `received ${sum}`;
    case 'mint quoted':
      return open ? `top-up of ${sum}, paid and not credited yet` : `invoice over ${sum}, not paid yet`;
    case 'mint expired':
      return `invoice over ${sum}, expired`;
    case 'mint done':
      return `topped up ${sum}`;
    case 'melt quoted':
    case 'melt expired':
      return `payment of ${sum} offered, not made`;
    case 'melt pending':
      return `payment of ${sum} under way`;
    case 'melt paid':
      return `paid ${sum}`;
    case 'melt rolled_back':
      return `payment of ${sum} failed, money back`;
    case 'send rolled_back':
      return `token over ${sum} not made, money back`;
    default:
      return `${kindNames[kind]} ${sum}, ${stateNames[state] ?? state.replaceAll('_', ' ')}`;
  }
}

const kindNames = {
  send: 'token over',
  receive: 'receipt of',
  mint: 'top-up of',
  melt: 'payment of',
} as const;
const stateNames: Readonly<Record<string, string>> = { prepared: 'not known yet how it ended' };

/** What recovery brought at start, a line each; nothing when there was nothing. */
export function recoveryLines({ settled, waiting, troubled }: RecoveryReport): readonly string[] {
  const line = (text: string, operations: readonly OperationSummary[]) =>
    operations.length === 0 ? [] : [`Wallet, ${text}: ${operations.map(what).join('; ')}.`];
  return [
    ...line('finished what had been cut off', settled),
    ...line('still open, I go on asking the mint', waiting),
    ...line('somebody must look (!wallet pending)', troubled),
  ];
}

export function checkText(report: CheckReport): string {
  const { consistent, problems, spentElsewhere, checkedProofs, unreachable } = report;
  return [
    consistent ? 'The books add up, those of the wallet and of all paid runs.' : 'The books do NOT add up:',
    ...problems.map((problem) => `- ${shorten(problem, 200)}`),
    `${plural(checkedProofs, 'proof')} held against the mints’ own records.`,
    ...(spentElsewhere > 0
      ? [
          `${formatSat(spentElsewhere)} had been spent by somebody with the same words, and are put aside. If that was not you, move the money to new words.`,
        ]
      : []),
    ...unreachable.map((mint) => `${mintName(mint)} could not be asked.`),
  ].join('\n');
}

/** What a token is; it is not shown again. */
export function previewText(token: TokenPreview): string {
  const { mint, unit, amount, proofs, memo, lock, accepted } = token;
  return [
    `${amount.toLocaleString('en-US')} ${shorten(unit, 20)} in ${plural(proofs, 'proof')}`,
    `Mint: ${mintName(mint)} (${accepted ? 'accepted' : 'not accepted here'})`,
    ...(memo === undefined || memo === '' ? [] : [`Memo: ${shorten(memo, 80)}`]),
    lock === undefined ? 'No lock' : `Locked: ${shorten(lock, 20)}`,
    'Whether it is spent is not looked up. !wallet receive redeems it.',
  ].join('\n');
}

/** What somebody who waited for an operation is told; undefined while it is not known. The token of a send is extra. */
export function outcomeText(
  operation: OperationSummary,
  balance: Balance,
  account?: Account,
): string | undefined {
  const { kind, state, amount, fee } = operation;
  const sum = formatSat(amount);
  switch (`${kind} ${state}`) {
    case 'mint done':
      return `Paid: ${sum} are in the wallet. ${balanceLine(balance, account)}`;
    case 'mint expired':
      return `The invoice over ${sum} was not paid in time. Ask for a new one: !wallet topup ${amount}.`;
    case 'receive done':
      return `Received ${sum} (${feeText(fee)}). ${balanceLine(balance, account)}`;
    case 'receive failed':
      return 'The token that was on its way in has been spent by somebody else. Ask its sender for another one.';
    case 'receive refused':
      return 'The mint did not take the token that was on its way in. It is as good as it was.';
    case 'melt paid':
      return `Paid ${sum} (${feeText(fee)}). ${balanceLine(balance)}`;
    case 'melt rolled_back':
      return `The payment of ${sum} did not go through; the money is back. ${balanceLine(balance)}`;
    case 'melt expired':
      return `The payment of ${sum} was not made: the mint’s offer had expired. ${balanceLine(balance)}`;
    case 'send issued':
    case 'send handed_over':
      return sentText(amount, fee, balance);
    case 'send rolled_back':
    case 'send failed':
      return `The token over ${sum} was not made; the money is back. ${balanceLine(balance)}`;
    case 'send claimed':
      return `The token over ${sum} has been claimed by its receiver.`;
    case 'send reclaimed':
      return `The token over ${sum} is taken back. ${balanceLine(balance)}`;
    default:
      return undefined;
  }
}

/** Stands above the token itself. */
export const sentText = (amount: Sat, fee: Sat, balance: Balance): string =>
  `A token over ${formatSat(amount)} (${feeText(fee)}). Whoever has it has the money. ${balanceLine(balance)}`;
