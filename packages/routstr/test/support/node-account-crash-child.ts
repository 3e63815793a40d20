/*
 * Wallet, meter and provider in a process of their own, so that they can be killed while money is kept at a node or a
 * question is asked: reads one order from standard input, ends itself by SIGKILL at the checkpoint that the order
 * names, and else prints what became of it.
 */

import { openCashuWallet, readMintUrl, readMnemonic } from '@nostr-dm-agent/cashu-wallet/open';
import { quiet } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import { createMeter } from '../../src/meter/meter.ts';
import { parseNodeUrl } from '../../src/node/node-url.ts';
import { createRoutstrProvider } from '../../src/routstr-provider.ts';
import { call, sonnetPrice } from './paid-world.ts';

export const orderSchema = z.object({
  mint: z.string(),
  node: z.string(),
  directory: z.string(),
  words: z.string(),
  killAt: z.string().optional(),
  action: z.enum(['deposit', 'run', 'refund', 'quick', 'recover']),
});
export type NodeAccountCrashOrder = z.infer<typeof orderSchema>;

if (import.meta.main) {
  process.stdout.write('ready\n');
  const order = orderSchema.parse(JSON.parse(await new Response(Bun.stdin.stream()).text()));
  const onCheckpoint = (checkpoint: string): void => {
    if (checkpoint === order.killAt) process.kill(process.pid, 'SIGKILL');
  };
  const wallet = openCashuWallet({
    seed: readMnemonic(order.words),
    directory: order.directory,
    defaultMint: readMintUrl(order.mint),
    mints: [],
    maxBalance: sat(1_000_000),
    network: undefined,
    log: quiet,
    limits: { timeoutMs: 60_000, meltTimeoutMs: 60_000 },
    policy: { settleAfterMs: -1 },
    onCheckpoint,
  });
  const meter = createMeter(quiet);
  const provider = createRoutstrProvider({
    wallet,
    nodeUrl: () => parseNodeUrl(order.node),
    rules: {
      budget: () => sat(2000),
      dayLimit: () => undefined,
      dayStart: () => 0,
      terms: () => undefined,
      price: () => sonnetPrice,
    },
    meter,
    announce: () => undefined,
    clock: { now: () => Date.now() },
    log: quiet,
    retryPauses: { present: [5, 5], settle: [5, 5] },
    onCheckpoint,
  });
  const signal = AbortSignal.timeout(60_000);
  const perform = async (): Promise<unknown> => {
    switch (order.action) {
      case 'recover':
        await wallet.recover(signal);
        return provider.recover(signal);
      case 'deposit':
        return provider.account.deposit({ amount: sat(3000), key: 'killed', owner: 'ada' }, signal);
      case 'refund':
        return provider.account.refund(signal);
      case 'quick':
        return provider.quick(
          {
            ...{ key: 'killed', owner: 'ada', question: 'How far is the moon?' },
            model: {
              ...{ id: 'claude-sonnet-4.5', sat: sonnetPrice.sat, usd: sonnetPrice.usd },
              ...{ limit: { context: 200_000, output: 16_384 }, reasoning: false },
            },
          },
          signal,
        );
      case 'run': {
        const model = 'routstr/claude-sonnet-4.5';
        const ticket = { runId: 'r1', sessionId: 's1', owner: 'ada', model, task: 'write hello.txt' };
        const prepared = await provider.prepareRun(ticket, signal);
        if (prepared.state === 'ready') await call(prepared);
        return provider.finalizeRun('r1', signal);
      }
    }
  };
  const outcome = await perform();
  await provider.close();
  await meter.close();
  wallet.close();
  process.stdout.write(`${JSON.stringify(outcome ?? null)}\n`);
}
