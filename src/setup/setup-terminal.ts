import type { SetupTerminal } from './setup.ts';

/** `setup` on this process's own terminal. */
export const processTerminal = (): SetupTerminal => ({
  environment: process.env,
  directory: process.cwd(),
  interactive: process.stdin.isTTY === true && process.stdout.isTTY === true,
  color: process.stdout.isTTY === true,
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
  readInput: () => Bun.stdin.text(),
});
