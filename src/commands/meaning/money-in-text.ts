import { TOKEN_PREFIX } from '@nostr-dm-agent/kit/token-text';
import { bech32 } from '@scure/base';

/** A Cashu token's letters; at the very end of a V3 token, its padding. */
const BEGINNING = new RegExp(String.raw`${TOKEN_PREFIX}(?=[\w+/-])`, 'gi');
const RUN = /^[\w+/-]+={0,2}/;
/** A line that is nothing but the rest of a token, as clients that wrap long lines leave it, quoted perhaps. */
const CONTINUATION = /^(?:[ \t]*\r?\n[ \t>]*| {1,2})([\w+/-]+={0,2})/;
/** Shorter than this it is a name, like cashubtc. */
const LEAST = 20;
/** So many lines are looked at for one token. */
const MOST_LINES = 400;
/** So many tokens are taken out of one text. */
const MOST_TOKENS = 100;

/** Where a text holds a token; `end` exclusive, in UTF-16 units. */
export type TokenInText = { readonly token: string; readonly start: number; readonly end: number };

/**
 * The Cashu tokens of a text (NUT-00), however they stand in it: in a sentence, in a URL, in backticks, with `CASHU:` before
 * them, broken over several lines.
 *
 * @param isWhole whether a text is a token from beginning to end. A token says itself where it ends, so it is asked where
 *   the next line may or may not belong to it
 */
export function tokensInText(text: string, isWhole: (token: string) => boolean): readonly TokenInText[] {
  const found: TokenInText[] = [];
  for (const { index: start } of text.matchAll(BEGINNING)) {
    const covered = found.at(-1);
    if (covered !== undefined && start < covered.end) continue;
    const token = tokenAt(text, start, isWhole);
    if (token !== undefined && found.push(token) === MOST_TOKENS) break;
  }
  return found;
}

function tokenAt(text: string, start: number, isWhole: (token: string) => boolean): TokenInText | undefined {
  const first = RUN.exec(text.slice(start))?.[0] ?? '';
  const candidates: TokenInText[] = [{ token: first, start, end: start + first.length }];
  for (let line = 1, rest = text.slice(start + first.length); line < MOST_LINES; line++) {
    const [skipped, more] = CONTINUATION.exec(rest) ?? [];
    const before = candidates.at(-1);
    if (skipped === undefined || more === undefined || before === undefined) break;
    // A name and the words behind it.
    if (before.token.length < LEAST && !skipped.includes('\n')) break;
    candidates.push({ token: before.token + more, start, end: before.end + skipped.length });
    rest = rest.slice(skipped.length);
  }
  for (const candidate of candidates) {
    for (const token of endings(candidate.token)) {
      if (token.length < LEAST || !isWhole(token)) continue;
      return { token, start, end: candidate.end - (candidate.token.length - token.length) };
    }
  }
  // Cut off or changed on the way: all the same nobody's business but the wallet's, which says what is wrong with it.
  return first.length < LEAST && !isAllOf(text, first) ? undefined : candidates[0];
}

const BESIDE_TOKEN =
  /\b(?:cashu|redeem|receive|claim|take|here|is|a|the|my|this|token|please|pls|plz|thanks)\b/gi;

/** Nothing but the first letters of a token, perhaps with the words round it; a name has no capital there. */
function isAllOf(text: string, token: string): boolean {
  if (!/^cashu[AB]/.test(token)) return false;
  return !/[\p{L}\p{N}]/u.test(text.replace(token, ' ').replace(BESIDE_TOKEN, ' '));
}

/** A sentence may go on right behind a token with what could be its own letters. */
function* endings(run: string): Generator<string> {
  yield run;
  const trimmed = run.replace(/[-_/+=]+$/, '');
  if (trimmed !== run) yield trimmed;
}

