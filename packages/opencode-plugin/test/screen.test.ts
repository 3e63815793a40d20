import { afterAll, beforeAll, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { createDesk, type Desk, startTown, type Town } from './support/desk.ts';
import { forReaders, showsInPage } from './support/frames.ts';
import { keys, type TerminalSession } from './support/terminal.ts';

let town: Town;
let desk: Desk;
let screen: TerminalSession;
const soon = () => AbortSignal.timeout(60_000);

beforeAll(async () => {
  town = await startTown();
  desk = createDesk(town);
  await desk.install().exited;
  const login = await desk.login('token', await town.friend.token(900));
  expect(await login.exited).toBe(0);
  screen = desk.run(['--model', 'routstr/minimax-m2.5']);
});
afterAll(async () => {
  await desk.end();
  await town.stop();
});

const titles = {
  wallet: 'Wallet: what is there',
  'wallet-topup': 'Wallet: top up',
  'wallet-history': 'Wallet: history',
  'wallet-withdraw': 'Wallet: pay out',
  'wallet-refund': 'Wallet: bring the money home',
} as const;
const command = async (name: keyof typeof titles): Promise<void> => {
  await screen.write(`/${name}`);
  // Before opencode has found the command, Enter does nothing.
  await screen.shows(titles[name]);
  screen.type(keys.enter);
};
const page = (name: string, frame: string, words: readonly string[]) =>
  showsInPage(name, forReaders(frame, town, desk.home), words);
const balances = () =>
  desk.withWallet(async (session) => {
    const { ready } = await session.balance(soon());
    const open = await session.keys('open', soon());
    const seen = await Promise.all(open.map(({ id }) => session.keyInfo(id, soon())));
    return {
      ready,
      atNode: seen.map((look) => (look?.seen.state === 'known' ? look.seen.available : undefined)),
    };
  });
/** The invoice beside the code, its lines joined. */
const invoiceIn = (frame: string): string => {
  const beside = frame
    .split('\n')
    .map((line) => line.replace(/[\u2580-\u259f\u{1fb00}-\u{1fb3b}]/gu, '').trim());
  const start = beside.findIndex((line) => line.startsWith('lnbc'));
  return beside.slice(start, beside.indexOf('', start)).join('');
};

test('what is there stands beside the prompt, and a little is said with what to do', async () => {
  await screen.shows(/⚡ 897 sat/);
  const frame = await screen.shows(/sat are left/);
  page('home', frame, [
    '897 sat are left for Routstr.',
    '10,000 sat more go a while: /wallet-topup',
    '⚡ 897 sat',
  ]);
});

test('after an answer it is what the node says', async () => {
  await screen.write('say hello');
  screen.type(keys.enter);
  await screen.shows(/▣ .* · [0-9.]+m?s/);
  await until(
    () => town.node.audit().spentMsat > 0 && town.node.audit().reservedMsat === 0,
    'the answer is paid',
  );
  const { ready, atNode } = await balances();
  const left = Math.floor(town.node.audit().balancesMsat / 1000);
  expect(atNode).toEqual([sat(left)]);
  await screen.shows(`⚡ ${(ready + left).toLocaleString('en-US')} sat`);
});

test('/wallet shows where it is', async () => {
  await command('wallet');
  page('wallet', await screen.shows(/in all[\s\S]*-history/), [
    'sat in all',
    'In the wallet: 0 sat',
    'At api.routstr.com:',
  ]);
  screen.type(keys.escape);
  await screen.gone('in all');
});

test('/wallet-topup: the code fits into 80 × 24, and the moment it is paid is seen', async () => {
  await command('wallet-topup');
  await screen.shows('enter submit');
  screen.type('3k');
  await screen.shows(/ 3k/);
  screen.type(keys.enter);
  await screen.shows('How is it paid?');
  screen.type(keys.enter);
  await screen.shows('Waiting until it is paid');
  const frame = await screen.shows(/copies the invoice[\s\S]*loses nothing/);
  page('invoice-page', frame, [
    'Pay 3,000 sat, for the key',
    'lnbc',
    'Waiting until it is paid',
    'c copies the invoice',
  ]);
  expect(frame.split('\n').length).toBeLessThanOrEqual(24);
  town.pay(invoiceIn(frame));
  await screen.shows('Paid: 3,000 sat are on your key.');
  await screen.shows(/⚡ 3,\d\d\d sat/);
  expect((await balances()).atNode).toEqual([sat(Math.floor(town.node.audit().balancesMsat / 1000))]);
});

test('a call that needs more than there is says so, with the ways on', async () => {
  town.node.faults.add({
    endpoint: 'chat',
    when: 'before',
    times: 2,
    effect: {
      kind: 'status',
      status: 402,
      body: {
        error: {
          message: 'Insufficient balance: 5410000 mSats required. 3890000 available. (reserved: 0)',
          type: 'insufficient_quota',
          code: 'insufficient_balance',
        },
      },
    },
  });
  await screen.write('say more');
  screen.type(keys.enter);
  page('short', await screen.shows(/needs 5,410 sat[\s\S]*other providers/), [
    'This call needs 5,410 sat on the key',
    '3,890 sat are there',
    '/wallet-topup',
  ]);
});

test('/wallet-history and /wallet-withdraw', async () => {
  await command('wallet-history');
  await screen.shows(/\d\d-\d\d \d\d:\d\d {2}[\d,]+ sat/);
  screen.type(keys.escape);
  await screen.gone('Wallet history');
  const more = await town.friend.token(500);
  await desk.withWallet((session) => session.receive(more, soon()));
  await command('wallet-withdraw');
  await screen.shows('enter submit');
  screen.type(town.mint.invoice(200));
  screen.type(keys.enter);
  await screen.shows(/200 sat from/);
  screen.type(keys.enter);
  await screen.shows(/Paid: 200 sat/);
  screen.type(keys.enter);
  await screen.gone('Paid: 200 sat');
});

test('killed in mid-refund, nothing is lost: the next start says what became of it, and all of it is home', async () => {
  town.node.faults.add({ endpoint: 'refund', when: 'after', effect: { kind: 'hold' } });
  await command('wallet-refund');
  await screen.shows('come back into');
  screen.type(keys.enter);
  await until(() => town.node.faults.holding() > 0, 'the node was asked');
  await screen.kill();
  town.node.faults.release();
  screen = desk.run(['--model', 'routstr/minimax-m2.5']);
  await screen.shows(/refund that was cut off[\s\S]*wallet/);
  const { ready, atNode } = await balances();
  expect(atNode).toEqual([]);
  expect(town.missing(ready)).toBe(0);
  expect(town.node.audit().balancesMsat).toBe(0);
});
