import { tokenSource } from '@nostr-dm-agent/kit/token-text';

/** What lets its holder in somewhere: API keys of model providers, access tokens of other services, private keys in PEM. */
const PREFIXES = [
  ...['sk-', 'pk-', 'rk-', 'gsk_', 'xai-', 'csk-', 'nvapi-', 'hf_', 'pplx-', 'r8_', 'AIza'],
  ...['[spr]k_live_', 'gh[pousr]_', 'github_pat_', 'glpat-', 'xox[abeprs]-', 'npm_', 'dop_v1_', 'ya29\\.'],
];
const KEY = new RegExp(`(?<![A-Za-z0-9])(?:${PREFIXES.join('|')})[\\w.-]{16,}`, 'g');
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
/** So many in a row without a hyphen, letters and digits: no name of a class or a file. */
const LEAST = 16;

/** Tokens, also those that were broken over lines: in so many random letters anything may stand, a key's beginning, too. */
const MONEY = new RegExp(`${tokenSource()}(?:\\s+[\\w+/=-]{24,})*`, 'gi');

/** Where in a text money stands, as pairs of its beginning and its end. */
export const moneySpans = (text: string): readonly (readonly [number, number])[] =>
  Array.from(text.matchAll(MONEY), ({ 0: found, index }) => [index, index + found.length] as const);

const removed = '[access key removed]';

const isKey = (found: string): boolean =>
  found
    .split(/[^A-Za-z0-9]/)
    .some((part) => part.length >= LEAST && /[0-9]/.test(part) && /[A-Za-z]/.test(part));

/** The text without what lets its holder in somewhere. */
export const withoutAccessKeys = (text: string): string => {
  let clean = '';
  let from = 0;
  for (const [start, end] of moneySpans(text)) {
    clean += cleaned(text.slice(from, start)) + text.slice(start, end);
    from = end;
  }
  return clean + cleaned(text.slice(from));
};

const cleaned = (text: string): string =>
  text.replace(PRIVATE_KEY, removed).replace(KEY, (found) => (isKey(found) ? removed : found));

/** Whether something was taken out of a text as it is stored, or would have to be. */
export const holdsAccessKey = (text: string): boolean =>
  text.includes(removed) || withoutAccessKeys(text) !== text;
