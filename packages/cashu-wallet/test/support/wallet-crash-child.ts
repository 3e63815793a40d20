/*
 * The wallet in a process of its own, so that it can be killed: says `ready` when it is loaded, reads one order from
 * standard input, ends itself by SIGKILL at the checkpoint that the order names, and else prints what became of it.
 */

import { sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import { readMnemonic } from '../../src/crypto/seed.ts';
import type { CashuWallet } from '../../src/faces.ts';
import { readMintUrl } from '../../src/mints/mint-list.ts';
import type { OperationId } from '../../src/types.ts';
import { openCashuWallet } from '../../src/wallet.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

export const orderSchema = z.object({
  mint: z.string(),
  directory: z.string(),
  words: z.string(),
  killAt: z.string().optional(),
  action: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('send'), amount: z.number() }),
    z.object({ kind: z.literal('sends'), amounts: z.array(z.number()) }),
    z.object({ kind: z.literal('receive'), token: z.string() }),
    z.object({ kind: z.literal('mint'), amount: z.number() }),
    z.object({ kind: z.literal('melt'), invoice: z.string() }),
    z.object({ kind: z.literal('reclaim'), operation: z.string() }),
    z.object({ kind: z.literal('move'), amount: z.number(), to: z.string() }),
  ]),
});
export type CrashOrder = z.infer<typeof orderSchema>;

async function act(wallet: CashuWallet, action: CrashOrder['action']): Promise<unknown> {
  const signal = AbortSignal.timeout(60_000);
  switch (action.kind) {
    case 'send':
      return wallet.send({ amount: sat(action.amount) }, signal);
    case 'sends':
      return Promise.all(action.amounts.map((amount) => wallet.send({ amount: sat(amount) }, signal)));
    case 'receive':
      return wallet.redeem(wallet.keep(action.token, 'test'), signal);
    case 'mint': {
      const { operation } = await wallet.topUp({ amount: sat(action.amount) }, signal);
      return wallet.claimTopUp(operation, signal);
    }
    case 'melt': {
      const { operation } = await wallet.quoteWithdrawal({ invoice: action.invoice }, signal);
      return wallet.withdraw(operation, signal);
    }
    case 'reclaim':
      return wallet.reclaim(action.operation as OperationId, signal);
    case 'move': {
      const to = readMintUrl(action.to);
      const { topUp, withdrawal } = await wallet.quoteMove({ amount: sat(action.amount), to }, signal);
      return wallet.move({ topUp: topUp.operation, withdrawal: withdrawal.operation }, signal);
    }
  }
}

if (import.meta.main) {
  process.stdout.write('ready\n');
  const order = orderSchema.parse(JSON.parse(await new Response(Bun.stdin.stream()).text()));
  const wallet = openCashuWallet({
    seed: readMnemonic(order.words),
    directory: order.directory,
    defaultMint: readMintUrl(order.mint),
    mints: order.action.kind === 'move' ? [readMintUrl(order.action.to)] : [],
    maxBalance: sat(1_000_000),
    network: undefined,
    log: quiet,
    limits: { timeoutMs: 60_000, meltTimeoutMs: 60_000 },
    onCheckpoint: (checkpoint) => {
      if (checkpoint === order.killAt) process.kill(process.pid, 'SIGKILL');
    },
  });
  const outcome = await act(wallet, order.action);
  wallet.close();
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
