/**
 * Cashu tokens as they stand in a text: V3 (`cashuA…`) and V4 (`cashuB…`), in base64 of either alphabet, with or without
 * padding and a URI scheme (NUT-00), alone, in prose or in a URL, where `+`, `/` and `=` may be escaped. Phones make a
 * capital of the first letter, and a command may have lowered it. The length tells them from names; the one name that
 * stands in front of long paths, cashubtc, no token begins like.
 */
const SCHEME = String.raw`(?:(?:web\+)?cashu:(?:\/\/)?)?`;
/** How a token begins, for a larger pattern with the flag `i`. */
export const TOKEN_PREFIX = String.raw`cashu(?:a|b(?!tc[\/_-]))`;
const tokenOf = (leastLength: number): string =>
  String.raw`${TOKEN_PREFIX}[\w+\/-]{${leastLength},}(?:%2[bf][\w+\/-]*)*(?:=|%3d){0,2}`;

/** Shorter ones are names. */
const leastBody = 20;

/**
 * A token with its scheme, for a larger pattern with the flag `i`. Has no groups.
 * @param leastLength of what follows `cashuA`
 */
export const tokenSource = (leastLength: number = leastBody): string => SCHEME + tokenOf(leastLength);

const everyToken = new RegExp(`${SCHEME}(${tokenOf(leastBody)})`, 'gi');
const likeToken = new RegExp(`^${tokenOf(1)}$`, 'i');

/** As a wallet reads it. */
const plain = (token: string): string =>
  token
    .replace(/^cashu(.)/i, (_, version: string) => `cashu${version.toUpperCase()}`)
    .replace(/%2b/gi, '+')
    .replace(/%2f/gi, '/')
    .replace(/%3d/gi, '=');

/** The tokens that a text holds, without their schemes, in order. */
export const tokensIn = (text: string): readonly string[] =>
  Array.from(text.matchAll(everyToken), ([, token = '']) => plain(token));

/** Whether a text has the form of one token, however short: for what was said to be one. */
export const isTokenLike = (text: string): boolean => likeToken.test(text);

/**
 * The text with each token in it replaced: they are money until somebody has redeemed them.
 * @param leastLength less than the usual where what is left of a token that was cut off matters more than a name
 */
export const withoutTokens = (text: string, instead: string, leastLength: number = leastBody): string =>
  text.replace(new RegExp(tokenSource(leastLength), 'gi'), instead);
