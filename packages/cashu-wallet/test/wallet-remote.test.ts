/** The wallet that one process has open, used by another one: data goes across, errors included. */
import { afterEach, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { z } from 'zod';
import { createWallet } from '../src/open.ts';
import {
  createWalletCaller,
  createWalletLine,
  RemoteError,
  serveWalletSocket,
  takeOver,
  type WalletLine,
  walletSocketPath,
} from '../src/remote/index.ts';
import type { OperationId } from '../src/wallet-types.ts';
import { createBench, fund, newWords, quiet, soon, stranger } from './support/wallet-kit.ts';

const bench = createBench();
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await bench.end();
});

function house() {
  const mint = bench.mint();
  const words = newWords();
  const [home, directory] = [bench.folder(), bench.folder()];
  const wallet = bench.wallet(mint, { words, directory });
  const config = {
    home,
    wallet: { mnemonic: words, mintUrl: mint.url, mints: [], directory, maxBalance: sat(1000) },
  };
  return { mint, home, wallet, config, call: createWalletCaller(config, quiet) };
}

const topUpSchema = z.object({
  operation: z.string().transform((id) => id as OperationId),
  invoice: z.string(),
});

async function served() {
  const made = house();
  ends.push(serveWalletSocket(made.wallet, walletSocketPath(made.home), quiet).close);
  await until(() => existsSync(walletSocketPath(made.home)), 'the socket is there');
  return made;
}

const factsIn = async (work: Promise<unknown>): Promise<unknown> => {
  const error = await work.catch((cause: unknown) => cause);
  if (!(error instanceof RemoteError)) throw new Error('no RemoteError', { cause: error });
  return error.facts;
};

test('what was answered is what the wallet said, fields without a value included', async () => {
  const { wallet, call } = await served();
  await fund(wallet, 100);
  expect(await call({ command: 'balance', args: {} }, soon())).toEqual(wallet.balance());
  const { operations } = await call({ command: 'history', args: { limit: 5 } }, soon());
  expect(operations).toHaveLength(1);
  expect(Object.keys(operations[0] ?? {})).toContain('trouble');
  const { operation } = await call({ command: 'topup', args: { amount: sat(5), mint: undefined } }, soon());
  expect(wallet.operation(operation)).toMatchObject({ kind: 'mint', amount: sat(5) });
});

test('what went wrong is facts, the same as without a bot', async () => {
  const { mint, wallet, call } = await served();
  await fund(wallet, 100);
  const token = await (await stranger(mint)).token(20);
  await wallet.receive(token, { cap: true }, soon());
  const asked = async () => ({
    poor: await factsIn(call({ command: 'send', args: { amount: sat(900), mint: undefined } }, soon())),
    twice: await factsIn(call({ command: 'receive', args: { token } }, soon())),
    elsewhere: await factsIn(
      call({ command: 'topup', args: { amount: sat(1), mint: 'https://mint.example' } }, soon()),
    ),
    forNothing: await factsIn(
      call(
        { command: 'quote', args: { to: 'name@mint.example', amount: undefined, mint: undefined } },
        soon(),
      ),
    ),
  });
  const remote = await asked();
  expect(remote).toMatchObject({
    poor: { name: 'InsufficientFundsError', have: 120, mint: mint.url },
    twice: { name: 'TokenRefusedError', problem: { kind: 'already-received', amount: 20 } },
    elsewhere: { name: 'WalletUsageError', problem: { kind: 'mint', accepted: [mint.url] } },
    forNothing: { name: 'InvoiceRefusedError', problem: { kind: 'no-amount' } },
  });
  expect(await factsIn(call({ command: 'restore', args: {} }, soon()))).toEqual({
    name: 'RestoreRefusedError',
    problem: { kind: 'bot-is-running' },
  });
  for (const end of ends.splice(0).reverse()) await end();
  wallet.close();
  expect(await asked()).toEqual(remote);
});

test('the same asked twice at once, by two and by the bot itself: each is told what is so, and it is done once', async () => {
  const { mint, wallet, call } = await served();
  await fund(wallet, 500);
  const token = await (await stranger(mint)).token(100);
  const receive = () =>
    call({ command: 'receive', args: { token } }, soon()).catch((error: unknown) => error);
  const here = wallet.receive(token, { cap: true }, soon()).catch((error: unknown) => error);
  const said = await Promise.all([receive(), receive(), here]);
  const took = said.filter((each) => !(each instanceof Error));
  expect(took).toMatchObject([{ amount: 100 }]);
  for (const each of said.filter((one) => one instanceof Error)) {
    expect(each instanceof RemoteError ? each.facts : each).toMatchObject({
      problem: { kind: 'already-received', amount: 100 },
    });
  }
  const { operation } = await wallet.quoteWithdrawal({ invoice: mint.invoice(50) }, soon());
  const pay = () => call({ command: 'pay', args: { operation } }, soon());
  const [one, two, mine] = await Promise.all([pay(), pay(), wallet.withdraw(operation, soon())]);
  expect(one.withdrawal).toMatchObject({ state: 'paid', amount: 50 });
  expect(two.withdrawal).toEqual(one.withdrawal);
  expect(one.withdrawal).toEqual(mine);
  const topUp = await wallet.topUp({ amount: sat(20) }, soon());
  const claim = () => call({ command: 'claim', args: { operation: topUp.operation } }, soon());
  expect(await Promise.all([claim(), claim()])).toMatchObject([{ state: 'paid' }, { state: 'paid' }]);
  const fee = one.withdrawal.state === 'paid' ? one.withdrawal.fee : 0;
  expect(wallet.balance()).toMatchObject({ ready: 600 + 20 - 50 - fee, reserved: 0, incoming: 0 });
  expect(mint.audit()).toMatchObject({ balanced: true, totalOutstanding: wallet.balance().ready + 10 });
});

