#!/usr/bin/env -S bun --no-env-file

/** Every command loads its own module when it is called, and plain `start`, which runs for months, nothing else. */
async function main(argv: readonly string[]): Promise<number> {
  const [, , command, ...options] = argv;
  if (command === 'start' && options.length === 0) {
    const { start } = await import('./cli/start.ts');
    return start({});
  }
  const { runCommandLine } = await import('./cli/command-line.ts');
  return runCommandLine(argv);
}

const code = await main(process.argv);
// A pipe may still hold what was printed last.
await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
process.exit(code);
