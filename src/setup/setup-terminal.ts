import { standardOutput } from '../cli/terminal-qr.ts';
import type { SetupTerminal } from './setup.ts';

/** `setup` on this process's own terminal. */
export const processTerminal = (): SetupTerminal => ({
  environment: process.env,
  directory: process.cwd(),
  interactive: process.stdin.isTTY === true && process.stdout.isTTY === true,
  ...standardOutput(),
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
  readInput: () => Bun.stdin.text(),
});
