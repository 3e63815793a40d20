import { acquireLock, LockHeldError } from '../../src/lock.ts';

/** A process that takes a lock, prints what came of it, and keeps it until it is ended. */
const [path = ''] = process.argv.slice(2);
try {
  acquireLock(path);
  process.stdout.write('taken');
} catch (error) {
  if (!(error instanceof LockHeldError)) throw error;
  process.stdout.write(JSON.stringify(error.holder));
}
process.stdin.resume();
