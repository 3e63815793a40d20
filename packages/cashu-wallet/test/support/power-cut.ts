import { Database } from 'bun:sqlite';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { z } from 'zod';

const levelSchema = z.object({ synchronous: z.number() });
const full = 2;

/**
 * Keeps aside what a power cut would leave of a database of this process: the files as they were after the last
 * transaction that waited for the disk. Begins before the database is opened; single statements don't count as synced.
 */
export function watchSyncs(file: string) {
  const parts = ['', '-wal'];
  const aside = (part: string): string => `${file}${part}.synced`;
  const keep = (): void => {
    for (const part of parts) {
      if (existsSync(file + part)) copyFileSync(file + part, aside(part));
      else rmSync(aside(part), { force: true });
    }
  };
  const { transaction } = Database.prototype;
  Database.prototype.transaction = function <A extends unknown[], T>(
    this: Database,
    work: (...args: A) => T,
  ) {
    const run = transaction.call(this, work) as ReturnType<typeof transaction<A, T>>;
    const watched =
      (original: (...args: A) => T) =>
      (...args: A): T => {
        const outermost = !this.inTransaction;
        const result = original(...args);
        const { synchronous } = levelSchema.parse(this.query('PRAGMA synchronous').get());
        if (outermost && synchronous === full && this.filename === file) keep();
        return result;
      };
    return Object.assign(watched(run), {
      deferred: watched(run.deferred),
      immediate: watched(run.immediate),
      exclusive: watched(run.exclusive),
    });
  };
  return {
    /** What was not synced is gone. The process is to end at once. */
    cut: (): void => {
      for (const part of parts) {
        if (existsSync(aside(part))) copyFileSync(aside(part), file + part);
        else rmSync(file + part, { force: true });
      }
    },
  };
}
