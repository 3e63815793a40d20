/*
 * What every process does that is to be killed: says `ready` when it is loaded, reads one order from standard input, ends
 * itself by SIGKILL at the checkpoint that the order names, and else prints what became of it.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { readMnemonic } from '../../src/crypto/seed.ts';
import type { CashuWallet } from '../../src/faces.ts';
import { watchSyncs } from './power-cut.ts';
import { type OpenOptions, openWallet } from './wallet-kit.ts';

export const crashOrder = z.object({
  mint: z.string(),
  directory: z.string(),
  words: z.string(),
  /** A checkpoint; with `#2`, when it is reached for the second time. */
  killAt: z.string().optional(),
  /** The power is cut there: what was not synced is gone. */
  powerCut: z.boolean().optional(),
});

export type Killable<Order> = {
  readonly order: Order;
  readonly wallet: CashuWallet;
  readonly onCheckpoint: (checkpoint: string) => void;
  readonly signal: AbortSignal;
};

export async function obeyOrder<Order extends z.infer<typeof crashOrder>>(
  schema: z.ZodType<Order>,
  work: (killable: Killable<Order>) => Promise<unknown>,
  options: (order: Order) => Partial<OpenOptions> = () => ({}),
): Promise<void> {
  process.stdout.write('ready\n');
  const order = schema.parse(JSON.parse(await new Response(Bun.stdin.stream()).text()));
  const { words, directory, powerCut } = order;
  const [killAt, time = '1'] = order.killAt?.split('#') ?? [];
  let left = Number(time);
  const file = join(directory, `${readMnemonic(words).fingerprint}.db`);
  const disk = powerCut === true ? watchSyncs(file) : undefined;
  const onCheckpoint = (checkpoint: string): void => {
    if (checkpoint === killAt) left -= 1;
    if (left !== 0) return;
    disk?.cut();
    process.kill(process.pid, 'SIGKILL');
  };
  const limits = { timeoutMs: 60_000, meltTimeoutMs: 60_000 };
  const wallet = openWallet(
    { url: order.mint },
    { words, directory, limits, onCheckpoint, ...options(order) },
  );
  const outcome = await work({ order, wallet, onCheckpoint, signal: AbortSignal.timeout(60_000) });
  wallet.close();
  process.stdout.write(`${JSON.stringify(outcome ?? null)}\n`);
}
