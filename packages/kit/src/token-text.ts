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
const likeToken = new RegExp(`^${tokenOf(1)}$`, 'i');

/** The token that is all of a text, without a scheme; undefined: the text is something else, or more. */
export const soleToken = (text: string): string | undefined => tokenAlone.exec(text)?.[1];

/** The tokens that a text holds, without their schemes, in order. */
export const tokensIn = (text: string): readonly string[] =>
  Array.from(text.matchAll(everyToken), ([, token]) => token ?? '');

/** Whether a text has the form of one token, however short: for what was said to be one. */
export const isTokenLike = (text: string): boolean => likeToken.test(text);

/**
 * The text with each token in it replaced: they are money until somebody has redeemed them.
 * @param leastLength what is left of a token that was cut off is nobody's business either: so many characters of it
 */
export const withoutTokens = (text: string, instead: string, leastLength = 8): string =>
  text.replace(new RegExp(`${SCHEME}${tokenOf(leastLength)}`, 'gi'), instead);