test.each([
  [
    'a bot from before this protocol',
    '{"kind":"failure","name":"InsufficientFundsError","message":"Too little"}',
  ],
  ['a bot of a later one', '{"version":99,"answer":{"kind":"answer","answer":{}}}'],
])('%s is not misread', async (_, line) => {
  const { home, call } = house();
  const server = createServer((socket) => socket.once('data', () => socket.end(`${line}\n`)));
  server.listen(join(home, 'wallet.sock'));
  ends.push(() => server.close());
  await until(() => existsSync(join(home, 'wallet.sock')), 'the socket is there');
  expect(await factsIn(call({ command: 'balance', args: {} }, soon()))).toEqual({
    name: 'OtherVersionError',
  });
});

test('a bot that goes away in the middle is said to have gone', async () => {
  const { home, call } = house();
  const begun = '{"version":4,"answer":{"kind":"begun"}}\n';
  const server = createServer((socket) => socket.once('data', () => socket.end(begun)));
  server.listen(join(home, 'wallet.sock'));
  ends.push(() => server.close());
  await until(() => existsSync(join(home, 'wallet.sock')), 'the socket is there');
  expect(await factsIn(call({ command: 'balance', args: {} }, soon()))).toEqual({
    name: 'ConnectionLostError',
    begun: true,
  });
});

test('who has the wallet for now gives it to who needs it, and goes on through them; what waits is not broken off', async () => {
  const { mint, home, wallet, config } = house();
  await fund(wallet, 500);
  wallet.close();
  const plugin = createWalletLine({ ...config, lingerMs: 60_000 }, quiet);
  ends.push(plugin.close);
  // Of another BOT_HOME, as a user's plugin beside a bot's may be.
  const other = createWalletLine({ ...config, home: bench.folder() }, quiet);
  const balance = async (line: WalletLine) => line.ask('balance', {}, soon());
  expect(await balance(plugin)).toMatchObject({ ready: 500 });
  // Two processes, one wallet: the second one asks the first.
  expect(await balance(other)).toMatchObject({ ready: 500 });
  mint.lightning.incoming = 'on-demand';
  const topUp = topUpSchema.parse(await other.ask('topup', { amount: 20 }, soon()));
  const waiting = plugin.ask('awaitTopUp', topUp, soon());
  const waitsToo = other.ask('awaitTopUp', topUp, soon());
  const sending = plugin.ask('send', { amount: 100 }, soon());

  const bot = await takeOver(config, () => createWallet(config.wallet, { log: quiet }), soon());
  const server = serveWalletSocket(bot, walletSocketPath(home), quiet);
  expect(await sending).toMatchObject({ amount: 100, balance: { ready: 400 } });
  mint.pay(mint.quoteOf(topUp.invoice));
  expect(await Promise.all([waiting, waitsToo])).toMatchObject([{ state: 'paid' }, { state: 'paid' }]);
  expect(await balance(plugin)).toEqual(bot.balance());
  // A bot keeps it.
  const second = takeOver(config, () => createWallet(config.wallet, { log: quiet }), soon());
  expect(await second.catch((error: unknown) => error)).toMatchObject({ name: 'WalletInUseError' });

  await server.close();
  bot.close();
  expect(await balance(plugin)).toMatchObject({ ready: 420, sent: 100 });
});

test('who asks no more is heard: the wait ends there, and what was begun stays in the books', async () => {
  const { home, wallet, config, mint } = await served();
  mint.lightning.incoming = 'on-demand';
  const line = createWalletLine(config, quiet);
  const topUp = topUpSchema.parse(await line.ask('topup', { amount: 20 }, soon()));
  const gone = new AbortController();
  const waiting = line.ask('awaitTopUp', topUp, gone.signal).catch((error: unknown) => error);
  await until(() => mint.requests.some((each) => /v1\/ws|GET.*mint\/quote/.test(each)), 'it waits');
  gone.abort();
  expect(await waiting).toBeInstanceOf(RemoteError);
  expect(wallet.operation(topUp.operation)).toMatchObject({ kind: 'mint', state: 'quoted' });
  expect(await factsIn(line.ask('dance', {}, soon()))).toEqual({
    name: 'UnknownCommandError',
    command: 'dance',
  });
  expect(existsSync(walletSocketPath(home))).toBe(true);
});
