import { join } from 'node:path';

/**
 * Where the programs that stories start find what Bun made of the sources before. Each has a HOME of its own, in which Bun
 * would make it again: a third of the start of a command.
 */
export const bunCache = {
  BUN_RUNTIME_TRANSPILER_CACHE_PATH: join(import.meta.dir, '../../node_modules/.cache/bun'),
};
