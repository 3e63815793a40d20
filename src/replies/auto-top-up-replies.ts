import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { hostOf, type PublicKey, type RelayUrl, type WalletConnectionError } from '@nostr-dm-agent/nostr';
import type { AutoTopUpNews, AutoTopUpState } from '../money/auto-top-up.ts';
import { payableUntil, worthOf } from '../money/auto-top-up-plan.ts';
import type { ConnectionCheck } from '../money/look-at-connection.ts';
import type { AutoTopUpEntry } from '../store/auto-top-up-table.ts';
import { formatAgo, formatDuration, lines, shorten } from './format.ts';
import { ownerName } from './owner-name.ts';

/** Automatic top-ups from an owner's wallet (NIP-47), as owners read of them. */

export const neitherText =
  'That is neither a connection to a wallet (nostr+walletconnect://…, copied from your wallet) nor an amount a day (5000/day, 10k/day), nor off.';

const problems: Readonly<Record<WalletConnectionError['reason'], string>> = {
  form: 'That is no connection to a wallet: one begins with nostr+walletconnect://. Copy all of it from your wallet.',
  wallet: 'The wallet’s key in that connection is not whole. Copy all of it from your wallet again.',
  secret: 'The secret of that connection is missing or not whole. Copy all of it from your wallet again.',
  relay:
    'That connection names no relay, so your wallet can’t be reached by it. Make a new one in your wallet.',
  'private-relay':
    'The relay of that connection is not on the public internet (wss://), so the bot can’t reach your wallet by it.',
};
export const connectionProblemText = (reason: WalletConnectionError['reason']): string => problems[reason];

const checks: Readonly<Record<ConnectionCheck, string>> = {
  good: 'Your wallet answered.',
  silent:
    'Your wallet has not answered yet; one on a phone does only while it is awake. It is asked when money is needed.',
  'relay-away': 'The wallet’s relay can’t be reached now. It is tried again when money is needed.',
  'cannot-pay':
    'That connection may not pay invoices (pay_invoice). Make one in your wallet that may, with a budget.',
  unauthorized: 'Your wallet does not know that connection (any more). Make a new one there.',
};
export const connectionCheckText = (found: ConnectionCheck): string => checks[found];

const hosts = (relays: readonly RelayUrl[]): string => [...new Set(relays.map(hostOf))].join(', ');

export const autoTopUpSetText = (
  cap: Sat,
  threshold: Sat,
  relays: readonly RelayUrl[],
  found: ConnectionCheck,
): string =>
  lines(
    `Automatic top-ups are on: at most ${formatSat(cap)} a day from your wallet, by ${hosts(relays)}.`,
    whenText(threshold),
    checks[found],
  );

const whenText = (threshold: Sat): string =>
  threshold === 0
    ? 'The alert is off, so nothing is ever due: !wallet alert 1000 turns it on.'
    : `It begins when less than ${formatSat(threshold)} are left (!wallet alert), with ${formatSat((threshold * 2) as Sat)} at a time.`;

export const autoTopUpOffText = (wasOn: boolean, open: AutoTopUpEntry | undefined, now: number): string =>
  lines(
    !wasOn && 'Automatic top-ups are off already.',
    wasOn &&
      'Automatic top-ups are off; the bot has forgotten the connection. Take it back in your wallet, too.',
    open?.asked && payableUntil(open.expiresAt) > now
      ? `One of ${formatSat(open.amount)} is under way: if your wallet pays it within ${formatDuration(payableUntil(open.expiresAt) - now)}, the money still arrives here.`
      : undefined,
  );

/** How it stands. */
export function autoTopUpStateText(
  state: AutoTopUpState | undefined,
  reader: PublicKey,
  threshold: Sat,
  now: number,
): string {
  if (state === undefined) {
    return 'Automatic top-ups are off. !wallet autotopup nostr+walletconnect://… 5000/day lets the bot fill its wallet from yours.';
  }
  const { owner, relays, cap, used, stopped, nextAt, told, last } = state;
  const waiting = last && waitingText(last, now);
  return lines(
    `Automatic top-ups are ${stopped === undefined ? 'on' : 'stopped'}, from ${owner === reader ? 'your wallet' : `the wallet of ${ownerName(owner)}`} by ${hosts(relays)}.`,
    `Today ${formatSat(used)} of ${formatSat(cap)}.`,
    whenText(threshold),
    last && `Last: ${entryText(last)}, ${formatAgo(now - (last.endedAt ?? last.begunAt))}.`,
    stopped !== undefined && whyStoppedText(stopped),
    waiting,
    ...(stopped === undefined && waiting === undefined && nextAt > now
      ? [problemText(told?.split(' ')[0]), `Tried again in ${formatDuration(nextAt - now)}. ${byHand}`]
      : []),
  );
}

