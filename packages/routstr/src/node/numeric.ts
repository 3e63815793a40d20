import { z } from 'zod';

/** A number, or one in a string as old nodes and proxies send it. `null`, `""` and `"abc"` are none. */
export const numeric = z.union([
  z.number(),
  z
    .string()
    .regex(/^\s*-?\d+(?:\.\d+)?(?:e[+-]?\d+)?\s*$/i)
    .transform(Number),
]);

/** A price, never negative. */
export const price = numeric.pipe(z.number().nonnegative());
