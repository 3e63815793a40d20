import type { Database, SQLQueryBindings } from 'bun:sqlite';
import { z } from 'zod';

type Value = string | number | bigint | boolean | Uint8Array | null | undefined;
/** Values for `?` and `?1`, or one object for `$names`. `undefined` is NULL. */
type Bindings = readonly (Value | Readonly<Record<string, Value>>)[];

const bound = (bindings: Bindings): SQLQueryBindings[] =>
  bindings.map((value) => {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value ?? null;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, one ?? null]));
  });

const camelCase = (name: string): string =>
  name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
const camelCased = (row: unknown): unknown =>
  typeof row !== 'object' || row === null
    ? row
    : Object.fromEntries(Object.entries(row).map(([name, value]) => [camelCase(name), value]));

/** A row by the program's names: the column `created_at` is `createdAt`. Columns that are not named are left out. */
export const rowOf = <Shape extends z.ZodRawShape>(shape: Shape) => z.preprocess(camelCased, z.object(shape));

/**
 * A statement that reads. What it finds is checked by `row`.
 *
 * @throws ZodError (when it is called) when a row is not of that form
 */
export function select<Row>(db: Database, sql: string, row: z.ZodType<Row>) {
  const statement = db.query<unknown, SQLQueryBindings[]>(sql);
  return {
    one: (...bindings: Bindings): Row | undefined => {
      const found = statement.get(...bound(bindings));
      return found === null ? undefined : row.parse(found);
    },
    all: (...bindings: Bindings): readonly Row[] =>
      statement.all(...bound(bindings)).map((found) => row.parse(found)),
  };
}

/** A statement that writes. Returns how many rows it changed. */
export function change(db: Database, sql: string): (...bindings: Bindings) => number {
  const statement = db.query<unknown, SQLQueryBindings[]>(sql);
  return (...bindings) => statement.run(...bound(bindings)).changes;
}
