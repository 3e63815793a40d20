/*
 * The whole home of a bot of an earlier version that was killed in the middle of its work: this version reads everything
 * in it, goes on with what waited, tells what was interrupted, and brings the money home, to the sat.
 */
import { Database } from 'bun:sqlite';
import { afterEach, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCashuWallet, readMintUrl, readMnemonic } from '@nostr-dm-agent/cashu-wallet/open';
import { quiet, soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { onceThePortIsFree, until } from '@nostr-dm-agent/kit/testing/until';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { SandboxNode } from '@nostr-dm-agent/sandbox/node';
import { type SandboxRelay, startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { hexToBytes } from 'nostr-tools/utils';
import { z } from 'zod';
import { expectCopiesKept, type OldBotHome, openOldBotHome, startBot } from '../support/old-bot-home.ts';
import { contentOf, rowsIn } from '../support/old-home.ts';
import { createOwner, type Said, type TestOwner } from '../support/owner.ts';

const minute = 60_000;
const homes: OldBotHome[] = [];
afterEach(async () => {
  for (const home of homes.splice(0)) await home.end();
});

/** As if the bot had died ten minutes ago: a task that has waited for days is listed, and not begun. */
function moveToNow(file: string, by: number): void {
  const db = new Database(file);
  db.query('UPDATE runs SET queued_at = queued_at + ?1, started_at = started_at + ?1').run(by);
  db.query('UPDATE messages SET received_at = received_at + ?1, created_at_s = created_at_s + ?1 / 1000').run(
    by,
  );
  db.close();
}

async function startRelay(port: number): Promise<SandboxRelay> {
  const { promise, resolve: started } = Promise.withResolvers<SandboxRelay>();
  await onceThePortIsFree(() => started(startSandboxRelay({ port })));
  return promise;
}

test('the bot goes on in it: nothing is run twice, everybody is told, and every sat is where it belongs', async () => {
  const old = openOldBotHome();
  homes.push(old);
  const { home, files, publicKeys, onEnd } = old;
  moveToNow(files.bot, Date.now() - home.takenAt - 10 * minute);
  const before = [contentOf(files.bot), contentOf(files.wallet)];
  const mints = await old.startMints({ incoming: 'on-demand' });
  const nodes = await old.startNodes(mints);
  const [mint, node] = [mints.get('mint'), nodes.get('node')];
  if (!mint || !node) throw new Error('the home has no mint or no node');
  const relay = await startRelay(home.ports.relay ?? 0);
  onEnd(relay.stop);
  const owner = await createOwner(relay.url, publicKeys.bot, hexToBytes(home.keys.owner));
  const member = await createOwner(relay.url, publicKeys.bot, hexToBytes(home.keys.member));
  onEnd(owner.close);
  onEnd(member.close);
  const runs = runsIn(files.bot);
  const bot = await startBot(old, mint, node, relay);

  // What waits is done, each once; what was in hand is answered, and not begun again.
  const answerTo = (who: TestOwner, task: string, pattern: RegExp): Promise<Said> =>
    who.answer(runs.find((run) => run.task === task)?.message ?? '', pattern, 60_000);
  await answerTo(owner, 'sleep 300', /Interrupted/);
  await answerTo(member, 'work whose budget is on its way, 1 calls', /Interrupted/);
  await answerTo(owner, 'work whose change is on its way, 1 calls', /did: work whose change is on its way/);
  await answerTo(owner, 'waits its turn', /did: waits its turn/);
  await answerTo(owner, 'waits behind it', /did: waits behind it/);
  await owner.answer(home.open.received, /did: has come, and nobody has looked at it/, 60_000);
  await owner.answer(home.open.acting, /./);
  // What the relay did not take is delivered.
  await owner.answer(home.open.status, /./);
  expect((await owner.answer(home.open.version, /./)).kind).toBe(4);
  const ask = async (text: string, who = owner): Promise<string> =>
    (await who.answer(await who.send(text))).text;
  expect(await ask('!provider list')).toContain('anthropic · connected');
  expect(await ask('!provider list', member)).toContain('openrouter · connected');
  expect(await ask('!owners')).toContain('member');
  await until(() => openPaidRuns(files.wallet) === 0, 'every run’s money is home', 60_000);
  await bot.end();

  const done = runsIn(files.bot);
  expect(done.map(({ state }) => state)).toEqual(done.map(() => 'done'));
  expect(done.length).toBe(home.facts.runs.length + 1);
  // What was in hand is not begun again by itself, and nothing is done twice.
  const tasks = ['app', 'docs'].flatMap((folder) => linesOf(join(old.directory, folder, 'tasks.txt')));
  expect(tasks.toSorted()).toEqual([
    'has come, and nobody has looked at it',
    'waits behind it',
    'waits its turn',
  ]);
  expectCopiesKept([files.bot, files.wallet], before);
  await expectMoney(old, mint, node);
}, 120_000);

/** What the agents of a workspace were given. */
const linesOf = (path: string): readonly string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];

const runRow = z.object({ task: z.string(), state: z.string(), message: z.string() });
const runsIn = (file: string) => rowsIn(file, 'SELECT task, state, message FROM runs ORDER BY seq', runRow);
/** Paid runs whose money is on its way. */
const openPaidRuns = (file: string): number =>
  rowsIn(
    file,
    "SELECT count(*) AS n FROM paid_runs WHERE open = 1 AND state <> 'needs_operator'",
    z.object({ n: z.number() }),
  )[0]?.n ?? 0;

/** Wallet + ledger = what was put in; mint and node say the same. The bot is dead. */
async function expectMoney({ home, directory, onEnd }: OldBotHome, mint: SandboxMint, node: SandboxNode) {
  const wallet = openCashuWallet({
    seed: readMnemonic(home.words),
    directory: join(directory, 'wallet'),
    defaultMint: readMintUrl(mint.url),
    mints: [],
    maxBalance: sat(1_000_000),
    network: undefined,
    log: quiet,
  });
  onEnd(wallet.close);
  const { ready, reserved, sent, incoming } = wallet.balance();
  expect({ reserved, incoming }).toMatchObject({ reserved: 0, incoming: 0 });
  const ledger = wallet.ledger.latest(1000);
  for (const { state, budget, spent, refund, fee } of ledger) {
    expect(state).toBe('settled');
    expect(budget).toBe(sat(spent + refund + fee));
  }
  const gone = ledger.reduce((sum, { spent, fee }) => sum + spent + fee, 0);
  // The token that the owner was given, and the fee of making it.
  const fees = wallet
    .operations({ limit: 1000 })
    .filter(({ kind, state }) => kind === 'send' && state === 'handed_over')
    .reduce((sum, { fee }) => sum + fee, 0);
  expect(ready + sent + gone + fees).toBe(home.paidIn);
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
  const { heldSat, balanced } = node.audit();
  const held = Object.values(heldSat).reduce((sum, amount) => sum + amount, 0);
  expect(balanced).toBe(true);
  expect(mint.audit()).toMatchObject({ balanced: true, totalOutstanding: ready + sent + held });
}