const BECH32 = '[02-9ac-hj-np-z]';
const INVOICE = new RegExp(`(?<![a-z0-9])ln(?:bcrt|bc|tbs|tb|sb)[0-9]{0,20}[munp]?1${BECH32}{6,}`, 'gi');
const MORE_OF_INVOICE = new RegExp(String.raw`^[\s>]+(${BECH32}+)(?![a-z0-9])`, 'i');
/** Shorter than this it is a word. */
const LEAST_INVOICE = 50;
const MOST_PARTS = 100;

/** Where a text holds a Lightning invoice; `end` exclusive, in UTF-16 units. */
export type InvoiceInText = { readonly invoice: string; readonly start: number; readonly end: number };

/**
 * The first Lightning invoice of a text (BOLT11), lower case, without a scheme; also the one of a `bitcoin:` URI (BIP21).
 * Its checksum says where it ends, when it was broken over lines or by spaces.
 */
export function invoiceInText(text: string): InvoiceInText | undefined {
  for (const { 0: first, index: start } of text.matchAll(INVOICE)) {
    let [invoice, end] = [first.toLowerCase(), start + first.length];
    for (let parts = 1; parts < MOST_PARTS; parts++) {
      if (isWholeInvoice(invoice)) return { invoice, start, end };
      const [skipped, more] = MORE_OF_INVOICE.exec(text.slice(end, end + 2000)) ?? [];
      if (skipped === undefined || more === undefined) break;
      [invoice, end] = [invoice + more.toLowerCase(), end + skipped.length];
    }
    // Cut off or mistyped: what is wrong with it is said by whoever pays.
    if (first.length >= LEAST_INVOICE) {
      return { invoice: first.toLowerCase(), start, end: start + first.length };
    }
  }
  return undefined;
}

const isWholeInvoice = (text: string): boolean => bech32.decodeUnsafe(text, false) !== undefined;

/** Whom a text means that can be paid, or is said to be no payee of this wallet: in the words of whoever pays. */
const PAYEE = new RegExp(
  [
    // Cut off or mistyped, at any length: alone it is meant as an invoice.
    String.raw`(?:lightning:(?:\/\/)?)?ln(?:bcrt|bc|tbs|tb|sb)[0-9]{0,20}[munp]?1[a-z0-9]+`,
    String.raw`(?:lightning:(?:\/\/)?)?lnurl1${BECH32}{20,}`,
    String.raw`(?:lightning:(?:\/\/)?)?lno1${BECH32}{40,}`,
    String.raw`lnurl[pw]:\S+`,
    String.raw`bitcoin:[a-z0-9]{26,90}(?:\?\S*)?`,
    `(?:bc|tb|bcrt)1${BECH32}{11,87}`,
    String.raw`creq[ab][\w+/=-]{20,}`,
    String.raw`(?:lightning:(?:\/\/)?)?[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+`,
  ]
    .map((each) => `(?:${each})`)
    .join('|'),
  'i',
);
const BESIDE_PAYEE =
  /\b(?:pay|send|withdraw|transfer|zap|tip|give|to|please|pls|plz|thanks|the|my|this|lightning|address|invoice|from|wallet)\b/gi;
const PAYEE_AMOUNT = /(?<![\w.,])\d[\d,.]*k?(?:\s*sats?)?(?![\w])/gi;

/** Nothing but somebody to pay, perhaps with an amount and the words round it. With other words, it is talk of an address. */
export function payeeInText(text: string): { readonly payee: string; readonly amount: string } | undefined {
  const found = PAYEE.exec(text);
  if (found === null) return undefined;
  const beside = `${text.slice(0, found.index)} ${text.slice(found.index + found[0].length)}`;
  const amounts = beside.match(PAYEE_AMOUNT) ?? [];
  const words = beside.replace(PAYEE_AMOUNT, ' ').replace(BESIDE_PAYEE, ' ');
  if (/[\p{L}\p{N}]/u.test(words) || amounts.length > 1) return undefined;
  return { payee: found[0].replace(/[.,;:!?]+$/, ''), amount: amounts[0] ?? '' };
}
