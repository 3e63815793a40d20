import { z } from 'zod';
import type { EventId, PublicKey, RelayUrl } from '../nostr/types.ts';

/** Columns that several tables share. What is in them passed its check when it was written. */
export const publicKeyColumn = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((value) => value as PublicKey);

export const eventIdColumn = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((value) => value as EventId);

export const relayUrlColumn = z
  .string()
  .regex(/^wss?:\/\//)
  .transform((value) => value as RelayUrl);

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
