import type { Clock } from '@nostr-dm-agent/kit/clock';
import { clockAheadOf } from '@nostr-dm-agent/kit/compare-clock';
import { type Fetch, readText } from '@nostr-dm-agent/kit/http';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { z } from 'zod';
import type { RelayUrl } from '../nostr-types.ts';

/** What a relay says of itself (NIP-11), as far as we act on it. Undefined: it does not say. */
export type RelayInformation = {
  /** Bytes of one message to it, and characters of an event's content. */
  readonly maxMessageLength: number | undefined;
  readonly maxContentLength: number | undefined;
  readonly maxSubscriptions: number | undefined;
  /** Events of one answer. */
  readonly maxLimit: number | undefined;
  /** Leading zero bits of an event's id (NIP-13); 0: none. */
  readonly minPow: number;
  readonly authRequired: boolean;
  readonly paymentRequired: boolean;
  /** How far the bot's clock is ahead of the relay's, ms; negative: behind. Undefined: it sent no date. */
  readonly clockAheadMs: number | undefined;
};

const size = z.number().int().positive().optional().catch(undefined);
const flag = z.boolean().catch(false).default(false);
const document = z.object({
  limitation: z
    .object({
      max_message_length: size,
      max_content_length: size,
      max_subscriptions: size,
      max_limit: size,
      default_limit: size,
      min_pow_difficulty: z.number().int().min(0).max(256).catch(0).default(0),
      auth_required: flag,
      payment_required: flag,
    })
    .optional()
    .catch(undefined),
});

/** Far more than any relay has to say. */
const MOST_BYTES = 64 * 1024;

/**
 * Asks a relay for its information document. Undefined when it has none that can be read: that is no problem, most limits
 * are found out by running into them. Never rejects.
 */
export async function fetchRelayInformation(
  url: RelayUrl,
  fetch: Fetch,
  clock: Clock,
  signal: AbortSignal,
): Promise<RelayInformation | undefined> {
  try {
    const before = clock.now();
    const response = await fetch(url.replace(/^ws/, 'http'), {
      headers: { accept: 'application/nostr+json' },
      redirect: 'manual',
      signal,
    });
    const clockAheadMs = clockAheadOf(response, before, clock.now());
    const text = response.ok ? await readText(response, MOST_BYTES) : undefined;
    if (!response.ok) await response.body?.cancel();
    const { limitation } = document.catch({}).parse(text === undefined ? {} : parseJson(text));
    const limits = [limitation?.max_limit, limitation?.default_limit].filter((limit) => limit !== undefined);
    return {
      maxMessageLength: limitation?.max_message_length,
      maxContentLength: limitation?.max_content_length,
      maxSubscriptions: limitation?.max_subscriptions,
      maxLimit: limits.length === 0 ? undefined : Math.min(...limits),
      minPow: limitation?.min_pow_difficulty ?? 0,
      authRequired: limitation?.auth_required ?? false,
      paymentRequired: limitation?.payment_required ?? false,
      clockAheadMs,
    };
  } catch {
    // Out of reach, not HTTP, refused by the guard: nothing is known.
    return undefined;
  }
}
