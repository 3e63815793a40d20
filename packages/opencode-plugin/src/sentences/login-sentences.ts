import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { KeyFacts, KeyInvoice, KeyNews } from '@nostr-dm-agent/routstr/remote';
import type { TerminalQr } from '../qr.ts';
import { fileName, host, mintName, sats } from './words.ts';

/** Black on white of the palette that no theme changes: a terminal's own colours may be the other way round. */
const ink = '\u001b[38;5;16;48;5;231m';
const reset = '\u001b[0m';

export const prompts = {
  token: 'Paste a Cashu token',
  wallet: 'From the local wallet',
  invoice: 'Lightning invoice',
  node: (node: string) => `Node (Enter: ${node})`,
  tokenText: 'Cashu token (it goes to the mint and the node, and is not kept)',
  amount: 'How many sat?',
  badNode: 'https://api.routstr.com/v1, for one; http only on this computer',
  badToken: 'A token begins with cashuA or cashuB and is one long word: copy the whole of it',
  badAmount: 'Whole sat, such as 10,000',
} as const;

/** What is about to happen, before any money moves. */
export const depositText = (facts: {
  readonly amount: number;
  readonly from: string;
  readonly node: string;
  readonly known: KeyFacts | undefined;
}): string =>
  facts.known === undefined
    ? `${sats(facts.amount)} ${facts.from} go to ${host(facts.node)}, which gives a key for them.`
    : `${sats(facts.amount)} ${facts.from} go to ${host(facts.node)}, onto your key ${facts.known.label ?? ''} there.`;

export const fromMint = (mint: string): string => `of ${mintName(mint)}`;
export const fromWallet = 'of your wallet';

export const newMintText = (mint: string): string =>
  `${mintName(mint)} is one of your wallet’s mints from now on: the node takes its money, and so can you.`;

/** A wallet was made: where what a person has to keep is. */
export const newWalletText = (wordsIn: string): string =>
  `A wallet was made for what comes back. Its twelve words are in ${fileName(wordsIn)}: write them down, they are the money.`;

export function invoiceText(
  invoice: KeyInvoice,
  facts: {
    readonly node: string;
    readonly qr: TerminalQr | undefined;
    readonly colours: boolean;
    readonly again: boolean;
  },
): string {
  const code = facts.qr?.lines.map((line) => (facts.colours ? `${ink}${line}${reset}` : line)) ?? [];
  return [
    ...code,
    `${sats(invoice.amount)} for ${host(facts.node)}${facts.again ? ' (this invoice was open already)' : ''}. Pay this invoice:`,
    invoice.invoice,
    'It is noticed as soon as it is paid. Ctrl-C ends the waiting and loses nothing: the next login goes on with it.',
  ].join('\n');
}

/** What became of something that was cut off. */
export function newsText({ did, came, amount, key }: KeyNews): string {
  const what = { make: 'A login', topup: 'A top-up', refund: 'A refund' }[did];
  const where = host(key.node);
  switch (came) {
    case 'kept':
      return did === 'refund'
        ? `${what} that was cut off: ${sats(amount)} are still on the key at ${where}.`
        : `${what} that was cut off has arrived: ${sats(amount)} on the key at ${where}.`;
    case 'back':
      return `${what} that was cut off: ${sats(amount)} are back in your wallet.`;
    case 'nothing':
      return `${what} that was cut off: no money had moved.`;
    case 'doubtful':
      return `${what} that was cut off: ${where} contradicts itself about ${sats(amount)}. It is kept in the books and asked for on.`;
  }
}

export const loggedInAgain = (key: KeyFacts): string =>
  `Your login at ${host(key.node)} was cut off after its money had arrived: it is done now.`;

export const balanceText = (amount: Sat): string => `${sats(amount)} are on your key.`;