/** Why nothing else is asked of the wallet although money is wanted, and until when; undefined: nothing is waited for. */
function waitingText(
  { state, answer, asked, amount, expiresAt }: AutoTopUpEntry,
  now: number,
): string | undefined {
  if (state !== 'open' || !asked || answer === undefined) return undefined;
  const worth = worthOf(answer);
  if (worth === 'later' || worth === 'never') return undefined;
  const why = worth === 'unclear' ? `The wallet: ${codeText(answer)}. ` : '';
  const left = payableUntil(expiresAt) - now;
  const sum = formatSat(amount);
  return left > 0
    ? `${why}The invoice over ${sum} can still be paid for ${formatDuration(left)}; till then no other is asked for, because both could be paid. If it is paid, the money arrives. ${byHand}`
    : `${why}The invoice over ${sum} has ended. No other is asked for until the mint says that it was not paid. ${byHand}`;
}

/** What kept one from being made, as it is shown later. */
function problemText(what: string | undefined): string | undefined {
  switch (what) {
    case undefined:
    case 'silent':
    case 'claims-paid':
    case 'cap-used':
      return undefined;
    case 'relay-away':
      return 'The wallet’s relay could not be reached.';
    case 'mint-away':
      return 'The mint gave no invoice.';
    case 'full':
      return 'It would put more into the bot’s wallet than that may hold: lower !wallet alert, or raise CASHU_MAX_BALANCE_SAT.';
    default:
      return `The wallet did not pay: ${codeText(what)}.`;
  }
}

/** `2,000 sat, paid` */
export function entryText({ amount, state, answer, asked }: AutoTopUpEntry): string {
  const sum = formatSat(amount);
  if (state === 'paid') return `${sum}, paid`;
  const said =
    answer === undefined
      ? asked
        ? 'your wallet is asked'
        : 'about to be asked for'
      : answer === 'silent'
        ? 'the wallet did not answer'
        : answer === 'paid'
          ? 'the wallet says it is paid, the mint does not'
          : state === 'open'
            ? worthOf(answer) === 'unclear'
              ? 'the wallet says that it failed'
              : 'the wallet said no'
            : `the wallet: ${codeText(answer)}`;
  return state === 'open' ? `${sum}, under way (${said})` : `${sum}, not paid (${said})`;
}

const anew = 'then send !wallet autotopup with the connection again';

/** Why no more are made, and what to do. */
export const whyStoppedText = (why: string): string =>
  Object.hasOwn(reasons, why) ? `The wallet: ${codeText(why)}. ${stoppedText(why)}` : stoppedText(why);

function stoppedText(why: string): string {
  switch (why) {
    case 'locked':
      return `The connection was sealed with another key of the bot: make a new one in your wallet, ${anew}.`;
    case 'cannot-pay':
      return `The connection may not pay invoices: allow pay_invoice in your wallet, ${anew}.`;
    case 'wrong-invoice':
      return `The mint made an invoice over another sum than it was asked for; nothing was paid. Choose another mint (!wallet mints), ${anew}.`;
    case 'mint-kept':
      return `The mint does not give what it was paid. !wallet pending shows it; choose another mint (!wallet mints), ${anew}.`;
    case 'UNAUTHORIZED':
      return `Make a new one in your wallet, ${anew}.`;
    case 'NOT_IMPLEMENTED':
    case 'UNSUPPORTED_ENCRYPTION':
      return 'Connect another wallet.';
    default:
      return `Look at what the connection may do in your wallet, ${anew}.`;
  }
}

