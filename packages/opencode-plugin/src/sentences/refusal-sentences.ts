import type { TokenProblem } from '@nostr-dm-agent/cashu-wallet';
import type { RemoteErrorFacts } from '@nostr-dm-agent/cashu-wallet/remote';
import type { KeyRefusal, RefundedKey } from '@nostr-dm-agent/routstr/remote';
import { host, mintName, sats } from './words.ts';

type Money = Extract<RefundedKey, { state: 'refused' }>['money'];

/** Why there is no key, or nothing more on it: what happened, where the money is, what to do. */
export const refusalText = (refusal: KeyRefusal, money: Money): string =>
  [reasonText(refusal), moneyText(refusal, money)].filter((text) => text !== '').join(' ');

/** Where the money is; nothing where the reason says it. */
function moneyText(refusal: KeyRefusal, money: Money): string {
  switch (money.state) {
    case 'never_left':
      return refusal.kind === 'token' || refusal.kind === 'invoice_expired'
        ? ''
        : 'Your money was not touched.';
    case 'back':
      return `${sats(money.change)} are in your wallet${money.fee > 0 ? ` (the mint took ${sats(money.fee)})` : ''}.`;
    case 'coming':
      return 'Your money is being brought back to your wallet; the next start of opencode says when it is there.';
    case 'in_doubt':
      return 'The node contradicts itself about the money: it is kept in the books and asked for on.';
  }
}

/** Why, and what to do. */
function reasonText(refusal: KeyRefusal): string {
  switch (refusal.kind) {
    case 'token':
      return tokenText(refusal.problem);
    case 'token_known':
      return 'This token was given before, and is in the books: its money is on your key, in your wallet, or on its way there.';
    case 'mint_not_at_node':
      return `The node takes no tokens of ${mintName(refusal.mint)}. It takes: ${listed(refusal.listed)}. Nothing was sent; the token is as good as before.`;
    case 'too_small':
      return `${sats(refusal.amount)} are less than what bringing them to the node costs. Take a larger amount.`;
    case 'cap':
      return `That would be more than the wallet takes in: ${sats(refusal.cap)} (CASHU_MAX_BALANCE_SAT), and ${sats(refusal.balance)} are there. Nothing was sent; the token is as good as before.`;
    case 'node_away':
      return `The node ${host(refusal.node)} does not answer. Try again later, or choose another node.`;
    case 'no_lightning':
      return `The node ${host(refusal.node)} makes no Lightning invoices. Paste a token instead, or pay from the wallet.`;
    case 'no_invoice':
      return `The node ${host(refusal.node)} made no invoice: ${refusal.message}. Try again, or paste a token.`;
    case 'invoice_expired':
      return 'The invoice has expired and was not paid. If you did pay it, it is noticed at the next start; else ask for a new one.';
    case 'unknown_id':
      return 'This key is not in the books of this wallet.';
    case 'not_kept':
      return refusal.state === 'waiting'
        ? 'The invoice of this key is not paid yet.'
        : `This key can’t be used (${refusal.state}).`;
    case 'still_adding':
      return `An earlier top-up of ${sats(refusal.amount)} is still on its way to this key. Wait until it has arrived.`;
    case 'interrupted':
      return 'It was cut off.';
    case 'short':
    case 'short_with_fees':
      return `The wallet has ${sats(refusal.have)}; this needs ${sats(refusal.need)}, fees included. Take less, or fill the wallet: /wallet-topup.`;
    case 'no_common_mint':
      return `The node ${host(refusal.node)} takes no money of your wallet’s mints. It takes: ${listed(refusal.listed)}.`;
    case 'elsewhere':
      return `There is enough in the wallet, but at ${mintName(refusal.from)}, which the node does not take. Move it first: nostr-dm-agent wallet move ${refusal.move} ${refusal.mint}.`;
    case 'over_cap':
      return `More than ${sats(refusal.most)} can’t be moved at once; this needs ${sats(refusal.need)}.`;
    case 'day_limit':
    case 'owner_limit':
      return `Today’s limit is ${sats(refusal.limit)}, and ${sats(refusal.used)} of it are used.`;
    case 'own_money':
      return `There are ${sats(refusal.have)} for you; this needs ${sats(refusal.need)}.`;
    case 'no_budget':
    case 'below_minimum':
      return 'That is too little for a model call. Take a larger amount.';
    case 'mint_away':
      return `The mint ${mintName(refusal.mint)} does not answer. Try again later.`;
    case 'token_unfinished':
      return 'The mint did not say what became of the money; the wallet finds out.';
    case 'not_credited':
      return `The node ${host(refusal.node)} did not credit ${sats(refusal.amount)}${refusal.outcome.state === 'unknown_key' ? '' : `: ${refusal.outcome.evidence.message}`}.`;
    case 'credited_short':
      return `The node ${host(refusal.node)} credited ${sats(Math.floor(refusal.creditedMsat / 1000))} for ${sats(refusal.amount)}; all of it is asked back. Choose another node.`;
  }
}

