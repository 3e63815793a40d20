import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { bunCache } from './bun-cache.ts';

const root = resolve(import.meta.dir, '../..');

/**
 * A machine with a bot on it, or one that a backup is put on; its bot is started as an operator does it.
 * @param ends gets what ends it all, to be called from the last to the first
 */
export function openMachine(
  ends: (() => unknown)[],
  directory = mkdtempSync(join(tmpdir(), 'other-machine-')),
) {
  const user = join(directory, 'user');
  mkdirSync(user, { recursive: true });
  let log = '';
  const spawn = (...options: string[]) => {
    const child = Bun.spawn([process.execPath, join(root, 'src/index.ts'), 'start', ...options], {
      ...{ cwd: directory, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' },
      env: { PATH: process.env.PATH ?? '', HOME: user, LANG: 'C.UTF-8', ...bunCache },
    });
    for (const stream of [child.stdout, child.stderr]) {
      void (async () => {
        for await (const chunk of stream) log += new TextDecoder().decode(chunk);
      })();
    }
    ends.push(async () => {
      child.kill('SIGKILL');
      await child.exited;
    });
    return child;
  };
  ends.push(() => rmSync(directory, { recursive: true, force: true }));
  return {
    ...{ directory, user, spawn },
    log: () => log,
    start: async (...options: string[]) => {
      const child = spawn(...options);
      const begun = log.length;
      await until(
        () => log.slice(begun).includes('"ready"') || child.exitCode !== null,
        `it is ready: ${log}`,
        60_000,
      );
      return child;
    },
  };
}
