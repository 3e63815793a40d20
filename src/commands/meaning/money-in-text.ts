import { TOKEN_PREFIX } from '@nostr-dm-agent/kit/token-text';

/** A Cashu token's letters; at the very end of a V3 token, its padding. */
const BEGINNING = new RegExp(String.raw`${TOKEN_PREFIX}(?=[\w+/-])`, 'gi');
const RUN = /^[\w+/-]+={0,2}/;
/** A line that is nothing but the rest of a token, as clients that wrap long lines leave it, quoted perhaps. */
const CONTINUATION = /^[ \t]*\r?\n[ \t>]*([\w+/-]+={0,2})/;
/** Shorter than this it is a name, like cashubtc. */
const LEAST = 20;
/** So many lines are looked at for one token. */
const MOST_LINES = 400;

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
    if (token !== undefined) found.push(token);
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
  return first.length < LEAST ? undefined : candidates[0];
}

/** A sentence may go on right behind a token with what could be its own letters. */
function* endings(run: string): Generator<string> {
  yield run;
  const trimmed = run.replace(/[-_/+=]+$/, '');
  if (trimmed !== run) yield trimmed;
}

const BECH32 = '[02-9ac-hj-np-z]';
const INVOICE = new RegExp(
  String.raw`(?<![a-z0-9])(?:lightning:(?:\/\/)?)?(ln(?:bcrt|bc|tbs|tb|sb)[0-9]{0,20}[munp]?1${BECH32}{50,})`,
  'i',
);

/** The first Lightning invoice of a text (BOLT11), lower case, without a scheme; also the one of a `bitcoin:` URI (BIP21). */
export const invoiceInText = (text: string): string | undefined => INVOICE.exec(text)?.[1]?.toLowerCase();
