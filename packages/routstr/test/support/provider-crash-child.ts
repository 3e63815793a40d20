/*
 * Wallet, meter and provider in a process of their own, so that they can be killed: in a paid run, while money is kept at a
 * node, while a question is asked.
 */
import { crashOrder, obeyOrder } from '@nostr-dm-agent/cashu-wallet/testing/crash-child';
import { quiet } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { z } from 'zod';
import { createMeter } from '../../src/meter/meter.ts';
import { parseNodeUrl } from '../../src/node/node-url.ts';
import { createRoutstrProvider, type RoutstrProvider } from '../../src/routstr-provider.ts';
import { call, sonnet, sonnetPrice } from './paid-world.ts';

const orderSchema = crashOrder.extend({
  node: z.string(),
  fallbacks: z.array(z.string()).optional(),
  /** The model's price is known. */
  priced: z.boolean().optional(),
  /** `run`: a whole paid run with one model call; `run ahead`: with a budget that was made before. `recover`: what a start does. */
  action: z.enum([
    ...['run', 'run ahead', 'recover', 'deposit', 'refund', 'quick'],
    // Of a key that a user has: made by each way (an invoice is waited for), filled, refunded.
    ...['key of wallet', 'key of token', 'key of invoice', 'more on key', 'key back'],
  ] as const),
  token: z.string().optional(),
});
export type ProviderCrashOrder = z.infer<typeof orderSchema>;

async function act(
  provider: RoutstrProvider,
  order: ProviderCrashOrder,
  signal: AbortSignal,
): Promise<unknown> {
  const { action, node, token = '' } = order;
  const whose = { key: 'killed', owner: 'ada' };
  switch (action) {
    case 'deposit':
      return provider.account.deposit({ ...whose, amount: sat(3000) }, signal);
    case 'refund':
      return provider.account.refund(signal);
    case 'quick': {
      const { sat: price, usd } = sonnetPrice;
      const limit = { context: 200_000, output: 16_384 };
      const model = { id: 'claude-sonnet-4.5', sat: price, usd, limit, reasoning: false };
      return provider.quick({ ...whose, question: 'How far is the moon?', model }, signal);
    }
    case 'key of wallet':
    case 'key of token':
    case 'key of invoice': {
      const amount = sat(700);
      const payment = {
        'key of wallet': { from: 'wallet', amount } as const,
        'key of token': { from: 'token', token } as const,
        'key of invoice': { from: 'invoice', amount } as const,
      }[action];
      const made = await provider.keys.make({ id: 'key-1', node: parseNodeUrl(node), payment }, signal);
      return made.state === 'unpaid' ? provider.keys.awaitKey('key-1', signal, () => undefined) : made;
    }
    case 'more on key':
      return provider.keys.topUp(
        { id: 'topup-1', key: 'key-0', payment: { from: 'wallet', amount: sat(300) } },
        signal,
      );
    case 'key back':
      return provider.keys.refund('key-0', signal);
    case 'recover':
      return provider.recover(signal);
    case 'run ahead':
      provider.keepBudgetFor('ada');
      await until(() => provider.madeAhead().size > 0, 'a budget is made ahead');
      return act(provider, { ...order, action: 'run' }, signal);
    case 'run': {
      const model = 'routstr/claude-sonnet-4.5';
      const task = 'write hello.txt with the text hi';
      const prepared = await provider.prepareRun(
        { runId: 'r1', sessionId: 's1', owner: 'ada', model, task },
        signal,
      );
      if (prepared.state === 'ready') await call(prepared);
      return provider.finalizeRun('r1', signal);
    }
  }
}

if (import.meta.main) {
  await obeyOrder(orderSchema, async ({ order, wallet, onCheckpoint, signal }) => {
    const { node, fallbacks, priced, action } = order;
    const meter = createMeter(quiet);
    const provider = createRoutstrProvider({
      wallet,
      nodes: {
        current: () => parseNodeUrl(node),
        fallbacks: () => fallbacks?.map(parseNodeUrl) ?? [],
      },
      rules: {
        budget: () => sat(2000),
        dayLimit: () => undefined,
        dayStart: () => 0,
        model: () => (priced === true ? sonnet : undefined),
      },
      meter,
      announce: () => undefined,
      clock: systemClock,
      log: quiet,
      waits: { present: [5, 5], settle: [5, 5], invoice: 10 },
      onCheckpoint,
    });
    if (action === 'recover') await wallet.recover(signal);
    const outcome = await act(provider, order, signal);
    await provider.close();
    await meter.close();
    return outcome;
  });
}
