/* The wallet in a process of its own, so that it can be killed in the middle of an operation. */
import { sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import type { CashuWallet } from '../../src/faces.ts';
import { readMintUrl } from '../../src/mints/mint-list.ts';
import type { OperationId } from '../../src/wallet-types.ts';
import { crashOrder, obeyOrder } from './crash-child.ts';
import { keyIn, nprofileOf } from './payer.ts';

const orderSchema = crashOrder.extend({
  action: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('send'), amount: z.number() }),
    z.object({ kind: z.literal('sends'), amounts: z.array(z.number()) }),
    z.object({ kind: z.literal('receive'), token: z.string() }),
    z.object({ kind: z.literal('mint'), amount: z.number() }),
    z.object({ kind: z.literal('melt'), invoice: z.string() }),
    z.object({ kind: z.literal('reclaim'), operation: z.string() }),
    z.object({ kind: z.literal('request'), amount: z.number(), payload: z.string() }),
    z.object({ kind: z.literal('tidy') }),
    z.object({ kind: z.literal('move'), amount: z.number(), to: z.string() }),
  ]),
  policy: z.object({ maxInputs: z.number().optional(), manyProofs: z.number().optional() }).optional(),
});
export type CrashOrder = z.infer<typeof orderSchema>;

async function act(wallet: CashuWallet, action: CrashOrder['action'], signal: AbortSignal): Promise<unknown> {
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
    case 'tidy':
      return wallet.warmUp(signal);
    case 'reclaim':
      return wallet.reclaim(action.operation as OperationId, signal);
    case 'request': {
      wallet.requests.reachedAt(nprofileOf, () => undefined);
      const { request } = await wallet.topUp({ amount: sat(action.amount) }, signal);
      wallet.requests.deliver(keyIn(request?.text ?? ''), action.payload);
      return wallet.requests.redeemNext(signal);
    }
    case 'move': {
      const to = readMintUrl(action.to);
      const { topUp, withdrawal } = await wallet.quoteMove({ amount: sat(action.amount), to }, signal);
      return wallet.move({ topUp: topUp.operation, withdrawal: withdrawal.operation }, signal);
    }
  }
}

if (import.meta.main) {
  await obeyOrder(
    orderSchema,
    ({ wallet, order, signal }) => act(wallet, order.action, signal),
    ({ action, policy = {} }) => ({
      mints: action.kind === 'move' ? [readMintUrl(action.to)] : [],
      policy: Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined)),
    }),
  );
}
