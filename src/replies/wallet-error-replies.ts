import {
  type CopyProblem,
  factsOf,
  type InvoiceProblem,
  type LnurlProblem,
  type MintProblem,
  type RenameProblem,
  type TokenProblem,
  WalletError,
  type WalletErrorFacts,
} from '@nostr-dm-agent/cashu-wallet';
import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { formatDuration, plural, shorten } from './format.ts';
import { chat, type Place } from './place.ts';
import { tooLittleMoney } from './too-little-money.ts';
import { mintName } from './wallet-replies.ts';

export const noWallet =
  'This bot has no wallet: CASHU_MNEMONIC is not set. Whoever runs it gets one with “bun run setup” on the host, or puts 12 BIP39 words into .env and restarts it.';

/**
 * What went wrong, what became of the money, and what to do next: the one place where wallet errors become words.
 *
 * @param now milliseconds since the Unix epoch
 */
export function describeWalletError(
  error: WalletError | WalletErrorFacts,
  now: number,
  place: Place = chat,
): string {
  const facts = error instanceof WalletError ? factsOf(error) : error;
  const pending = place.command('wallet pending');
  switch (facts.name) {
    case 'InsufficientFundsError':
      return tooLittleMoney(facts, { at: mintName(facts.mint), fees: true }, place);
    case 'TokenRefusedError':
      return describeToken(facts.problem, now, place);
    case 'InvoiceRefusedError':
      return describeInvoice(facts.problem, now, place);
    case 'LnurlError':
      return describeLnurl(facts.problem, now, place);
    case 'MintError':
      return describeMint(facts.mint, facts.problem, place);
    case 'BalanceCapError':
      return `That would be more than this wallet may hold: ${formatSat(facts.balance)} are there, ${formatSat(facts.amount)} would come, the limit is ${formatSat(facts.cap)}. Nothing was taken; a token stays good. Move some out first (${place.command('wallet send')}, ${place.command('wallet withdraw')}), or raise CASHU_MAX_BALANCE_SAT on the host.`;
    case 'UnfinishedOperationError':
      return facts.trouble === undefined
        ? `The mint has not said yet how this ended (${facts.operation}). Nothing is lost: it is written down. ${place.goingOn} ${pending} shows it.`
        : `${describeTrouble(facts.trouble)} (${facts.operation}). Nothing of it is thrown away. ${pending} shows it.`;
    case 'SpentElsewhereError':
      return `${formatSat(facts.amount)} of this wallet had been spent by somebody with the same words; the rest is free again. If that was not you, move the money to new words. Then try again; ${place.command('wallet check')} looks at everything.`;
    case 'UnknownOperationError':
      return `There is no operation “${shorten(facts.operation, 20)}”. ${pending} lists what is open.`;
    case 'OperationStateError':
      return describeState(facts.operation, facts.state, pending);
    case 'WalletInUseError': {
      const { holder } = facts;
      const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another process';
      return `The wallet is in use by ${who}. End that one first.`;
    }
    case 'CopyRefusedError':
      return `${describeCopy(facts.path, facts.problem)} Nothing was changed.`;
    case 'RenameRefusedError':
      return `${describeRename(facts.from, facts.to, facts.problem)} Nothing was changed.`;
    case 'BackupRefusedError':
      return facts.problem.kind === 'exists'
        ? `There is a file at ${facts.path} already, and a backup never replaces one. Give another name.`
        : `The backup could not be written to ${facts.path} (${facts.problem.code}).`;
    case 'BadMnemonicError':
      return 'CASHU_MNEMONIC is not valid; it has to be corrected on the host.';
  }
}

function describeCopy(path: string, problem: CopyProblem): string {
  switch (problem.kind) {
    case 'missing':
      return `There is no file ${path}.`;
    case 'unreadable':
      return `${path} can’t be read (${problem.code}).`;
    case 'itself':
      return `${path} is the wallet’s own database already.`;
    case 'no-wallet':
      return `${path} is no database of a wallet.`;
    case 'damaged':
      return `${path} is damaged (${shorten(problem.detail, 80)}): take another copy. The words alone bring the money back too: wallet restore.`;
    case 'other-words':
      return `${path} belongs to other words than those of CASHU_MNEMONIC.`;
    case 'newer':
      return `${path} was written by a newer version of this program (${problem.found}, known up to ${problem.supported}). Install that one, or a newer one, first.`;
  }
}

function describeRename(from: string, to: string, problem: RenameProblem): string {
  const [before, now] = [mintName(from), mintName(to)];
  switch (problem.kind) {
    case 'nothing-known':
      return `Nothing is known of ${before} that could be compared with ${now}; a mint that is new is added.`;
    case 'another-mint':
      return `${now} is known as a mint of its own (${plural(problem.keysets.length, 'keyset')}), so it is not where ${before} has moved to.`;
    case 'differs': {
      const { missing, different } = problem;
      const parts = [
        ...(missing.length > 0 ? [`it does not have ${keysetNames(missing)}`] : []),
        ...(different.length > 0 ? [`it has other keys for ${keysetNames(different)}`] : []),
      ];
      return `${now} is not the mint that ${before} was: ${parts.join(', and ')}.`;
    }
    case 'busy':
      return `Something is under way at ${before} (${problem.operation}); try again in a moment.`;
  }
}

