import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Nutshell } from './nutshell-install.ts';

/** Nutshell's own wallet: another implementation of everything that ours does. */
export type NutshellWallet = {
  readonly token: (amount: number) => Promise<string>;
  /** Pays a payment request (NUT-18, NUT-26): it makes the token, and prints it where a request wants it over Nostr. */
  readonly pay: (request: string) => Promise<string>;
  readonly receive: (token: string) => Promise<void>;
  readonly balance: () => Promise<number>;
  /** What it finds from these words; to be called on a fresh wallet. */
  readonly restore: (words: string) => Promise<number>;
  readonly end: () => void;
};

const timeoutMs = 60_000;

export function createNutshellWallet(nutshell: Nutshell, mintUrl: string): NutshellWallet {
  const folder = mkdtempSync(join(tmpdir(), 'nutshell-wallet-'));
  const run = async (args: readonly string[], stdin = ''): Promise<string> => {
    const child = Bun.spawn([nutshell.wallet, ...args], {
      cwd: folder,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: folder,
        CASHU_DIR: folder,
        MINT_URL: mintUrl,
        TOR: 'FALSE',
      },
      stdin: new Blob([stdin]),
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: timeoutMs,
    });
    const [out, errors, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    if (code !== 0) throw new Error(`cashu ${args[0] === '-y' ? args[1] : args[0]} failed:\n${out}${errors}`);
    return out;
  };
  const balanceIn = (output: string): number => {
    const found = [...output.matchAll(/^Balance: (\d+) sat/gm)].at(-1)?.[1];
    if (found === undefined) throw new Error(`no balance in:\n${output}`);
    return Number(found);
  };
  const tokenIn = (output: string): string => {
    const found = /cashu[AB][\w=-]+/.exec(output)?.[0];
    if (found === undefined) throw new Error('Nutshell made no token');
    return found;
  };
  return {
    token: async (amount) => tokenIn(await run(['-y', 'send', String(amount)])),
    pay: async (request) => tokenIn(await run(['-y', 'pay', request])),
    receive: async (token) => void (await run(['-y', 'receive', token])),
    balance: async () => balanceIn(await run(['balance'])),
    restore: async (words) => balanceIn(await run(['restore'], `${words}\n`)),
    end: () => rmSync(folder, { recursive: true, force: true }),
  };
}
