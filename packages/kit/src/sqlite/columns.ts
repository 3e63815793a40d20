import type { z } from 'zod';

/** SQL NULL is `undefined` in the program. */
export const nullable = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullable().transform((value) => value ?? undefined);
