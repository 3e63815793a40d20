/** How a program ended. */
export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs a program to its end; it is killed when the signal aborts or its time is over. It can ask nobody anything. */
export async function run(
  command: readonly string[],
  directory: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Ran> {
  const child = Bun.spawn([...command], {
    cwd: directory,
    env: { ...process.env, GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' },
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    stdin: 'ignore',
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