const keysetNames = (ids: readonly string[]): string =>
  `${ids.length === 1 ? 'keyset' : 'keysets'} ${ids
    .slice(0, 3)
    .map((id) => shorten(id, 18))
    .join(', ')}${ids.length > 3 ? `, and ${ids.length - 3} more` : ''}`;

function describeToken(problem: TokenProblem, now: number, { addingMint }: Place): string {
  switch (problem.kind) {
    case 'malformed':
      return 'That token cannot be read: it is cut off or was changed on the way. It was not used. Copy it whole, from cashuA or cashuB to its end, and send it again.';
    case 'too-large':
      return `That token is too large: ${problem.length.toLocaleString('en-US')} characters, at most ${problem.max.toLocaleString('en-US')} are taken. It was not used. Let its sender make several smaller ones.`;
    case 'too-many-proofs':
      return `That token has ${problem.proofs} proofs, at most ${problem.max} are taken at once. It was not used. Redeem it in another wallet and send it from there in one piece, or in smaller ones.`;
    case 'wrong-mint':
      return [
        `That token is from ${mintName(problem.mint)}, which is not accepted here. It was not used. Accepted:`,
        ...problem.accepted.map(mintName),
        `Swap it there, ${addingMint}.`,
      ].join('\n');
    case 'wrong-unit':
      return `That token is in ${shorten(problem.unit, 20)}; only sat are taken. It was not used.`;
    case 'locked':
      return problem.lock === 'HTLC'
        ? 'That token is hash-locked (HTLC): it opens only with a preimage, which I do not have. It was not used. Ask for one without a lock.'
        : `That token is locked to somebody’s key (${shorten(problem.lock, 20)}), which I do not have. It was not used. Ask for one without a lock.`;
    case 'unknown-keyset':
      return 'The mint does not know the keyset of that token: it may come from another mint under this address. It was not used.';
    case 'bad-signature':
      return 'That token is not genuine: the mint’s signature in it is wrong. It is worth nothing here.';
    case 'dust':
      return `That token is worth ${formatSat(problem.amount)}, and redeeming it costs ${formatSat(problem.fee)}: nothing would be left. It was not used.`;
    case 'spent':
      return 'That token has been spent already: somebody redeemed it before. Ask its sender for another one.';
    case 'already-received':
      return `That token is in the wallet already: ${formatSat(problem.amount)}, received ${ago(now - problem.at)}.`;
    case 'refused':
      return `The mint did not take that token, although it is not spent.${saying(problem.detail)} It stays as good as it was.`;
  }
}

function describeInvoice(problem: InvoiceProblem, now: number, place: Place): string {
  switch (problem.kind) {
    case 'malformed':
      return 'That is not a Lightning invoice that can be read (lnbc…): cut off or mistyped? Nothing was paid.';
    case 'no-amount':
      return 'That invoice names no amount: say how much after it. Nothing was paid.';
    case 'fixed-amount':
      return `That invoice is for ${formatSat(problem.amount)}; another amount can’t be paid on it. Nothing was paid.`;
    case 'amountless-unsupported':
      return 'That invoice names no amount, and this mint pays only invoices that do. Ask for one with an amount. Nothing was paid.';
    case 'bolt12':
      return 'That is a BOLT12 offer (lno1…); only invoices (lnbc…) and Lightning addresses can be paid from here. Ask for one of these. Nothing was paid.';
    case 'on-chain':
      return 'That is an address on Bitcoin’s chain; only Lightning can be paid from here (lnbc…, name@host). Ask for an invoice. Nothing was paid.';
    case 'expired':
      return `That invoice expired ${ago(now - problem.at)}. Ask for a new one. Nothing was paid.`;
    case 'wrong-network':
      return `That invoice belongs to another network (${shorten(problem.network, 10)}), not to Bitcoin’s. Nothing was paid.`;
    case 'amount-mismatch':
      return `The mint quotes ${formatSat(problem.quoted)} for an invoice for ${formatSat(problem.asked)}. Nothing was paid.`;
    case 'quote-expired':
      return 'The mint’s offer has expired. Send the command again for a new one. Nothing was paid.';
    case 'costs-more':
      return `The mint takes ${formatSat(problem.fee)} now, and ${formatSat(problem.shown)} were shown. Send the command again for a new offer. Nothing was paid.`;
    case 'already-paid':
      return `That invoice has been paid already. Nothing was paid again.${splitFee(problem.spent)}`;
    case 'under-way':
      return `That invoice is being paid already (${problem.operation}). Nothing was paid again. ${place.command('wallet pending')} shows it.`;
    case 'fee-too-high':
      return `The fee is too high: up to ${formatSat(problem.fee)} would be kept for Lightning, more than ${formatSat(problem.max)} (3 %, at least 10 sat) is not paid. Nothing was paid. Try a larger amount or later.`;
    case 'refused':
      return `The payment did not go through; the money is back in the wallet.${splitFee(problem.spent)}${saying(problem.detail)} Try again later, or with another invoice.`;
  }
}

