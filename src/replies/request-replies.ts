import type { Balance, OpenRequest, RequestNews, TokenProblem } from '@nostr-dm-agent/cashu-wallet';
import { addSat, formatSat, remainingSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { Share } from '../money/shares.ts';
import { formatAgo, lines, plural, shorten } from './format.ts';
import { balanceLine, feeText, mintName } from './wallet-replies.ts';

/** What came for a payment request (NUT-18): to whoever asked for it, once. */
export function requestNewsText(news: RequestNews, balance: Balance, share?: Share): string {
  const { asked } = news;
  if (news.kind === 'refused') {
    const what = asked === undefined ? 'a payment request' : `your payment request for ${formatSat(asked)}`;
    return `Something came for ${what} that I can’t take: ${refusalText(news.problem)} It was not used: its sender still has it, or gets it back in their wallet.`;
  }
  const { amount, fee } = news.received;
  const came = `${formatSat(amount)} came as ecash (${feeText(fee)})`;
  if (asked === undefined) {
    return `${came} for a payment request that was made with the words of this wallet elsewhere. ${balanceLine(balance, share)}`;
  }
  const isNowPaid = news.before.face < asked && addSat(news.before.face, amount, fee) >= asked;
  return lines(
    `${isNowPaid ? 'Paid: ' : ''}${came} for your payment request for ${formatSat(asked)}. ${balanceLine(balance, share)}`,
    standingText({ ...news, asked }),
  );
}

/** How the request stands after a payment. */
function standingText(
  news: Extract<RequestNews, { kind: 'came' }> & { readonly asked: Sat },
): string | false {
  const { asked, before, invoicePaid, received } = news;
  const more = 'It came on top, and is kept.';
  if (before.face >= asked) return `That request had been paid before. ${more}`;
  if (invoicePaid) return `Its invoice had been paid before. ${more}`;
  const missing = remainingSat(asked, addSat(before.face, received.amount, received.fee));
  if (missing > 0) {
    return `${formatSat(missing)} are missing. What comes for the same request is taken, or make another one: !wallet topup ${missing}`;
  }
  const over = remainingSat(addSat(before.net, received.amount), asked);
  const tooMuch = over > 0 ? `That is ${formatSat(over)} more than was asked for; it is kept. ` : '';
  return `${tooMuch}Its invoice need not be paid any more; if somebody does, that comes on top.`;
}

/** Why a payment was refused. A stranger may have chosen all of it. */
function refusalText(problem: TokenProblem): string {
  switch (problem.kind) {
    case 'wrong-mint':
      return `it is from ${mintName(problem.mint)}, which is not accepted here (!wallet mints).`;
    case 'wrong-unit':
      return `it is in ${shorten(problem.unit, 20)}, and only sat are taken.`;
    case 'locked':
      return `it is locked (${shorten(problem.lock, 20)}), and I have no key to it.`;
    case 'too-many-proofs':
      return `it has ${plural(problem.proofs, 'proof')}, and at most ${problem.max} are taken at once.`;
    case 'too-large':
      return 'it is too large.';
    case 'dust':
      return `it is worth ${formatSat(problem.amount)}, and redeeming it costs ${formatSat(problem.fee)}.`;
    case 'bad-signature':
      return 'the mint’s signature in it is wrong.';
    case 'refused':
      return 'the mint did not take it.';
    default:
      return 'it can’t be read.';
  }
}

/** A request that is not paid yet, on one line of `!wallet pending`. */
export function openRequestLine(
  { request, amount, came, waiting, createdAt }: OpenRequest,
  now: number,
): string {
  const facts = [
    formatAgo(now - createdAt),
    `payment request for ${formatSat(amount)}, ${came === 0 ? 'not paid yet' : `${formatSat(came)} of it paid`}`,
    waiting > 0 && `${formatSat(waiting)} sent, the mint is asked`,
    request,
  ];
  return facts.filter((fact) => fact !== false).join(' · ');
}
