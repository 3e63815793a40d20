import { tokenSource } from '@nostr-dm-agent/kit/token-text';

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
  `(?i:${tokenSource(16)})`,
  String.raw`(?:cashu:)?creqA[A-Za-z0-9+\/_-]{16,}={0,2}`,
  `(?i:(?:cashu:)?creqb1${BECH32}{20,})`,
  String.raw`(?i:lightning:[a-z0-9:\/?&=%._@+-]{16,})`,
  `(?i:ln(?:bcrt|bc|tbs|tb|sb)[0-9]{0,20}[munp]?1${BECH32}{20,}|lnurl1${BECH32}{20,})`,
  String.raw`(?i:bitcoin:[a-z0-9?&=%:\/._+-]{20,})`,
].join('|');

const REFERENCE = [
  String.raw`(?i:https?|wss?|ftp):\/\/[^\s"'<>\x60|\\^{}]+`,
  `(?:nostr:)?(?:npub|note|nprofile|nevent|naddr)1${BECH32}{20,}`,
].join('|');

const PATTERN = `(?<![A-Za-z0-9])(?:(${PAYMENT})|${REFERENCE})`;
/** So much of any of them is enough to know it. */
const RECOGNISED = 64;

/**
 * What may not be cut and begins in `text` from index `from` to before `to`, in order. Looks at no more of the text than
 * that takes, however long it is. A URL longer than a message can be is left out: it is readable in two parts, and no
 * money.
 * @throws TokenTooLongError
 */
export function findUnbreakable(text: string, from: number, to: number): readonly Unbreakable[] {
  const found: Unbreakable[] = [];
  // One character more before it: what begins in the middle of a word is none.
  const offset = Math.max(0, from - 1);
  const window = text.slice(offset, to + RECOGNISED);
  for (const match of window.matchAll(new RegExp(PATTERN, 'gu'))) {
    const start = offset + match.index;
    if (start < from || start >= to) continue;
    const payment = match[1] !== undefined;
    const cutOff = match.index + match[0].length === window.length;
    const length = cutOff ? lengthAt(text, start, payment) : match[0].length;
    if (length > MAX_TOKEN_LENGTH && payment) throw new TokenTooLongError(length);
    if (length <= MAX_TOKEN_LENGTH) found.push({ start, end: start + length, payment });
  }
  return found;
}

/** The whole length of what begins at `start`; of what is no money, no more than is asked for. */
function lengthAt(text: string, start: number, payment: boolean): number {
  const offset = Math.max(0, start - 1);
  const window = payment ? text : text.slice(offset, start + MAX_TOKEN_LENGTH + 1);
  const pattern = new RegExp(PATTERN, 'uy');
  pattern.lastIndex = payment ? start : start - offset;
  return pattern.exec(window)?.[0].length ?? 0;
}

/** Next to these a token is part of something that would break: a string, a shell command, a URL. */
const GLUE = /["'`=/\\&?%]/;

/** Whether a payment stands by itself, to be redeemed or paid, and not inside quotes, backticks or an assignment. */
export const isBarePayment = (text: string, { start, end, payment }: Unbreakable): boolean =>
  payment && !GLUE.test(text.charAt(start - 1)) && !GLUE.test(text.charAt(end));
