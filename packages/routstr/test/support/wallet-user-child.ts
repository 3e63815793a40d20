/*
 * One of those who use a wallet at once, in a process of its own, so that it can be killed: a desk (a session that makes and
 * refunds keys, round after round), or a bot (takes the wallet, serves it until it is told to stop).
 */
import { createWallet } from '@nostr-dm-agent/cashu-wallet/open';
import { serveWalletSocket, takeOver, walletSocketPath } from '@nostr-dm-agent/cashu-wallet/remote';
import { quiet } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import { createMeter } from '../../src/meter/meter.ts';
import { parseNodeUrl } from '../../src/node/node-url.ts';
import { keyHandlers, openWalletSession } from '../../src/remote/index.ts';
import { createRoutstrProvider } from '../../src/routstr-provider.ts';

const orderSchema = z.object({
  role: z.enum(['desk', 'bot']),
  rounds: z.number(),
  home: z.string(),
  mint: z.string(),
  node: z.string(),
  words: z.string(),
});
type Order = z.infer<typeof orderSchema>;

const configOf = ({ home, mint, words }: Order) => ({
  home,
  wallet: { mnemonic: words, mintUrl: mint, mints: [], directory: home, maxBalance: sat(1_000_000) },
});
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const soon = (): AbortSignal => AbortSignal.timeout(60_000);
const waits = { present: [5, 5], settle: [5, 5, 50, 50, 200, 200] };

async function desk(order: Order): Promise<void> {
  const session = openWalletSession(configOf(order), quiet, { waits });
  for (let round = 0; round < order.rounds; round += 1) {
    const payment = { from: 'wallet', amount: sat(100 + round) } as const;
    const made = await session.makeKey({ ...payment, node: parseNodeUrl(order.node) }, soon());
    if (made.state !== 'made') throw new Error(`no key: ${JSON.stringify(made)}`);
    await session.balance(soon());
    // Cut off by a kill, the node may have it under way still: it is asked for again.
    let back = await session.refundKey(made.key.id, soon());
    for (let tries = 0; back.state === 'under_way' && tries < 300; tries += 1) {
      await Bun.sleep(100);
      back = await session.refundKey(made.key.id, soon());
    }
    if (back.state !== 'returned') throw new Error(`no refund: ${JSON.stringify(back)}`);
    say(`round ${round}`);
  }
  await session.close();
  say('done');
}

async function bot(order: Order): Promise<void> {
  const config = configOf(order);
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  const wallet = await takeOver(config, () => createWallet(config.wallet, { log: quiet }), soon());
  const meter = createMeter(quiet);
  const provider = createRoutstrProvider({
    wallet,
    nodes: { current: () => parseNodeUrl(order.node) },
    rules: {
      budget: () => sat(100),
      dayLimit: () => undefined,
      dayStart: () => 0,
      model: () => undefined,
    },
    meter,
    announce: () => undefined,
    clock: systemClock,
    log: quiet,
    waits,
  });
  await wallet.recover(soon());
  await provider.recover(soon());
  const keys = keyHandlers(provider.keys, wallet);
  const server = serveWalletSocket(wallet, walletSocketPath(order.home), quiet, keys);
  provider.start();
  say('serving');
  const { promise, resolve } = Promise.withResolvers<void>();
  const alive = setInterval(() => undefined, 1000);
  stop.signal.addEventListener('abort', () => resolve());
  await promise;
  clearInterval(alive);
  await server.close();
  await provider.close();
  await meter.close();
  wallet.close();
  say('stopped');
}

if (import.meta.main) {
  const order = orderSchema.parse(JSON.parse(await new Response(Bun.stdin.stream()).text()));
  await (order.role === 'bot' ? bot(order) : desk(order));
  process.exit(0);
}
