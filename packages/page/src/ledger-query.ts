import { z } from 'zod';
import type { LedgerPlace, LedgerQuery } from './money-source.ts';

const words = z.string().trim().max(100);
const one = <T>(schema: z.ZodType<T>) =>
  z.preprocess((text) => (text === '' ? undefined : text), schema.optional()).catch(undefined);
const query = z.object({
  text: one(words),
  owner: one(
    z
      .string()
      .trim()
      .regex(/^npub1[a-z0-9]{58}$/),
  ),
  state: one(z.string().regex(/^[a-z_]{1,32}$/)),
  from: one(z.iso.date()),
  to: one(z.iso.date()),
});
const place = z
  .string()
  .regex(/^\d{1,16}-\d{1,16}$/)
  .transform((text) => text.split('-').map(Number))
  .transform(([ts = 0, id = 0]): LedgerPlace => ({ ts, id }));

/** What stands behind `?`; what makes no sense is left out. */
export const readLedgerQuery = (given: Readonly<Record<string, string>>): LedgerQuery => query.parse(given);
export const readPlace = (given: string | undefined): LedgerPlace | undefined => place.safeParse(given).data;

/** The same filter as an address. */
export function ledgerAddress(path: string, filter: LedgerQuery, before?: LedgerPlace): string {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) if (value !== undefined) asked.set(name, value);
  if (before !== undefined) asked.set('before', `${before.ts}-${before.id}`);
  const text = asked.toString();
  return text === '' ? path : `${path}?${text}`;
}
