/**
 * Cashu tokens as they stand in a text: V3 (`cashuA…`, base64 of either alphabet) and V4 (`cashuB…`), with or without a URI
 * scheme (NUT-00). The length tells them from names like cashubtc; the case of the prefix is what phones make of it.
 */
const SCHEME = String.raw`(?:(?:web\+)?cashu:(?:\/\/)?)?`;
const tokenOf = (leastLength: number): string => String.raw`cashu[ab][\w+\/-]{${leastLength},}={0,2}`;

/** A token with its scheme, for a larger pattern with the flag `i`. Has no groups. */
export const TOKEN_SOURCE = `${SCHEME}${tokenOf(20)}`;

const everyToken = new RegExp(`${SCHEME}(${tokenOf(20)})`, 'gi');
const tokenAlone = new RegExp(`^\\s*${SCHEME}(${tokenOf(20)})\\s*$`, 'i');
/** What is left of a token that was cut off is still nobody else's business. */
const everyBeginning = new RegExp(`${SCHEME}${tokenOf(8)}`, 'gi');

/** The token that is all of a text, without a scheme; undefined: the text is something else, or more. */
export const soleToken = (text: string): string | undefined => tokenAlone.exec(text)?.[1];

/** The tokens that a text holds, without their schemes, in order. */
export const tokensIn = (text: string): readonly string[] =>
  Array.from(text.matchAll(everyToken), ([, token]) => token ?? '');

/** The text with each token in it, whole or cut off, replaced: they are money until somebody has redeemed them. */
export const withoutTokens = (text: string, instead: string): string => text.replace(everyBeginning, instead);
