import { join } from 'node:path';
import type { CrashOrder } from './wallet-crash-child.ts';

type Child = ReturnType<typeof spawn>;
const spawn = (script: string) =>
  Bun.spawn([process.execPath, script], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
  });

/** How one life of the wallet ended. */
export type CrashedLife = { readonly killed: boolean; readonly output: string };

/**
 * Processes that are loaded and wait for their order, so that the runtime's start is paid while another case runs.
 * `run` resolves when the process is dead. `killWhen`: ends it from outside once this is true.
 */
export function createVictims<Order = CrashOrder>(script = join(import.meta.dir, 'wallet-crash-child.ts')) {
  let waiting: Child | undefined;
  return {
    async run(order: Order, killWhen?: () => boolean): Promise<CrashedLife> {
      const child = waiting ?? spawn(script);
      waiting = spawn(script);
      child.stdin.write(JSON.stringify(order));
      await child.stdin.end();
      if (killWhen) {
        const deadline = Date.now() + 30_000;
        while (!killWhen() && child.exitCode === null && Date.now() < deadline) await Bun.sleep(2);
        child.kill('SIGKILL');
      }
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      await child.exited;
      return { killed: child.signalCode === 'SIGKILL', output: `${stdout}${stderr}` };
    },
    async end(): Promise<void> {
      waiting?.kill('SIGKILL');
      await waiting?.exited;
    },
  };
}
