import { readBody } from '@nostr-dm-agent/kit/http';
import { createGuardedFetch, PrivateAddressError, RedirectError } from '@nostr-dm-agent/kit/net';
import { type AnnouncementRules, type ReadAnnouncement, readAnnouncement } from './announcement.ts';

/** What came of asking an address. */
export type Found =
  | ReadAnnouncement
  /** `inside`: it leads into this machine or its networks. `none`: there is nothing (with its status). `form`: it can't be read. */
  | { readonly state: 'unread'; readonly why: 'unreachable' | 'inside' | 'elsewhere' | 'large' }
  | { readonly state: 'unread'; readonly why: 'none'; readonly status: number };

const timeoutMs = 10_000;
const largest = 512 * 1024;
const redirects = 2;

/**
 * Asks an address what it announces (`GET <url>/.well-known/opencode`): by https, outside of this machine and its networks, also
 * where it redirects to. Nothing that the owner has is sent.
 * @throws the signal's reason when that aborts
 */
export async function fetchAnnouncement(
  url: string,
  rules: AnnouncementRules,
  signal: AbortSignal,
): Promise<Found> {
  const { allowLoopback } = rules;
  try {
    const response = await createGuardedFetch({ allowLoopback, redirects })(`${url}/.well-known/opencode`, {
      headers: { accept: 'application/json' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    if (!response.ok) {
      await response.body?.cancel();
      return { state: 'unread', why: 'none', status: response.status };
    }
    const body = await readBody(response, largest);
    if (body.end === 'broken') throw body.cause;
    if (body.end === 'too_large') return { state: 'unread', why: 'large' };
    return readAnnouncement(url, JSON.parse(body.text), rules);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof SyntaxError) return { state: 'bad', why: 'form', notTaken: [] };
    if (error instanceof PrivateAddressError) return { state: 'unread', why: 'inside' };
    if (error instanceof RedirectError) return { state: 'unread', why: 'elsewhere' };
    // Refused, cut, timed out, no such name: fetch tells them apart in words only.
    if (error instanceof Error) return { state: 'unread', why: 'unreachable' };
    throw error;
  }
}
