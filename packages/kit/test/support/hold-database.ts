import { Database } from 'bun:sqlite';

/** Another process, a backup tool say, that holds the write lock of a database until `release`. */
export async function holdDatabase(path: string): Promise<{ readonly release: () => Promise<void> }> {
  const child = Bun.spawn([process.execPath, import.meta.path, path], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const { value } = await child.stdout.getReader().read();
  if (new TextDecoder().decode(value) !== 'held') throw new Error(`${path} could not be held`);
  return {
    release: async () => {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}

if (import.meta.main) {
  const [path = ''] = process.argv.slice(2);
  const db = new Database(path);
  db.exec('PRAGMA busy_timeout=10000');
  db.exec('BEGIN IMMEDIATE');
  process.stdout.write('held');
  // A database that nobody refers to any more is closed by the garbage collector.
  process.stdin.on('end', () => db.close()).resume();
}
