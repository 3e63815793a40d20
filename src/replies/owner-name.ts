import type { PublicKey } from '@nostr-dm-agent/nostr';
import * as nip19 from 'nostr-tools/nip19';

/** `npub1qy3…x7k2`: enough to tell owners apart on a phone. */
export function ownerName(publicKey: PublicKey): string {
  const npub = nip19.npubEncode(publicKey);
  return `${npub.slice(0, 9)}…${npub.slice(-4)}`;
}
