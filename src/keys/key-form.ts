import type { RunFailure } from '../runs/provider.ts';
import type { CatalogueEntry } from './catalogue.ts';
import type { ConnectionKind } from './connection.ts';

/** What is wrong with the form of a key. */
export type KeyFormProblem =
  | { readonly kind: 'missing' | 'placeholder' | 'spaces' | 'characters' | 'short' | 'long' }
  /** Every key of this provider begins so. */
  | { readonly kind: 'prefix'; readonly expected: string }
  /** It begins as only another provider's keys do. */
  | { readonly kind: 'other'; readonly provider: string };

/** How keys begin, where that is certain; of several that fit, the longest counts. */
const prefixes: readonly (readonly [provider: string, prefix: string])[] = [
  ['anthropic', 'sk-ant-'],
  ['openrouter', 'sk-or-'],
  ['groq', 'gsk_'],
  ['xai', 'xai-'],
  ['cerebras', 'csk-'],
  ['nvidia', 'nvapi-'],
  ['huggingface', 'hf_'],
  ['perplexity', 'pplx-'],
];

const shortest = 8;
const longest = 1000;
/** What a command prints may be a signed token. */
const longestPrinted = 8000;

/** Looks at a key without asking anybody. `undefined`: nothing is wrong with it. */
export function checkKeyForm(
  provider: Pick<CatalogueEntry, 'id'>,
  key: string,
  kind: ConnectionKind = 'api',
): KeyFormProblem | undefined {
  if (key === '') return { kind: 'missing' };
  if (/^[<{[].*[>}\]]$/.test(key) || /^(?:key|api[-_]?key|your[-_]?key)$/i.test(key))
    return { kind: 'placeholder' };
  if (/\s/.test(key)) return { kind: 'spaces' };
  if (!/^[\x21-\x7e]+$/.test(key)) return { kind: 'characters' };
  if (key.length < shortest) return { kind: 'short' };
  if (key.length > (kind === 'wellknown' ? longestPrinted : longest)) return { kind: 'long' };
  const expected = prefixes.find(([id]) => id === provider.id)?.[1];
  if (expected !== undefined && key.startsWith(expected)) return undefined;
  const other = providerOfKey(key);
  if (other !== undefined && other !== provider.id) return { kind: 'other', provider: other };
  return expected === undefined ? undefined : { kind: 'prefix', expected };
}

/** The provider whose keys begin as this one does. */
export const providerOfKey = (key: string): string | undefined =>
  prefixes.find(([, prefix]) => key.startsWith(prefix))?.[0];

const keyShape = /(?:^|[^A-Za-z0-9])(?:(?:sk|pk|rk)-|gsk_|xai-|csk-|nvapi-|hf_|pplx-|r8_|AIza)[\w.-]{16,}/;

/** Whether a word holds what looks like somebody's API key. */
export const looksLikeKey = (word: string): boolean => keyShape.test(word);

/** Whether an answer of a provider means that it does not take the key. Some say 400 where others say 401. */
export const isKeyRefused = (status: number | undefined, said: string | undefined): boolean =>
  status === 401 ||
  (status === 400 &&
    /(?:invalid|incorrect|not valid|wrong).{0,40}api.?key|api.?key.{0,40}(?:invalid|incorrect|not valid|wrong)/i.test(
      said ?? '',
    ));

/** Whether a run failed because its key was not taken. */
export const isRefusedRun = ({ kind, status, detail }: RunFailure): boolean =>
  isKeyRefused(status, detail) || (kind === 'unauthorized' && status === undefined);
