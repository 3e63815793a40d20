/*
 * Money that is kept at a node, and single questions, at a real routstr-core with a Nutshell mint: filled, spent from,
 * asked, cut off, emptied; then wallet, ledger and node are compared to the sat. A script, because routstr-core is on
 * no registry:
 *
 *   ROUTSTR_CORE=… ROUTSTR_PYTHON=… bun test/interop/node-account.ts
 *
 * docs/routstr-node.md says how to come by both. Exits with 0 when every sat is accounted for.
 */
import assert from 'node:assert/strict';
import { createBench, fund, newWords, quiet, soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { parseNodeUrl } from '@nostr-dm-agent/routstr';
import { createMeter, createRoutstrProvider } from '@nostr-dm-agent/routstr/open';
import { call, sonnet, sonnetPrice } from '@nostr-dm-agent/routstr/testing/paid-world';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { startNutshell } from './nutshell.ts';
import { installNutshell } from './nutshell-install.ts';
import { findRoutstrCore, startRoutstrCore } from './routstr-core.ts';

const model = 'claude-sonnet-4.5';
const funds = 20_000;
const say = (text: string, facts?: unknown): void => {
  process.stdout.write(`${text}${facts === undefined ? '' : ` ${JSON.stringify(facts)}`}\n`);
};

await using ends = new AsyncDisposableStack();
const core = findRoutstrCore(process.env);
const nutshell = await startNutshell(await installNutshell(), 100);
ends.defer(nutshell.stop);
const mint = { url: nutshell.front().url };
const upstream = startModel({ models: [model, `anthropic/${model}`] });
ends.defer(upstream.stop);
const node = await startRoutstrCore(core, { mintUrl: mint.url, upstreamUrl: upstream.url, model });
ends.defer(node.stop);
const bench = createBench();
ends.defer(bench.end);
const meter = createMeter(quiet);
ends.defer(meter.close);

const clock = { offset: 0, now: () => Date.now() + clock.offset };
const [words, directory] = [newWords(), bench.folder()];
const news: string[] = [];
function live() {
  const wallet = bench.wallet(mint, { words, directory, clock });
  const provider = createRoutstrProvider({
    ...{ wallet, meter, clock, log: quiet, nodes: { current: () => parseNodeUrl(node.url) } },
    rules: {
      budget: () => sat(1500),
      dayLimit: () => undefined,
      dayStart: () => 0,
      model: () => sonnet,
    },
    announce: ({ id, body }) => {
      news.push(`${id} ${body.state}`);
    },
  });
  return { wallet, provider };
}
let bot = live();
async function restart(): Promise<void> {
  await bot.provider.close();
  bot.wallet.close();
  bot = live();
  await bot.wallet.recover(soon());
  say('  the next life:', await bot.provider.recover(soon()));
}
async function settleAll(): Promise<void> {
  for (let passes = 0; passes < 20 && bot.provider.paidRuns.open().length > 0; passes += 1) {
    await Bun.sleep(500);
    clock.offset += 30_000;
    await bot.provider.lookAfter(soon());
  }
  const states = bot.provider.paidRuns.open().map(({ id, body }) => [id, body.state]);
  assert.deepEqual(states, [], JSON.stringify(states));
}
const deposit = async (key: string, amount: number, signal = soon()): Promise<void> =>
  say(
    `deposit ${amount}:`,
    await bot.provider.account.deposit({ key, amount: sat(amount), owner: 'ada' }, signal),
  );
const quick = (key: string, question: string, signal = soon()) =>
  bot.provider.quick(
    {
      ...{ key, owner: 'ada', question },
      model: {
        ...{ id: model, sat: sonnetPrice.sat, usd: sonnetPrice.usd },
        ...{ limit: { context: 200_000, output: 16_384 }, reasoning: false },
      },
    },
    signal,
  );
async function run(runId: string): Promise<void> {
  const ticket = { runId, sessionId: 's', owner: 'ada', model: `routstr/${model}`, task: 'a task' };
  const prepared = await bot.provider.prepareRun(ticket, soon());
  assert.equal(prepared.state, 'ready');
  assert.equal(bot.provider.paidRuns.find(runId)?.body.state, 'spending');
  assert.equal((await call(prepared)).status, 200);
  say(`${runId}:`, await bot.provider.finalizeRun(runId, soon()));
}
/** Aborts as soon as the model behind the node has been asked. */
async function cutOff(work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const stop = new AbortController();
  const calls = upstream.requests.length;
  const dying = work(stop.signal).catch(() => undefined);
  while (upstream.requests.length === calls) await Bun.sleep(2);
  stop.abort('cut off');
  await dying;
}

await fund(bot.wallet, funds);
say(`routstr-core ${node.version}`);
await deposit('a', 3000);
await deposit('b', 2000);
await run('r1');
await run('r2');
say('asked:', await quick('q1', 'answer with 5 words'));
await cutOff((signal) => quick('q2', 'stream slowly then answer with 12 words', signal));
await restart();
await settleAll();
say('cut off:', bot.provider.pastQuestion('q2'));
// A run that the bot does not survive: its call goes on at the node.
await cutOff(async (signal) => {
  const ticket = { runId: 'r3', sessionId: 's', owner: 'ada', model: `routstr/${model}`, task: 'cut off' };
  const prepared = await bot.provider.prepareRun(ticket, soon());
  return call(prepared, { signal });
});
await restart();
await settleAll();
say('r3:', bot.provider.paidRuns.find('r3')?.body);
await node.kill();
await node.start();
say('kept:', await bot.provider.account.balance(soon()));
say('refund:', await bot.provider.account.refund(soon()));
await settleAll();
say('told:', news);

const ledger = bot.wallet.ledger.latest(100);
for (const row of ledger) {
  say('  ', [row.promptPrefix, row.state, row.budget, row.spent, row.refund, row.fee]);
  assert.equal(row.state, 'settled');
  assert.equal(row.budget, row.spent + row.refund + row.fee);
}
const gone = ledger.reduce((sum, row) => sum + row.spent + row.fee, 0);
const { ready, reserved, sent, incoming } = bot.wallet.balance();
assert.deepEqual(
  { ready, reserved, sent, incoming },
  { ready: funds - gone, reserved: 0, sent: 0, incoming: 0 },
);
const report = await bot.wallet.check(soon());
assert.deepEqual([report.consistent, report.spentElsewhere], [true, 0]);
const books = node.books();
say('node:', books);
const spent = ledger.reduce((sum, row) => sum + row.spent, 0);
assert.equal(books.creditedMsat - books.refundedMsat, spent * 1000);
await bot.provider.close();
say(`every sat is accounted for: ${ready} ready, ${gone} gone`);
