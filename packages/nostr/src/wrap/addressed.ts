import type { NostrEvent, PublicKey } from '../nostr-types.ts';

export const tagValues = (tags: readonly string[][], name: string): readonly (string | undefined)[] =>
  tags.filter((tag) => tag[0] === name).map((tag) => tag[1]);

/** Whether the event has exactly one `p` tag, and it is `publicKey`. */
export function isAddressedTo(event: NostrEvent, publicKey: PublicKey): boolean {
  const recipients = tagValues(event.tags, 'p');
  return recipients.length === 1 && recipients[0] === publicKey;
}