/** The codes of NIP-47, and those that Alby Hub has besides. */
const reasons: Readonly<Record<string, string>> = {
  QUOTA_EXCEEDED: 'the budget of the connection there is used up: raise it, or wait until it is renewed',
  INSUFFICIENT_BALANCE: 'it has too little money: put some in',
  RATE_LIMITED: 'it was asked too often',
  RESTRICTED: 'it does not let this connection pay',
  UNAUTHORIZED: 'it does not know the connection any more',
  NOT_IMPLEMENTED: 'it can’t pay invoices over a connection',
  UNSUPPORTED_ENCRYPTION: 'it does not understand how the bot encrypts',
  PAYMENT_FAILED: 'the payment failed: no way to the mint was found, or it took too long',
  INTERNAL: 'something went wrong inside it',
  OTHER: 'something went wrong, and it does not say what',
  NOT_FOUND: 'it does not find what it was asked about',
  EXPIRED: 'it took the request or the invoice for too old: its clock or the bot’s may be wrong',
  BAD_REQUEST: 'it did not understand the request',
};
/** What a wallet's code means; one that is not known is quoted, without what could be more than text. */
const codeText = (code: string): string =>
  Object.hasOwn(reasons, code)
    ? (reasons[code] ?? '')
    : `it says “${shorten(code.replace(/[^\p{L}\p{N} _.-]+/gu, ''), 32)}”`;

const withinText = (until: number, now: number): string => formatDuration(Math.max(0, until - now));
const byHand = '!wallet topup fills the wallet by hand.';

/** What is told by itself, to whose wallet it is. */
export function autoTopUpNewsText(news: AutoTopUpNews, now: number): string {
  switch (news.kind) {
    case 'paid': {
      const { amount, used, cap, late } = news;
      const today = cap === undefined ? '' : ` Today ${formatSat(used)} of ${formatSat(cap)}.`;
      return late
        ? `⚡ An automatic top-up that had expired was paid after all: ${formatSat(amount)} are in the wallet.${today}`
        : `⚡ ${formatSat(amount)} taken from your wallet.${today}`;
    }
    case 'refused': {
      const { code, amount, again } = news;
      if (again === undefined)
        return `Your wallet said no: ${codeText(code)}. No automatic top-ups any more. ${stoppedText(code)} ${byHand}`;
      return `Your wallet did not pay ${formatSat(amount)}: ${codeText(code)}. It is asked again in ${withinText(again, now)}. ${byHand}`;
    }
    case 'unclear':
      return `Your wallet says that it did not pay ${formatSat(news.amount)}: ${codeText(news.code)}. That is not certain: its invoice can still be paid for ${withinText(news.until, now)}, so no other is asked for till then (both could be paid). If it pays after all, the money arrives. ${byHand}`;
    case 'silent':
      return `Your wallet did not answer about ${formatSat(news.amount)}: wake it up, or look whether the connection is still there. Nothing is lost: its invoice can still be paid for ${withinText(news.until, now)}, and then the money arrives. Till then no other is asked for, because both could be paid. ${byHand}`;
    case 'claims-paid':
      return `Your wallet says that it has paid ${formatSat(news.amount)}, and the mint has not got it yet. The mint is asked for ${withinText(news.until, now)}, and nothing else is asked of your wallet till then. ${byHand}`;
    case 'never-came':
      return `Your wallet said that it had paid ${formatSat(news.amount)}, and the mint says it never came. Look at that payment in your wallet; if the money left it, ask who runs the wallet, then who runs the mint.`;
    case 'mint-kept':
      return `Your wallet paid ${formatSat(news.amount)}, and the mint does not give it to the bot: somebody must look at it (!wallet pending). No automatic top-ups till then: choose another mint (!wallet mints), ${anew}.`;
    case 'cap-used':
      return `The wallet runs low, and today’s cap of automatic top-ups is used: ${formatSat(news.used)} of ${formatSat(news.cap)}. It goes on tomorrow; !wallet autotopup <sats>/day changes the cap. ${byHand}`;
    case 'relay-away':
      return `Your wallet’s relay can’t be reached, so it could not be asked for money. It is tried again. ${byHand}`;
    case 'mint-away':
      return 'The mint gave no invoice, so your wallet was not asked for money. It is tried again.';
    case 'full':
      return 'An automatic top-up would put more into the wallet than it may hold: lower !wallet alert, or raise CASHU_MAX_BALANCE_SAT.';
    case 'locked':
    case 'cannot-pay':
    case 'wrong-invoice':
      return `No automatic top-ups any more. ${stoppedText(news.kind)}`;
  }
}
