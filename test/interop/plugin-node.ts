/*
 * opencode's own terminal, logged in at a real routstr-core with a Nutshell mint: by a pasted token, from the wallet that
 * this made, by an invoice; prompts are paid, keys are refunded; then everything is compared to the sat. A script, because
 * routstr-core is on no registry:
 *
 *   ROUTSTR_CORE=… ROUTSTR_PYTHON=… bun test/interop/plugin-node.ts
 *
 * docs/routstr-node.md says how to come by both. Exits with 0 when every sat is accounted for.
 */
import assert from 'node:assert/strict';
import { createDesk } from '@nostr-dm-agent/opencode-plugin/testing/desk';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { openFilledWallet } from '@nostr-dm-agent/sandbox/testing/filled-wallet';
import { startNutshell } from './nutshell.ts';
import { installNutshell } from './nutshell-install.ts';
import { findRoutstrCore, startRoutstrCore } from './routstr-core.ts';

const model = 'claude-sonnet-4.5';
const soon = (): AbortSignal => AbortSignal.timeout(60_000);
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
const friend = await openFilledWallet(mint.url, 50_000);
const desk = createDesk({ url: `${node.url}/v1`, mint });
ends.defer(desk.end);
say(`routstr-core ${node.version}`);

const install = desk.install();
assert.equal(await install.exited, 0, install.frame());

/** A prompt, and that the balance fell by what the node says. */
async function prompt(): Promise<number> {
  const before = node.books();
  const run = desk.run(['run', '--model', `routstr/${model}`, '--title', 'hello', 'say hello']);
  assert.equal(await run.exited, 0, run.frame());
  assert.match(run.frame(), /hello/);
  const after = node.books();
  const cost = after.spentMsat - before.spentMsat;
  assert.ok(cost > 0);
  assert.equal(before.balancesMsat - after.balancesMsat, cost);
  return cost;
}
const ready = () => desk.withWallet(async (session) => (await session.balance(soon())).ready);
const refund = () =>
  desk.withWallet(async (session) => {
    const [key] = await session.keys('open', soon());
    assert.ok(key !== undefined);
    return session.refundKey(key.id, soon());
  });

const token = await friend.token(3_000);
const byToken = await desk.login('token', token);
assert.equal(await byToken.exited, 0, byToken.frame());
say('by a token:', { atNode: node.books().balancesMsat });
say('a prompt cost (msat):', await prompt());
say('refunded:', await refund());
say('in the wallet:', await ready());

const byWallet = await desk.login('wallet', '1k');
assert.equal(await byWallet.exited, 0, byWallet.frame());
say('from the wallet:', { atNode: node.books().balancesMsat });
say('a prompt cost (msat):', await prompt());
say('refunded:', await refund());

// Nutshell's Lightning pays every invoice.
const invoiced = 800;
const byInvoice = await desk.login('invoice', String(invoiced));
assert.equal(await byInvoice.exited, 0, byInvoice.frame());
say('by an invoice:', { atNode: node.books().balancesMsat });
say('a prompt cost (msat):', await prompt());
say('refunded:', await refund());

const books = node.books();
const mintBooks = nutshell.books();
const home = await ready();
say('node:', books);
say('mint:', mintBooks);
say('wallet:', home);
assert.ok(books.balancesMsat < 1000, 'less than a sat is left at the node');
// What the node has of its own at the mint is what it took for its work, to the sat.
const atNode = Math.floor((books.creditedMsat - books.refundedMsat) / 1000) + invoiced;
assert.equal(mintBooks.outstanding, friend.balance() + home + atNode);
assert.equal(mintBooks.pending, 0);
await desk.withWallet(async (session) => {
  const { ledger } = await session.export(soon());
  for (const row of ledger) {
    say('  ', [row.promptPrefix, row.state, row.budget, row.spent, row.refund, row.fee]);
    assert.equal(row.budget, row.spent + row.refund + row.fee);
  }
});
for (const file of desk.filesWith(token)) assert.match(file, /\.cashu-wallet\//);
say('every sat is accounted for');
