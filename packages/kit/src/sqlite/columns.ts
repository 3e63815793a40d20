import { z } from 'zod';

/** A column that holds JSON of the given shape. */
export const jsonColumn = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch (cause) {
        context.addIssue({ code: 'custom', message: `not JSON: ${String(cause)}` });
        return z.NEVER;
      }
    })
    .pipe(schema);

/** SQL NULL is `undefined` in the program. */
export const nullable = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullable().transform((value) => value ?? undefined);
