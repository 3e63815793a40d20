import type {
  Balance,
  LedgerEntry,
  OperationSummary,
  Received,
  TokenPreview,
  WithdrawalQuote,
} from '@nostr-dm-agent/cashu-wallet';
import { addSat, formatSat, type Sat, zeroSat } from '@nostr-dm-agent/kit/sat';
import type { Share } from '../money/shares.ts';
import { formatAgo, formatDuration, plural, shorten } from './format.ts';
import { chat, type Place } from './place.ts';

/** `mint.example/Bitcoin`: a mint's address as people read it. A stranger may have chosen it. */
export const mintName = (url: string): string => shorten(url.replace(/^https?:\/\//, ''), 100);

/** What there is, and what is under way; each mint when there are several. */
/** @param owed what nodes owe of each mint's money */
export function balanceText(
  { mints, unusable, ...all }: Balance,
  owed: readonly { readonly mint: string; readonly due: Sat }[] = [],
): string {
  const none = { ready: zeroSat, reserved: zeroSat, sent: zeroSat, incoming: zeroSat };
  const shown = withOwed(mints, owed, none).filter(
    ({ ready, reserved, sent, incoming, owed: due }) => ready + reserved + sent + incoming + due > 0,
  );
  const each = shown.map(
    (part) =>
      `${mintName(part.mint)}: ${holdingsLine(part)}${part.owed > 0 ? ` · up to ${formatSat(part.owed)} owed by nodes` : ''}`,
  );
  const stuck = unusable === undefined ? [] : [`${formatSat(unusable)} cannot be spent: ${keysetsThatEnded}`];
  return [holdingsLine(all), ...(shown.length > 1 ? each : []), ...stuck].join('\n');
}

/** Each mint with what nodes owe of its money, also one of which nothing else is there. */
export function withOwed<Part extends { readonly mint: string }, None extends Omit<Part, 'mint'>>(
  mints: readonly Part[],
  owed: readonly { readonly mint: string; readonly due: Sat }[],
  none: None,
): readonly ((Part | (None & { readonly mint: string })) & { readonly owed: Sat })[] {
  const dueAt = new Map(owed.map(({ mint, due }) => [mint, due]));
  const others = [...dueAt.keys()].filter((mint) => !mints.some((part) => part.mint === mint));
  return [...mints, ...others.map((mint) => ({ mint, ...none }))].map((part) => ({
    ...part,
    owed: dueAt.get(part.mint) ?? zeroSat,
  }));
}

const keysetsThatEnded =
  'the mint has ended the keysets that it is of, or has lost their keys. Ask whoever runs the mint.';

function holdingsLine({ ready, reserved, sent, incoming }: Omit<Balance, 'mints' | 'unusable'>): string {
  const parts = [
    `${formatSat(ready)} ready`,
    ...(reserved > 0 ? [`${formatSat(reserved)} reserved`] : []),
    ...(sent > 0 ? [`${formatSat(sent)} in tokens not claimed yet`] : []),
    ...(incoming > 0 ? [`${formatSat(incoming)} coming in`] : []),
  ];
  return parts.join(' · ');
}

/** `Balance: 9,876 sat.` */
export function balanceLine({ ready }: Balance, share?: Share): string {
  if (share === undefined) return `Balance: ${formatSat(ready)}.`;
  if (share.role === 'member') return `Your share: ${formatSat(share.available)}.`;
  return `Balance: ${formatSat(ready)}, ${formatSat(share.available)} of it yours to spend.`;
}

/** What is one owner's, where shares are kept apart. */
export function shareText({ role, available, brought, spent, atStake }: Share): string {
  const stake = atStake === 0 ? '' : ` · ${formatSat(atStake)} at stake in your runs`;
  const books = `You brought in ${formatSat(brought)} and spent ${formatSat(spent)}.`;
  return role === 'member'
    ? `Your share: ${formatSat(available)}${stake}\n${books}`
    : `Yours to spend: ${formatSat(available)}${stake}. The rest was brought in by other owners.\n${books}`;
}

export const feeText = (fee: Sat): string => (fee === 0 ? 'no fee' : `fee ${formatSat(fee)}`);

/** What a payment over Lightning takes beside its amount, at the very most. */
export const costText = ({ feeReserve, inputFee, returnsChange }: WithdrawalQuote): string =>
  returnsChange
    ? `Fees: at most ${formatSat(feeReserve)} for Lightning (what is not used comes back), at most ${formatSat(inputFee)} for the mint.`
    : `Fees: ${formatSat(addSat(feeReserve, inputFee))}: this mint keeps what it reserves for Lightning, used or not.`;

export const receivedText = ({ amount, fee }: Received, balance: Balance, share?: Share): string =>
  `Received ${formatSat(amount)} (${feeText(fee)}). ${balanceLine(balance, share)}`;

/**
 * One run of the ledger on one line: `5 min ago · write hello.txt · claude-sonnet-4.5 · budget 2,002 sat = 138 spent +
 * 1,862 change + 2 fees`. `name`: whose run it was, where runs of several owners are listed.
 */
export function ledgerLine(entry: LedgerEntry, now: number, name?: string): string {
  const { ts, model } = entry;
  const facts = [formatAgo(now - ts), name, subjectOf(entry), model?.split('/').at(-1), bookedText(entry)];
  return facts.filter((fact) => fact !== undefined && fact !== '').join(' · ');
}

/** Of a row that belongs to no session: money that is kept at a node. Older rows name it themselves. */
function subjectOf({ promptPrefix, sessionId, nodeUrl }: LedgerEntry): string {
  if (promptPrefix !== '' || sessionId !== undefined || nodeUrl === undefined)
    return shorten(promptPrefix, 40);
  return `account at ${new URL(nodeUrl).host}`;
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
    `${operationText(operation)}${fee === 0 ? '' : `, ${feeText(fee)}`}`,
    note === undefined ? undefined : shorten(note, 40),
    operation.operation,
  ];
  return facts.filter((fact) => fact !== undefined).join(' · ');
}

/** `token worth 21 sat, claimed`: what an operation did. */
export function operationText({
  kind,
  state,
  open,
  amount,
}: Pick<OperationSummary, 'kind' | 'state' | 'open' | 'amount'>): string {
  const sum = formatSat(amount);
  switch (`${kind} ${state}`) {
    case 'send issued':
    case 'send handed_over':
      return `token worth ${sum}, not claimed yet`;
    case 'send claimed':
      return `token worth ${sum}, claimed`;
    case 'send reclaiming':
      return `token worth ${sum}, being taken back`;
    case 'send reclaimed':
      return `token worth ${sum}, taken back`;
    case 'send regrouped':
      return `${sum} put into other proofs of yours`;
    case 'receive done':
      return `received ${sum}`;
    case 'receive found':
      return `found ${sum} with the wallet’s words`;
    case 'receive put_back':
      return 'taken for an older copy of itself: mints are asked what was done since';
    case 'mint quoted':
      return open ? `top-up of ${sum}, paid and not credited yet` : `invoice for ${sum}, not paid yet`;
    case 'mint expired':
      return `invoice for ${sum}, expired`;
    case 'mint issued_before':
      return `top-up of ${sum}, taken before the database was put back`;
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
      return `token worth ${sum} not made, money back`;
    default:
      return `${kindNames[kind]} ${sum}, ${stateNames[state] ?? state.replaceAll('_', ' ')}`;
  }
}

const kindNames = {
  send: 'token worth',
  receive: 'receipt of',
  mint: 'top-up of',
  melt: 'payment of',
} as const;
const stateNames: Readonly<Record<string, string>> = { prepared: 'not known yet how it ended' };

/** What a token is; it is not shown again. */
export function previewText(token: TokenPreview, place: Place = chat): string {
  const { mint, unit, amount, proofs, memo, lock, accepted } = token;
  return [
    `${amount.toLocaleString('en-US')} ${shorten(unit, 20)} in ${plural(proofs, 'proof')}`,
    `Mint: ${mintName(mint)} (${accepted ? 'accepted' : 'not accepted here'})`,
    ...(memo === undefined || memo === '' ? [] : [`Memo: ${shorten(memo, 80)}`]),
    lock === undefined ? 'No lock' : `Locked: ${shorten(lock, 20)}`,
    `Whether it is spent is not looked up. ${place.command('wallet receive')} redeems it.`,
  ].join('\n');
}

/** Stands above the invoice, and above the payment request if there is one. */
export function topUpText(topUp: {
  readonly amount: Sat;
  readonly mint: string;
  /** undefined: for ever. */
  readonly validMs: number | undefined;
  readonly hasRequest: boolean;
}): string {
  const { amount, mint, validMs, hasRequest } = topUp;
  const valid =
    validMs === undefined ? '' : `, valid for ${formatDuration(Math.round(validMs / 60_000) * 60_000)}`;
  const request = hasRequest ? ' A Cashu wallet can pay the creqA… below instead: pay one of them.' : '';
  return `Invoice for ${formatSat(amount)} to ${mintName(mint)}${valid}.${request} I’ll tell you when it is paid.`;
}

/** Stands above the token itself. */
export const sentText = (amount: Sat, fee: Sat, balance: Balance): string =>
  `A token worth ${formatSat(amount)} (${feeText(fee)}). Whoever has it has the money. ${balanceLine(balance)}`;
