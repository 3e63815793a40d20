import { dirname, join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { bunCache } from './bun-cache.ts';

const executable = join(import.meta.dir, '..', '..', 'src', 'index.ts');

export type Whereabouts = {
  readonly directory: string;
  readonly environment?: Readonly<Record<string, string>>;
};

const spawnOptions = ({ directory, environment = {} }: Whereabouts) => ({
  cwd: directory,
  // Outside of the directory, which stays as the command leaves it.
  env: { PATH: process.env.PATH ?? '', HOME: dirname(directory), ...bunCache, ...environment },
});

/** Runs the executable to its end, without a terminal. */
export async function runCommand(args: readonly string[], where: Whereabouts, stdin = '') {
  const child = Bun.spawn([process.execPath, '--no-env-file', executable, ...args], {
    ...spawnOptions(where),
    stdin: new Blob([stdin]),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

/** The executable on a terminal, with somebody at it. */
export function commandOnTerminal(args: readonly string[], where: Whereabouts) {
  let screen = '';
  const decoder = new TextDecoder();
  const child = Bun.spawn([process.execPath, '--no-env-file', executable, ...args], {
    ...spawnOptions(where),
    terminal: {
      cols: 120,
      rows: 50,
      data: (_, data) => {
        screen += decoder.decode(data, { stream: true });
      },
    },
  });
  return {
    screen: () => screen,
    exited: child.exited,
    signal: (name: 'SIGINT' | 'SIGTERM') => child.kill(name),
    kill: () => child.kill('SIGKILL'),
    /** Waits until `text` is on the screen, then types. `\r` is Enter. */
    answer: async (text: string, keys: string) => {
      await until(() => screen.includes(text), `"${text}" on the screen`, 60_000);
      child.terminal?.write(keys);
    },
  };
}
