import { Database } from 'bun:sqlite';
import { randomInt } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { z } from 'zod';

/** A folder for somebody else's server, whose process is killed and started again in it, and goes with it. */
export function createForeignServer(name: string, answersAt: () => string, startTimeoutMs: number) {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  const log = join(folder, 'server.log');
  let child: Bun.Subprocess | undefined;
  const tail = (): string => readFileSync(log, 'utf8').slice(-3000);
  const answers = async (): Promise<boolean> => {
    try {
      return (await fetch(answersAt(), { signal: AbortSignal.timeout(5000) })).ok;
    } catch {
      return false; // it does not listen yet
    }
  };
  // Whoever is ended in a hurry leaves nothing behind either.
  const onExit = (): void => {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', onExit);
  const kill = async (): Promise<void> => {
    child?.kill('SIGKILL');
    await child?.exited;
  };
  /** Nothing of ours reaches it: no .env, no proxies, no home with settings in it. */
  const spawn = (command: readonly string[], environment: Readonly<Record<string, string>>) =>
    Bun.spawn([...command], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '', HOME: folder, ...environment },
      stdout: Bun.file(log),
      stderr: Bun.file(log),
    });
  return {
    folder,
    log: tail,
    spawn,
    /** Until it answers. */
    start: async (...[command, environment]: Parameters<typeof spawn>): Promise<void> => {
      const own = spawn(command, environment);
      child = own;
      await until(async () => own.exitCode !== null || (await answers()), `${name} answers`, startTimeoutMs);
      if (own.exitCode !== null) throw new Error(`${name} did not start:\n${tail()}`);
    },
    /** SIGKILL. */
    kill,
    stop: async (): Promise<void> => {
      await kill();
      process.off('exit', onExit);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Reads a server's own books: each a number that SQL gives, 0 for none. */
export function readForeignBooks<Books>(path: string, read: (one: (sql: string) => number) => Books): Books {
  const db = new Database(path, { readonly: true });
  try {
    return read(
      (sql) => z.object({ n: z.number() }).parse(db.query(`SELECT coalesce((${sql}), 0) AS n`).get()).n,
    );
  } finally {
    db.close();
  }
}

/**
 * Nobody listens there. Below the ports that the system gives to everybody who asks for any, so that none of the tests that
 * run at the same time is given it before the server listens.
 */
export function freePort(): number {
  for (;;) {
    const port = randomInt(16_384, 32_768);
    try {
      Bun.listen({ hostname: '127.0.0.1', port, socket: { data: () => undefined } }).stop(true);
      return port;
    } catch {
      // Somebody does.
    }
  }
}
