import type { Database } from 'bun:sqlite';
import { z } from 'zod';
import type { Sealer } from './sealer.ts';

/** A column of the wallet's database whose values are worth money to whoever reads them. */
export type SecretColumn = {
  readonly table: string;
  readonly column: string;
  /** By what a row is found again. */
  readonly key: string;
  /** Where its value belongs, as whoever writes it says: `placeOf`. */
  readonly bound: 'row' | 'column';
  /** `json`: stays JSON, with what `clearOf` leaves in clear. */
  readonly form: 'text' | 'json';
  readonly clearOf?: (value: object) => object;
};

/** Where a value belongs. */
export const placeOf = ({ table, column, bound }: SecretColumn, key: string): string =>
  bound === 'row' ? `${table}.${column} ${key}` : `${table}.${column}`;

const record = z.record(z.string(), z.unknown());
const pick = (value: object, names: readonly string[]): Record<string, unknown> => {
  const all = record.parse(value);
  return Object.fromEntries(names.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])));
};

export const secretColumns = {
  proof: { table: 'proofs', column: 'proof', key: 'y', bound: 'row', form: 'json' },
  operation: {
    ...{ table: 'operations', column: 'data', key: 'id', bound: 'row', form: 'json' },
    clearOf: (value: object) => {
      const { quote } = record.parse(value);
      const request = quote === undefined ? {} : { quote: pick(record.parse(quote), ['request']) };
      const outputs = blindedMessages(value).map((B_) => ({ B_ }));
      // What the journal's SQL looks at: which parts belong together, the invoice, and what a mint was shown.
      return {
        ...pick(value, ['partOf', 'kept', 'reclaims']),
        ...request,
        ...(outputs.length > 0 ? { outputs } : {}),
      };
    },
  },
  keptToken: { table: 'kept_tokens', column: 'token', key: 'id', bound: 'column', form: 'text' },
  payment: { table: 'request_payments', column: 'token', key: 'seq', bound: 'column', form: 'text' },
} as const satisfies Record<string, SecretColumn>;

/** Every `B_` in it, at whatever depth. */
function blindedMessages(value: unknown): readonly unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => (name === 'B_' ? [inner] : blindedMessages(inner)));
}

const rowSchema = z.object({ key: z.union([z.string(), z.number()]), value: z.string() });

/** Writes every value of these columns anew, as the sealer writes them now; inside a transaction. */
export function rewriteColumns(db: Database, sealer: Sealer, columns: readonly SecretColumn[]): void {
  for (const one of columns) {
    const { table, column, key, form, clearOf } = one;
    const rows = db.query(`SELECT ${key} AS key, ${column} AS value FROM ${table}`).all();
    const update = db.query(`UPDATE ${table} SET ${column} = ? WHERE ${key} = ?`);
    for (const row of rows.map((found) => rowSchema.parse(found))) {
      if (row.value === '') continue;
      const place = placeOf(one, String(row.key));
      const value =
        form === 'text'
          ? sealer.seal(place, sealer.open(place, row.value))
          : rewriteJson(sealer, place, row.value, clearOf);
      if (value !== row.value) update.run(value, row.key);
    }
  }
}

function rewriteJson(sealer: Sealer, place: string, value: string, clearOf: SecretColumn['clearOf']): string {
  const opened = record.parse(sealer.openJson(place, value));
  return sealer.sealJson(place, opened, clearOf?.(opened));
}
