import { decodePaymentRequest, type Proof } from '@cashu/cashu-ts';
import { bech32 } from '@scure/base';

/** A proof as other wallets write it into a payload: its amount a number, or a text. */
const written = (proof: Proof, textual: boolean) => ({
  ...{ id: proof.id, secret: proof.secret, C: proof.C },
  amount: textual ? proof.amount.toString() : proof.amount.toNumber(),
});

/** What a payer sends for a request (NUT-18), with whatever is to be different. */
export const payloadOf = (
  request: string,
  mint: string,
  proofs: readonly Proof[],
  changes: Readonly<Record<string, unknown>> & { readonly textual?: boolean } = {},
): string => {
  const { textual = false, ...rest } = changes;
  const payload = {
    id: idOf(request),
    mint,
    unit: 'sat',
    proofs: proofs.map((one) => written(one, textual)),
  };
  return JSON.stringify({ ...payload, ...rest });
};

const idOf = (request: string): string => decodePaymentRequest(request).id ?? '';

/** Where a payer writes to (NIP-19), without relays. */
export const nprofileOf = (publicKey: string): string =>
  bech32.encode('nprofile', bech32.toWords(Buffer.from(`0020${publicKey}`, 'hex')), false);

/** The key that a request is paid to; hex. */
export const keyIn = (request: string): string => {
  const [transport] = decodePaymentRequest(request).transport ?? [];
  const { words } = bech32.decode(transport?.target ?? '', false);
  return Buffer.from(bech32.fromWords(words).slice(2, 34)).toString('hex');
};