function describeLnurl(problem: LnurlProblem, now: number, place: Place): string {
  switch (problem.kind) {
    case 'malformed':
      return 'That is not a Lightning address (name@host) that can be read. Nothing was paid.';
    case 'forbidden':
      return `${shorten(problem.host, 60)} is not asked: a Lightning address must be at a public host with https. Nothing was paid.`;
    case 'unreachable':
      return `${shorten(problem.host, 60)} does not answer. Is the address right? Nothing was paid.`;
    case 'unknown':
      return 'There is nobody of that name at that host. Nothing was paid.';
    case 'refused':
      return `The address gave no invoice.${saying(problem.reason)} Nothing was paid.`;
    case 'nonsense':
      return 'What the address answered is not the answer of a Lightning address. Nothing was paid.';
    case 'amount':
      return `The address takes from ${formatSat(problem.min)} to ${formatSat(problem.max)}. Nothing was paid.`;
    case 'invoice':
      return `The address gave an invoice that is not what was asked for. ${describeInvoice(problem.problem, now, place)}`;
  }
}

function describeMint(mint: string, problem: MintProblem, { command }: Place): string {
  const name = mintName(mint);
  switch (problem.kind) {
    case 'unreachable':
      return `The mint ${name} cannot be reached. Nothing was done and nothing is lost; try again later.`;
    case 'timeout':
      return `The mint ${name} did not answer within ${formatDuration(problem.afterMs)}. Nothing is lost; try again later.`;
    case 'rate-limited':
      return `The mint ${name} wants fewer requests. Nothing was done; try again ${problem.retryAfterMs === undefined ? 'in a minute' : `in ${formatDuration(problem.retryAfterMs)}`}.`;
    case 'http':
      return `The mint ${name} has a fault of its own (status ${problem.status}).${saying(problem.detail)} Nothing is lost; try again later.`;
    case 'refused':
      return `The mint ${name} refused.${saying(problem.detail)} Nothing was done.`;
    case 'nonsense':
      return `The mint ${name} answered something that is no answer. Nothing is lost; try again later.`;
    case 'not-accepted':
      return problem.accepted.length === 0
        ? 'That is not the address of a mint: it begins with https:// (http:// only on this machine), without password, ? or #.'
        : [`${name} is not accepted. Accepted:`, ...problem.accepted.map(mintName)].join('\n');
    case 'configured':
      return 'That mint is named in CASHU_MINT_URL or CASHU_MINTS, so it can only be taken out there, on the host.';
    case 'unsupported-keysets':
      return `The mint ${name} has no keyset in sat that this wallet can use: it needs a newer version of the bot. What you have there is not lost. Use another mint (${command('wallet mints')}).`;
    case 'keysets-ended':
      return `The keysets of the mint ${name} have ended, and it shows no new one: it makes no new money now. Ask whoever runs it, or use another mint (${command('wallet mints')}).`;
    case 'keyset-conflict':
      return `The mint ${name} shows a keyset that belongs to ${mintName(problem.owner)}. It is not used, because that could cost money. Tell whoever runs it.`;
  }
}

function describeState(operation: string, state: string, pending: string): string {
  switch (state) {
    case 'claimed':
      return `That token (${operation}) has been claimed by its receiver.`;
    case 'reclaimed':
    case 'reclaiming':
      return `That token (${operation}) has been taken back; its value is in the wallet.`;
    case 'rolled_back':
      return `That did not go through (${operation}); the money is back in the wallet. Send the command again if you still want it.`;
    case 'expired':
      return `The mint’s offer has expired (${operation}). Send the command again for a new one.`;
    default:
      return `That cannot be done with ${operation} now: it is ${state}. ${pending} shows what is open.`;
  }
}

/** Why an operation needs a person. */
export function describeTrouble(trouble: string): string {
  switch (trouble) {
    case 'partial-signatures':
      return 'The mint has signed only a part of what it owes, so somebody must look at it';
    case 'unpaid-but-spent':
      return 'The mint says that it did not pay, and has taken the money all the same, so somebody must look at it';
    case 'bad-change':
      return 'The invoice is paid, but what the mint gives as change does not hold, so somebody must look at it';
    case 'issued-elsewhere':
      return 'The invoice was paid, and the mint gave the money to somebody else, so somebody must look at it';
    default:
      return `Somebody must look at it (${shorten(trouble, 40)})`;
  }
}

/** What is gone although nothing was paid. */
const splitFee = (spent: Sat | undefined): string =>
  spent ? ` The mint kept ${formatSat(spent)} for changing it into the exact sum.` : '';

/** The mint's own words, which may be anything: short, and on one line. */
const saying = (detail: string): string => (detail.trim() === '' ? '' : ` It said: ${shorten(detail, 160)}`);

const ago = (ms: number): string => {
  const days = Math.floor(ms / 86_400_000);
  return days > 1 ? `${plural(days, 'day')} ago` : ms < 60_000 ? 'just now' : `${formatDuration(ms)} ago`;
};
