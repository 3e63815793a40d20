import { isSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { isLightningAddress } from '../lightning-address.ts';
import { InvoiceRefusedError } from '../wallet-errors.ts';

/** Whom a text means: as it is typed, scanned, or copied out of another wallet. */
export type Destination = {
  readonly kind: 'invoice' | 'address';
  readonly text: string;
  /** What a `bitcoin:` link asks for. */
  readonly amount: Sat | undefined;
};

/** @throws InvoiceRefusedError for what is known and cannot be paid over Lightning with an invoice */
export function readDestination(given: string): Destination {
  const text = given.trim().replace(/^lightning:(\/\/)?/i, '');
  if (/^bitcoin:/i.test(text)) return readLink(text);
  if (/^lno1/i.test(text)) throw new InvoiceRefusedError({ kind: 'bolt12' });
  if (isOnChain(text)) throw new InvoiceRefusedError({ kind: 'on-chain' });
  return { kind: isLightningAddress(text) ? 'address' : 'invoice', text, amount: undefined };
}

/** BIP21: of a link that has an invoice the address is left alone. */
function readLink(link: string): Destination {
  const [, query = ''] = /^[^?]*\?(.*)$/s.exec(link) ?? [];
  const fields = new Map(
    [...new URLSearchParams(query)].map(([name, value]) => [name.toLowerCase(), value.trim()]),
  );
  const lightning = fields.get('lightning');
  if (lightning) return { ...readDestination(lightning), amount: readBitcoin(fields.get('amount')) };
  throw new InvoiceRefusedError({ kind: fields.has('lno') ? 'bolt12' : 'on-chain' });
}

/** Addresses of every kind and network: bech32, and base58 with its version. */
const isOnChain = (text: string): boolean =>
  /^(?:bc|tb|bcrt)1[ac-hj-np-z02-9]{11,87}$/i.test(text) || /^[123mn][1-9A-HJ-NP-Za-km-z]{25,34}$/.test(text);

/** An amount in bitcoin, as BIP21 has it, in sat. */
function readBitcoin(text: string | undefined): Sat | undefined {
  const [, whole, fraction = ''] = /^(\d{1,8})(?:\.(\d{0,8})0*)?$/.exec(text ?? '') ?? [];
  if (whole === undefined) return undefined;
  const amount = Number(whole) * 1e8 + Number(fraction.padEnd(8, '0'));
  return isSat(amount) && amount > 0 ? amount : undefined;
}
