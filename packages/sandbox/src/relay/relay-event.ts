import { validateEvent } from 'nostr-tools/pure';
import type { NostrEvent } from './relay-types.ts';

const ID = /^[0-9a-f]{64}$/;
const SIGNATURE = /^[0-9a-f]{128}$/;

/** Whether a value has every field of a signed event (NIP-01). Neither id nor signature are checked. */
export function isSignedEvent(value: unknown): value is NostrEvent {
  if (typeof value !== 'object' || value === null || !validateEvent(value)) return false;
  const { id, sig }: Partial<Record<keyof NostrEvent, unknown>> = value;
  return typeof id === 'string' && ID.test(id) && typeof sig === 'string' && SIGNATURE.test(sig);
}
