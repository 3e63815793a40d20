import { msatToSatCeil, msatToSatFloor, type Sat } from '@nostr-dm-agent/kit/sat';
import { decode } from 'light-bolt11-decoder';
import { z } from 'zod';
import { InvoiceRefusedError } from '../wallet-errors.ts';

/** What a payer looks at in a BOLT11 invoice. */
export type Invoice = {
  /** Without `lightning:`, lower case. */
  readonly text: string;
  /** `bc`, `tb`, `tbs`, `bcrt`, … */
  readonly network: string;
  /** msat; undefined: the payer chooses. */
  readonly amountMsat: number | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
  readonly paymentHash: string;
  readonly description: string | undefined;
  /** SHA-256, hex, in place of a description (LNURL). */
  readonly descriptionHash: string | undefined;
};

/** What BOLT11 says where the invoice says nothing. */
const defaultExpirySeconds = 3600;

const sectionsSchema = z
  .array(z.object({ name: z.string(), letters: z.string().optional(), value: z.unknown().optional() }))
  .transform((sections) => new Map(sections.map((section) => [section.name, section])));

/** Reads an invoice; its checksum is verified, its signature is for the mint's node to check. @throws InvoiceRefusedError `malformed` */
export function readInvoice(text: string): Invoice {
  const trimmed = text
    .trim()
    .toLowerCase()
    .replace(/^lightning:(\/\/)?/, '');
  try {
    const sections = sectionsSchema.parse(decode(trimmed).sections);
    const value = <T>(name: string, schema: z.ZodType<T>): T => schema.parse(sections.get(name)?.value);
    const amount = value('amount', z.string().regex(/^\d+$/).optional());
    const timestamp = value('timestamp', z.number().int());
    const expiry = value('expiry', z.number().int().optional()) ?? defaultExpirySeconds;
    return {
      text: trimmed,
      network: z.string().parse(sections.get('coin_network')?.letters),
      amountMsat: amount === undefined ? undefined : z.number().int().positive().safe().parse(Number(amount)),
      expiresAt: (timestamp + expiry) * 1000,
      paymentHash: value('payment_hash', z.string().regex(/^[0-9a-f]{64}$/)),
      description: value('description', z.string().optional()),
      descriptionHash:
        value('description_hash', z.string().optional()) ??
        value('purpose_commit_hash', z.string().optional()),
    };
  } catch (cause) {
    throw new InvoiceRefusedError({ kind: 'malformed' }, cause);
  }
}

/** What is asked for. Of a fraction of a sat a mint may ask for the whole, or for nothing: both are right. */
export type PayableInvoice = Invoice & { readonly atLeast: Sat; readonly atMost: Sat };

/**
 * The same, and it can be paid now.
 *
 * @param amount what is to be paid where the invoice leaves it open
 * @throws InvoiceRefusedError
 */
export function requirePayable(
  text: string,
  {
    network,
    now,
    amount,
  }: { readonly network: string | undefined; readonly now: number; readonly amount?: Sat | undefined },
): PayableInvoice {
  const invoice = readInvoice(text);
  if (network !== undefined && invoice.network !== network) {
    throw new InvoiceRefusedError({ kind: 'wrong-network', network: invoice.network });
  }
  if (invoice.expiresAt <= now) throw new InvoiceRefusedError({ kind: 'expired', at: invoice.expiresAt });
  if (invoice.amountMsat === undefined) {
    if (amount === undefined) throw new InvoiceRefusedError({ kind: 'no-amount' });
    return { ...invoice, atLeast: amount, atMost: amount };
  }
  const atLeast = msatToSatFloor(invoice.amountMsat);
  const atMost = msatToSatCeil(invoice.amountMsat);
  if (amount !== undefined && amount !== atLeast && amount !== atMost) {
    throw new InvoiceRefusedError({ kind: 'fixed-amount', amount: atMost });
  }
  return { ...invoice, atLeast, atMost };
}
