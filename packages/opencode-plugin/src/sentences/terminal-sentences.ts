import type { LedgerEntry, OperationSummary, WithdrawalQuote } from '@nostr-dm-agent/cashu-wallet';
import type { WalletAnswer } from '@nostr-dm-agent/cashu-wallet/remote';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { KeyFacts, RefundedKey } from '@nostr-dm-agent/routstr/remote';
import { type Money, total } from '../terminal/balance.ts';
import { refusalText } from './refusal-sentences.ts';
import { fileName, host, mintName, sats } from './words.ts';

/** In the status line. */
export const statusText = (amount: Sat): string => `⚡ ${sats(amount)}`;

/** Below this a person is told. */
export const lowSat = 1_000;
/** And below this, once more. */
export const veryLowSat = 100;
/** What to put there: enough for a while; less for somebody who lets it run out. */
export const suggested = (amount: number): number => (amount < veryLowSat ? 5_000 : 10_000);

export const lowText = (amount: Sat): string =>
  `${sats(amount)} are left for Routstr.\n${sats(suggested(amount))} more go a while: /wallet-topup`;

export const titles = {
  wallet: 'Wallet',
  topUp: 'How many sat?',
  ways: 'How is it paid?',
  withdraw: 'Pay out of the wallet',
  withdrawTo: 'An invoice, or name@host and an amount',
  refund: 'Bring the money home',
  history: 'Wallet history',
  failed: 'That did not work',
} as const;

export const noWallet =
  'There is no wallet yet: /wallet-topup makes one, and so does a login (opencode auth login, Routstr).';
export const nothingAtNodes = 'Nothing is kept at a node.';
export const badAmount = 'That is no amount. Whole sat, such as 10,000 or 5k.';
export const noNode = 'The node does not answer, so what is there is not known.';
export const oneMoment = 'One moment …';

export const ways = {
  keyByInvoice: { title: 'By Lightning, onto the key', description: 'an invoice of the node' },
  keyFromWallet: (ready: Sat) => ({
    title: 'From the wallet, onto the key',
    description: `${sats(ready)} are there`,
  }),
  walletByInvoice: { title: 'By Lightning, into the wallet', description: 'an invoice of its mint' },
} as const;

export const walletText = (money: Money, wordsIn: string): string =>
  [
    `${sats(total(money))} in all`,
    `In the wallet: ${sats(money.wallet)}`,
    ...money.keys.map(
      ({ key, amount }) => `At ${host(key.node)}: ${sats(amount)} (${key.label ?? 'key'}, ${spentOf(key)})`,
    ),
    `Its words (the backup): ${fileName(wordsIn)}`,
    '/wallet-topup, -withdraw, -refund, -history',
  ].join('\n');

const spentOf = (key: KeyFacts): string => `${sats(key.spent)} of ${sats(key.deposited)} spent`;

export const quoteText = (quote: WithdrawalQuote): string =>
  `${sats(quote.amount)} from ${mintName(quote.mint)}, and at most ${sats(quote.feeReserve + quote.inputFee)} of fees${quote.returnsChange ? '; what they do not take comes back' : ''}.`;

export const withdrawnText = (done: WalletAnswer<'pay'>['withdrawal'], ready: Sat): string =>
  done.state === 'paid'
    ? `Paid: ${sats(done.amount)}, and ${sats(done.fee)} of fees. ${sats(ready)} are left in the wallet.`
    : `${sats(done.amount)} are under way; until the mint knows what became of it they stay reserved.`;

export const askRefund = (keys: Money['keys']): string =>
  `${keys.map(({ key, amount }) => `${sats(amount)} at ${host(key.node)}`).join(', ')} come back into the wallet. opencode is logged out of Routstr then.`;

export function refundedText(result: RefundedKey): string {
  switch (result.state) {
    case 'returned':
      return `${sats(result.received)} of ${host(result.key.node)} are in the wallet. What was spent there: ${sats(result.key.spent)}; the mint took ${sats(result.key.fee)}.`;
    case 'under_way':
      return `${host(result.key.node)} has not given it back yet; it is asked again, and the next start says when it is there.`;
    case 'doubtful':
      return `${host(result.key.node)} contradicts itself: ${result.detail} It is kept in the books and asked for on.`;
    case 'refused':
      return refusalText(result.refusal, result.money);
  }
}

export const arrivedText = (amount: Sat, where: 'key' | 'wallet'): string =>
  `Paid: ${sats(amount)} are ${where === 'key' ? 'on your key' : 'in your wallet'}.`;

/** The page of an invoice. */
export const page = {
  pay: (amount: Sat, where: 'key' | 'wallet') =>
    where === 'key' ? `Pay ${sats(amount)}, for the key` : `Pay ${sats(amount)}, for the wallet`,
  waiting: (asked: number) => `Waiting until it is paid${'.'.repeat((asked % 3) + 1)}`,
  keys: 'c copies the invoice · esc goes back, and loses nothing',
  tooSmall: 'This window is too small for the code. Make it larger, or copy the invoice.',
  copied: 'The invoice is in the clipboard.',
} as const;

export type HistoryLine = { readonly at: number; readonly title: string; readonly description: string };

export const runLine = (run: LedgerEntry): HistoryLine => ({
  at: run.ts,
  title: `− ${sats(run.spent)}`,
  description: run.promptPrefix === '' ? 'a run' : run.promptPrefix,
});

const kinds: Readonly<Record<string, string>> = {
  receive: 'received',
  send: 'sent as a token',
  mint: 'topped up by Lightning',
  melt: 'paid by Lightning',
};

export const operationLine = (operation: OperationSummary): HistoryLine => ({
  at: operation.createdAt,
  title: sats(operation.amount),
  description: `${kinds[operation.kind] ?? operation.kind} · ${operation.state}`,
});

export const keyLine = (key: KeyFacts): HistoryLine => ({
  at: key.createdAt,
  title: `${sats(key.deposited)} on a key`,
  description: `${key.state} · ${sats(key.spent)} spent · ${sats(key.refunded)} back`,
});

export const dated = (at: number): string => {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
};
