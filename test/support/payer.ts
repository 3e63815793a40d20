import { decodePaymentRequest, type Proof } from '@cashu/cashu-ts';
import { payloadOf } from '@nostr-dm-agent/cashu-wallet/testing/payer';
import { nip19 } from 'nostr-tools';
import * as nip59 from 'nostr-tools/nip59';
import { generateSecretKey } from 'nostr-tools/pure';

/** Where a payment request wants its payment: a key, and relays. */
export function recipientOf(request: string) {
  const [transport] = decodePaymentRequest(request).transport ?? [];
  const decoded = nip19.decode(transport?.target ?? '');
  if (decoded.type !== 'nprofile') throw new Error(`paid to ${decoded.type}`);
  return { key: decoded.data.pubkey, relays: decoded.data.relays ?? [] };
}

/** What a Cashu wallet publishes that pays a request (NUT-18 over NIP-17), signed by a key that nobody knows. */
export function paymentTo(request: string, content: string, key = recipientOf(request).key) {
  const payer = generateSecretKey();
  const rumor = nip59.createRumor({ kind: 14, content, tags: [['p', key]] }, payer);
  return nip59.createWrap(nip59.createSeal(rumor, payer, key), key);
}

export const payment = (request: string, mint: string, proofs: readonly Proof[]) =>
  paymentTo(request, payloadOf(request, mint, proofs));
