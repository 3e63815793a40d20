/** A stretch of text that is worthless when it is cut. Indices are UTF-16 units, `end` exclusive. */
export type Unbreakable = {
  readonly start: number;
  readonly end: number;
  /** A Cashu token, payment request or Lightning invoice: worth money. Else a URL or a Nostr reference. */
  readonly payment: boolean;
};

/**
 * A token that is too long for one message: more would not get through a relay with the usual 64 KiB limit on
 * events. `length` is in characters. The token itself is not kept: it is money.
 */
export class TokenTooLongError extends Error {
  override readonly name = 'TokenTooLongError';
  readonly length: number;
  constructor(length: number) {
    super(`a token of ${length} characters does not fit into one message (at most ${MAX_TOKEN_LENGTH})`);
    this.length = length;
  }
}

/** Characters of text that still make a gift wrap under 64 KiB. */
export const MAX_TOKEN_LENGTH = 28_000;

const BECH32 = '[02-9ac-hj-np-z]';

/** What wallets recognise and make tappable: NUT-00 tokens, NUT-18 requests, BOLT11, LNURL, BIP21. */
const PAYMENT = [
  String.raw`(?:(?:web\+)?cashu:(?:\/\/)?)?(?:cashu[AB]|creqA)[A-Za-z0-9+\/_-]{16,}={0,2}`,
  `(?i:(?:cashu:)?creqb1${BECH32}{20,})`,
  String.raw`(?i:lightning:[a-z0-9:\/?&=%._@+-]{16,})`,
  `(?i:ln(?:bcrt|bc|tbs|tb|sb)[0-9]{0,20}[munp]?1${BECH32}{20,}|lnurl1${BECH32}{20,})`,
  String.raw`(?i:bitcoin:[a-z0-9?&=%:\/._+-]{20,})`,
].join('|');

const REFERENCE = [
  String.raw`(?i:https?|wss?|ftp):\/\/[^\s"'<>\x60|\\^{}]+`,
  `(?:nostr:)?(?:npub|note|nprofile|nevent|naddr)1${BECH32}{20,}`,
].join('|');

const PATTERN = new RegExp(`(?<![A-Za-z0-9])(?:(${PAYMENT})|${REFERENCE})`, 'gu');

/**
 * Everything in `text` that may not be cut, in order. A URL longer than a message can be is left out: it is
 * readable in two parts, and no money.
 * @throws TokenTooLongError
 */
export function findUnbreakable(text: string): readonly Unbreakable[] {
  return [...text.matchAll(PATTERN)].flatMap((match) => {
    const { length } = match[0];
    const payment = match[1] !== undefined;
    if (length > MAX_TOKEN_LENGTH && payment) throw new TokenTooLongError(length);
    return length > MAX_TOKEN_LENGTH ? [] : [{ start: match.index, end: match.index + length, payment }];
  });
}

/** Next to these a token is part of something that would break: a string, a shell command, a URL. */
const GLUE = /["'`=/\\&?%]/;

/**
 * Puts each token and invoice of a line on a line of its own, where clients offer to redeem or pay it and a thumb can
 * select it. One inside quotes, backticks or an assignment stays where it is.
 */
export function isolatePayments(line: string): string {
  const parts: string[] = [];
  let from = 0;
  for (const { start, end, payment } of findUnbreakable(line)) {
    if (!payment || GLUE.test(line.slice(Math.max(0, start - 1), start))) continue;
    if (GLUE.test(line.slice(end, end + 1))) continue;
    parts.push(line.slice(from, start).trim(), line.slice(start, end));
    from = end;
  }
  if (from === 0) return line;
  parts.push(line.slice(from).trim());
  return parts.filter((part) => part !== '').join('\n');
}
