import type {
  Balance,
  EndingMoney,
  FoundMoney,
  OperationSummary,
  RecoveryReport,
} from '@nostr-dm-agent/cashu-wallet';
import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { LowBalance } from '../money/low-balance.ts';
import type { OperationEnd } from '../money/operation-ends.ts';
import type { Share } from '../money/shares.ts';
import { lines } from './format.ts';
import { describeTrouble } from './wallet-error-replies.ts';
import { balanceLine, feeText, mintName, operationText, sentText } from './wallet-replies.ts';

/** What the wallet tells by itself, to owners and when the bot starts. */

/** To whoever waited for an operation. A token stands below, alone. */
export function endText(
  { operation, token, asEcash }: OperationEnd,
  balance: Balance,
  share?: Share,
): string {
  const { trouble } = operation;
  const text =
    outcomeText(operation, asEcash, balance, share) ??
    `${describeTrouble(trouble ?? '')} (${operation.operation}). !wallet pending shows it.`;
  return token === undefined ? text : `${text}\n\n${token}`;
}

/** To admins. */
export const lowBalanceText = ({ ready, threshold, suggested }: LowBalance, isFilling: boolean): string =>
  isFilling
    ? `The wallet runs low: ${formatSat(ready)} ready, less than ${formatSat(threshold)}. An automatic top-up is under way (!wallet autotopup).`
    : `The wallet runs low: ${formatSat(ready)} ready, less than ${formatSat(threshold)}.\n!wallet topup ${suggested} fills it up; !wallet alert <sats> changes when you are told.`;

/** To admins. The books stay right; the words are what is in danger. */
export function foundText({ mint, recovered, spent, lost }: FoundMoney): string {
  const became = [
    ...(recovered > 0 ? [`${formatSat(recovered)} are in the wallet now`] : []),
    ...(spent > 0 ? [`${formatSat(spent)} had been spent already`] : []),
    ...(lost > 0 ? [`${formatSat(lost)} that counted as ready had been spent, and are put aside`] : []),
  ].join(', ');
  return `Older money with the words of this wallet was found at ${mintName(mint)}: ${became}. Its database is an older one, or the words are used elsewhere too: use them in one place only.`;
}

/** To admins. */
export function endingText({ held, mint, amount, endsAt, ended }: EndingMoney): string {
  const day = new Date(endsAt).toISOString().slice(0, 10);
  const sum = formatSat(amount);
  if (held === 'sent') {
    return ended
      ? `${sum} at ${mintName(mint)}, in tokens that nobody claimed, can no longer be claimed: the mint has ended the keyset that they are of. Ask whoever runs it.`
      : `${sum} at ${mintName(mint)} are in tokens that nobody has claimed, of a keyset that the mint ends on ${day}; after that nobody can. !wallet pending shows them, !wallet reclaim <id> takes one back.`;
  }
  return ended
    ? `${sum} at ${mintName(mint)} can no longer be spent: the mint has ended the keyset that they are of. Ask whoever runs it.`
    : `${sum} at ${mintName(mint)} are of a keyset that the mint ends on ${day}, and it has no newer one to move them to. Take them out before: !wallet withdraw or !wallet move.`;
}

/** What recovery brought at start, a line each; nothing when there was nothing. */
export function recoveryLines(recovery: RecoveryReport | 'no-wallet' | 'mint-away'): readonly string[] {
  if (recovery === 'no-wallet') return [];
  if (recovery === 'mint-away') {
    return ['Wallet: a mint does not answer; what was open is looked at as soon as it does.'];
  }
  const { settled, waiting, troubled } = recovery;
  const line = (text: string, operations: readonly OperationSummary[]) =>
    operations.length === 0 ? [] : [`Wallet, ${text}: ${operations.map(operationText).join('; ')}.`];
  return [
    ...line('finished what had been cut off', settled),
    ...line('still open, I go on asking the mint', waiting),
    ...line('somebody must look (!wallet pending)', troubled),
  ];
}

/** How an operation ended; undefined: that is not known. */
function outcomeText(
  { kind, state, amount, fee }: OperationSummary,
  asEcash: Sat,
  balance: Balance,
  share: Share | undefined,
): string | undefined {
  const sum = formatSat(amount);
  switch (`${kind} ${state}`) {
    case 'mint done':
      return lines(
        `Paid: ${sum} are in the wallet. ${balanceLine(balance, share)}`,
        asEcash > 0 &&
          `That was the invoice. ${formatSat(asEcash)} had come for its payment request as ecash; all of it is kept.`,
      );
    case 'mint issued_before':
      return `The invoice for ${sum} was paid, and its money taken before the wallet’s database was put back. ${balanceLine(balance, share)}`;
    case 'mint expired':
      return asEcash > 0
        ? `The invoice for ${sum} was not paid; ${formatSat(asEcash)} came for its payment request as ecash.`
        : `The invoice for ${sum} was not paid in time. Ask for a new one: !wallet topup ${amount}.`;
    case 'receive done':
      return `Received ${sum} (${feeText(fee)}). ${balanceLine(balance, share)}`;
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
      return `The token worth ${sum} was not made; the money is back. ${balanceLine(balance)}`;
    case 'send claimed':
      return `The token worth ${sum} has been claimed by its receiver.`;
    case 'send reclaimed':
      return `The token worth ${sum} is taken back. ${balanceLine(balance)}`;
    default:
      return undefined;
  }
}
