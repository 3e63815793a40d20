import { setTimeout as sleep } from 'node:timers/promises';
import { type Fetch, readBody } from '@nostr-dm-agent/kit/http';
import { outwardFetch } from '@nostr-dm-agent/kit/net';
import type { CatalogueEntry } from './catalogue.ts';
import { isKeyRefused } from './key-form.ts';

/** What a provider says to a key. */
export type KeyVerdict =
  | { readonly state: 'valid' }
  | { readonly state: 'refused'; readonly status: number }
  /** It knows the key, and says that the key may not do this (403). */
  | { readonly state: 'forbidden' }
  /** `unreachable`: no answer, or only faults. `unclear`: it has no endpoint that would tell. */
  | { readonly state: 'unverified'; readonly why: 'unreachable' | 'unclear' };

/** How an SDK's API is asked about a key, without cost. */
const waysToAsk: Readonly<
  Record<string, (key: string) => { path: string; headers: Record<string, string> }>
> = {
  '@ai-sdk/anthropic': (key) => ({
    path: '/models',
    headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
  }),
  '@ai-sdk/google': (key) => ({ path: '/models', headers: { 'x-goog-api-key': key } }),
  // Its list of models is public.
  '@openrouter/ai-sdk-provider': (key) => ({ path: '/key', headers: { authorization: `Bearer ${key}` } }),
};
const openaiWay = (key: string) => ({ path: '/models', headers: { authorization: `Bearer ${key}` } });

const longestAnswer = 10_000;

/**
 * Asks a provider whether it takes a key: its list of models, or what its SDK has for that. Faults that pass are asked
 * again after each of `pauses`. Redirects are not followed: the key is meant for this server alone.
 *
 * @param baseUrl of the provider's API; `undefined`: not known, so nobody is asked
 * @throws the signal's reason when that aborts
 */
export async function verifyKey(
  provider: CatalogueEntry,
  key: string,
  options: {
    readonly baseUrl: string | undefined;
    /** A guarded one, where a stranger named the address. */
    readonly fetch?: Fetch;
    /** Milliseconds that one answer may take. */
    readonly timeoutMs: number;
    /** Milliseconds before each further try. */
    readonly pauses: readonly number[];
  },
  signal: AbortSignal,
): Promise<KeyVerdict> {
  const { baseUrl, pauses } = options;
  if (baseUrl === undefined) return { state: 'unverified', why: 'unclear' };
  const { path, headers } = (waysToAsk[provider.npm ?? ''] ?? openaiWay)(key);
  const ask = (sent: Record<string, string>) =>
    askOnce(`${baseUrl.replace(/\/+$/, '')}${path}`, sent, options, signal);

  let answer = await ask(headers);
  for (const pause of pauses) {
    if (answer !== undefined && !isTransient(answer.status)) break;
    await sleep(pause, undefined, { signal });
    answer = await ask(headers);
  }
  if (answer === undefined || isTransient(answer.status)) return { state: 'unverified', why: 'unreachable' };
  if (isKeyRefused(answer.status, answer.text)) return { state: 'refused', status: answer.status };
  if (answer.status === 403) return { state: 'forbidden' };
  if (answer.status < 200 || answer.status > 299) return { state: 'unverified', why: 'unclear' };
  // Who shows the same to everybody has said nothing about the key.
  const keyless = await ask({});
  return keyless === undefined || keyless.status > 299
    ? { state: 'valid' }
    : { state: 'unverified', why: 'unclear' };
}

const isTransient = (status: number): boolean => status === 408 || status === 429 || status >= 500;

async function askOnce(
  url: string,
  headers: Record<string, string>,
  { fetch = outwardFetch, timeoutMs }: { readonly fetch?: Fetch; readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string } | undefined> {
  try {
    const response = await fetch(url, {
      headers: { ...headers, accept: 'application/json' },
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    if (response.ok) {
      await response.body?.cancel();
      return { status: response.status, text: '' };
    }
    const body = await readBody(response, longestAnswer);
    if (body.end === 'broken') throw body.cause;
    return { status: response.status, text: body.text };
  } catch (error) {
    signal.throwIfAborted();
    // Refused, cut, timed out, no such name, no URL at all: fetch tells them apart in words only.
    if (error instanceof Error) return undefined;
    throw error;
  }
}
