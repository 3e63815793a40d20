import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { hostOf, type PublicKey, type RelayUrl, type WalletConnectionError } from '@nostr-dm-agent/nostr';
import type { AutoTopUpNews, AutoTopUpState } from '../money/auto-top-up.ts';
import type { ConnectionCheck } from '../money/look-at-connection.ts';
import type { AutoTopUpEntry } from '../store/auto-top-up-table.ts';
import { formatAgo, formatDuration, lines } from './format.ts';
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
    open?.asked
      ? `One of ${formatSat(open.amount)} is under way: if your wallet pays it within ${formatDuration(open.expiresAt - now)}, the money still arrives here.`
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
  return lines(
    `Automatic top-ups are ${stopped === undefined ? 'on' : 'stopped'}, from ${owner === reader ? 'your wallet' : `the wallet of ${ownerName(owner)}`} by ${hosts(relays)}.`,
    `Today ${formatSat(used)} of ${formatSat(cap)}.`,
    whenText(threshold),
    last && `Last: ${entryText(last)}, ${formatAgo(now - (last.endedAt ?? last.begunAt))}.`,
    stopped !== undefined && stoppedText(stopped),
    stopped === undefined && nextAt > now && `Tried again in ${formatDuration(nextAt - now)}.`,
    stopped === undefined && told !== undefined && nextAt > now && `What went wrong: ${told.split(' ')[0]}.`,
  );
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
          : `the wallet says ${answer}`;
  return state === 'open' ? `${sum}, under way (${said})` : `${sum}, not paid (${said})`;
}

const anew = 'then send !wallet autotopup with the connection again';

/** Why no more are made, and what to do. */
export function stoppedText(why: string): string {
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
      return `Your wallet does not know the connection any more: make a new one there, ${anew}.`;
    case 'NOT_IMPLEMENTED':
    case 'UNSUPPORTED_ENCRYPTION':
      return 'Your wallet can’t do it: connect another one.';
    default:
      return `Your wallet does not let the connection pay: look at what it may do there, ${anew}.`;
  }
}

const reasons: Readonly<Record<string, string>> = {
  QUOTA_EXCEEDED: 'the budget of the connection there is used up: raise it, or wait until it is renewed',
  INSUFFICIENT_BALANCE: 'it has too little money: put some in',
  RATE_LIMITED: 'it was asked too often',
};

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
      if (again === undefined) return `No automatic top-up (${code}). ${stoppedText(code)} ${byHand}`;
      return `Your wallet did not pay ${formatSat(amount)}: ${reasons[code] ?? code}. It is asked again in ${withinText(again, now)}. ${byHand}`;
    }
    case 'unclear':
      return `Your wallet says that paying ${formatSat(news.amount)} failed (${news.code}). That is not certain, so nothing else is asked of it for ${withinText(news.until, now)}; if it pays after all, the money arrives. ${byHand}`;
    case 'silent':
      return `Your wallet did not answer about ${formatSat(news.amount)}: wake it up, or look whether the connection is still there. Nothing is lost: if it pays within ${withinText(news.until, now)} the money arrives, and nothing else is asked of it till then. ${byHand}`;
    case 'claims-paid':
      return `Your wallet says that it has paid ${formatSat(news.amount)}, and the mint has not got it yet. The mint is asked for ${withinText(news.until, now)}, and nothing else is asked of your wallet till then.`;
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
