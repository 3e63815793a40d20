import { createHash } from 'node:crypto';
import type { Brand } from '@nostr-dm-agent/kit/brand';

/**
 * `sk-` and 64 hex digits: an account at a node. Spends and refunds like the token it was made from: a secret.
 */
export type ApiKey = Brand<string, 'ApiKey'>;

/**
 * The account that a token becomes when a node redeems it (routstr-core auth.py): known before the node has seen it.
 * The token's text must stay byte for byte the same: another encoding of the same proofs is another account.
 */
export const apiKeyOf = (token: string): ApiKey =>
  `sk-${createHash('sha256').update(token, 'utf8').digest('hex')}` as ApiKey;

/** The account that a row's token is, or is the key of: what a node gives for a paid invoice is a key itself. */
export const keyOf = (token: string): ApiKey => (isApiKey(token) ? token : apiKeyOf(token));

export const isApiKey = (text: string): text is ApiKey => /^sk-[0-9a-f]{64}$/.test(text);