const listed = (mints: readonly string[]): string =>
  mints.length === 0 ? 'none' : mints.map(mintName).join(', ');

/** What is wrong with a token. Nothing of it was sent. */
export function tokenText(problem: TokenProblem): string {
  const same = 'Nothing was sent; it is as good as before.';
  switch (problem.kind) {
    case 'malformed':
      return 'That is no Cashu token that can be read: it begins with cashuA or cashuB and is one long word. Copy the whole of it.';
    case 'too-large':
    case 'too-many-proofs':
      return `That token is too large. Let your wallet make it of fewer, larger pieces. ${same}`;
    case 'wrong-mint':
      return `The token is of ${mintName(problem.mint)}, which neither this wallet nor the node accepts. Accepted: ${listed(problem.accepted)}. ${same}`;
    case 'wrong-unit':
      return `The token is in ${problem.unit}, not in sat. ${same}`;
    case 'locked':
      return `The token is locked to somebody’s key. Ask for one without a lock. ${same}`;
    case 'unknown-keyset':
    case 'bad-signature':
      return `Its mint does not know this token: it is no money. Ask whoever gave it for another one.`;
    case 'dust':
      return `The token is worth ${sats(problem.amount)}, and redeeming it costs ${sats(problem.fee)}. ${same}`;
    case 'spent':
      return 'The token is spent already: somebody has redeemed it before. Nothing was sent. Ask for another one.';
    case 'already-received':
      return `The token is in the books already: its ${sats(problem.amount)} came in before.`;
    case 'refused':
      return `The mint refused the token: ${problem.detail}. ${same}`;
  }
}

/** What was thrown by the wallet, in words. */
export function errorText(facts: RemoteErrorFacts): string {
  switch (facts.name) {
    case 'TokenRefusedError':
      return tokenText(facts.problem);
    case 'InsufficientFundsError':
      return `The wallet has ${sats(facts.have)}; this needs ${sats(facts.need)}, fees included.`;
    case 'BalanceCapError':
      return `That would be more than the wallet takes in: ${sats(facts.cap)} (CASHU_MAX_BALANCE_SAT), and ${sats(facts.balance)} are there. Nothing was moved.`;
    case 'MintError':
      return `The mint ${mintName(facts.mint)} does not answer, or refuses. Nothing is lost: what was begun is finished at the next start.`;
    case 'InvoiceRefusedError':
      return facts.problem.kind === 'no-amount'
        ? 'That needs an amount in sat, after a space: name@host 2000.'
        : 'That invoice can’t be paid: it can’t be read, has expired, or names another amount. Nothing was paid.';
    case 'LnurlError':
      return 'That Lightning address gives no invoice for this amount. Nothing was paid.';
    case 'WalletInUseError':
      return 'The wallet is in use by another process that does not answer. Wait until it has ended, then try again.';
    case 'BadMnemonicError':
      return 'The wallet’s words can’t be read: look at CASHU_MNEMONIC. They are mistyped, or sealed (wallet encrypt), which this plugin can’t open. Nothing was moved.';
    case 'ConnectionLostError':
      return 'The bot that has the wallet went away before it answered. Nothing is lost: what was begun is finished.';
    case 'OtherVersionError':
      return 'The bot that has the wallet is of another version than this plugin. Restart it, or update the plugin.';
    case 'OtherError':
      return facts.message;
    default:
      return 'The wallet could not do it. Nothing is lost: what was begun is finished at the next start.';
  }
}
