/*
 * Wallet, meter and provider in a process of their own, so that they can be killed: reads one order from standard
 * input, ends itself by SIGKILL at the checkpoint that the order names, and else prints what became of it.
 */
import { join } from 'node:path';
import { openCashuWallet, readMintUrl, readMnemonic } from '@nostr-dm-agent/cashu-wallet/open';
import { watchSyncs } from '@nostr-dm-agent/cashu-wallet/testing/power-cut';
import { sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import { createMeter } from '../../src/meter/meter.ts';
import { createNodeClient } from '../../src/node/node-client.ts';
import { parseNodeUrl } from '../../src/node/node-url.ts';
import { createRoutstrProvider } from '../../src/routstr-provider.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

export const orderSchema = z.object({
  mint: z.string(),
  node: z.string(),
  fallbacks: z.array(z.string()).optional(),
  directory: z.string(),
  words: z.string(),
  /** A checkpoint; with `#2`, when it is reached for the second time. */
  killAt: z.string().optional(),
  /** The power is cut there: what was not synced is gone. */
  powerCut: z.boolean().optional(),
  /** `run`: a whole paid run with one model call. `recover`: what a start does. */
  action: z.enum(['run', 'recover']),
});
export type PaidCrashOrder = z.infer<typeof orderSchema>;

const paymentSchema = z.object({
  provider: z.object({ routstr: z.object({ options: z.object({ baseURL: z.string() }) }) }),
});

if (import.meta.main) {
  process.stdout.write('ready\n');
  const order = orderSchema.parse(JSON.parse(await new Response(Bun.stdin.stream()).text()));
  const [killAt, time = '1'] = order.killAt?.split('#') ?? [];
  let left = Number(time);
  const onCheckpoint = (checkpoint: string): void => {
    if (checkpoint === killAt) left -= 1;
    if (left !== 0) return;
    disk?.cut();
    process.kill(process.pid, 'SIGKILL');
  };
  const seed = readMnemonic(order.words);
  const disk =
    order.powerCut === true ? watchSyncs(join(order.directory, `${seed.fingerprint}.db`)) : undefined;
  const wallet = openCashuWallet({
    seed,
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
    ...(order.fallbacks && {
      fallbacks: {
        nodes: () => order.fallbacks?.map(parseNodeUrl) ?? [],
        ask: (url, asking) => createNodeClient(url).nodeInfo(asking),
      },
    }),
    rules: {
      budget: () => sat(2000),
      dayLimit: () => undefined,
      dayStart: () => 0,
      terms: () => undefined,
      price: () => undefined,
    },
    meter,
    announce: () => undefined,
    clock: { now: () => Date.now() },
    log: quiet,
    retryPauses: { present: [5, 5], settle: [5, 5] },
    onCheckpoint,
  });
  const signal = AbortSignal.timeout(60_000);
  let outcome: unknown;
  if (order.action === 'recover') {
    await wallet.recover(signal);
    outcome = await provider.recover(signal);
  } else {
    const ticket = {
      runId: 'r1',
      sessionId: 's1',
      owner: 'ada',
      model: 'routstr/claude-sonnet-4.5',
      task: 'write hello.txt with the text hi',
    };
    const prepared = await provider.prepareRun(ticket, signal);
    if (prepared.state === 'ready') {
      const { baseURL } = paymentSchema.parse(prepared.access.configuration).provider.routstr.options;
      const answer = await fetch(`${baseURL}/chat/completions`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${prepared.access.variables.ROUTSTR_API_KEY}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({
          model: 'claude-sonnet-4.5',
          stream: true,
          max_tokens: 100,
          messages: [{ role: 'user', content: 'hi' }],
        }),
      });
      await answer.text();
    }
    outcome = await provider.finalizeRun('r1', signal);
  }
  await provider.close();
  await meter.close();
  wallet.close();
  process.stdout.write(`${JSON.stringify(outcome ?? null)}\n`);
}
