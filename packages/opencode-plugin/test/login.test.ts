import { afterAll, beforeAll, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { createDesk, type Desk, startTown, type Town } from './support/desk.ts';
import { forReaders, showsInPage } from './support/frames.ts';
import { keys } from './support/terminal.ts';

let town: Town;
let desk: Desk;
let token: string;
const soon = () => AbortSignal.timeout(60_000);

beforeAll(async () => {
  town = await startTown();
  desk = createDesk(town);
  token = await town.friend.token(2_000);
});
afterAll(async () => {
  await desk.end();
  await town.stop();
});

const readyNow = () => desk.withWallet(async (session) => (await session.balance(soon())).ready);
const nothingIsMissing = async () => expect(town.missing(await readyNow())).toBe(0);

test('one command installs both halves, and Routstr is in the list of logins', async () => {
  const install = desk.install();
  expect(await install.exited).toBe(0);
  expect(install.frame()).toContain('Detected server + tui targets');
  const login = desk.run(['auth', 'login']);
  await login.shows('Select provider');
  login.type('routstr');
  await login.shows(/● Routstr/);
  login.type(keys.enter);
  await login.shows(/◆ {2}Login method\n.*Paste a Cashu token\n.*From the local wallet\n.*Lightning invoice/);
  login.type(keys.enter);
  await login.answer('Node', 'http://node.example/v1');
  await login.shows('http only on this computer');
  await login.kill();
});

test('a pasted token becomes a key; the token is nowhere, and the key only where opencode keeps keys', async () => {
  const login = await desk.login('token', token);
  expect(await login.exited).toBe(0);
  const frame = login.frame();
  expect(frame).toContain('Login successful');
  expect(frame).toContain('A wallet was made');
  const readable = forReaders(frame.replace(/cashuB[\w-]+(?:\n[\w-]+)*/, 'cashuBo2Ftd…'), town, desk.home);
  showsInPage('login', readable, [
    'A wallet was made',
    'go to api.routstr.com, which gives a key',
    'Login successful',
  ]);
  const { routstr } = desk.auth();
  expect(routstr).toEqual({
    type: 'api',
    key: expect.stringMatching(/^sk-[0-9a-f]{64}$/),
    metadata: { node: town.url },
  });
  // 1 sat for redeeming at most, 2 for the way to the node.
  expect(town.node.audit().balancesMsat).toBeGreaterThan(1_990_000);
  await nothingIsMissing();
});

test('a prompt is paid: the balance falls by what the node says', async () => {
  const before = town.node.audit();
  const run = desk.run(['run', '--model', 'routstr/minimax-m2.5', '--title', 'hello', 'say hello']);
  expect(await run.exited).toBe(0);
  expect(run.frame()).toContain('say hello');
  const after = town.node.audit();
  expect(after.spentMsat).toBeGreaterThan(0);
  expect(before.balancesMsat - after.balancesMsat).toBe(after.spentMsat);
  const seen = await desk.withWallet((session) => session.keyInfo(desk.auth().routstr?.key ?? '', soon()));
  expect(seen?.seen).toMatchObject({ state: 'known', available: Math.floor(after.balancesMsat / 1000) });
});

test('a token that is spent is refused before anything is sent', async () => {
  const asked = town.node.requests.length;
  const login = await desk.login('token', token);
  expect(await login.exited).toBe(1);
  // The line breaks wherever the dots before it end.
  expect(login.frame().replace(/\s/g, '')).toMatch(/givenbefore|spentalready|cameinbefore/);
  expect(town.node.requests.slice(asked).join(' ')).not.toMatch(/POST/);
  await nothingIsMissing();
});

test('from the local wallet, onto the key that there is', async () => {
  const more = await town.friend.token(3_000);
  await desk.withWallet((session) => session.receive(more, soon()));
  const before = town.node.audit().balancesMsat;
  const short = await desk.login('wallet', '50,000');
  expect(await short.exited).toBe(1);
  expect(short.frame().replace(/\s/g, '')).toMatch(/Thewallethas[\d,]+sat/);
  const login = await desk.login('wallet', '1k');
  expect(await login.exited).toBe(0);
  expect(town.node.audit().balancesMsat - before).toBe(1_000_000);
  await nothingIsMissing();
});

test('a Lightning invoice waits until it is paid', async () => {
  const guest = createDesk(town);
  guest.configure({});
  const login = await guest.login('invoice', '800', { rows: 40 });
  const frame = await login.shows('It is noticed as soon as it is paid');
  showsInPage('invoice-login', forReaders(frame, town, guest.home), [
    '800 sat for api.routstr.com. Pay this invoice:',
    'It is noticed as soon as it is paid',
  ]);
  const wrapped = /lnbc[a-z0-9]+(?:\n(?:│ {2})?[a-z0-9]+)*/.exec(frame)?.[0] ?? '';
  const invoice = wrapped.replaceAll(/\n(?:│ {2})?/g, '');
  town.pay(invoice);
  expect(await login.exited).toBe(0);
  const { routstr } = guest.auth();
  const seen = await guest.withWallet((session) => session.keyInfo(routstr?.key ?? '', soon()));
  expect(seen?.seen).toMatchObject({ state: 'known', available: sat(800) });
  await guest.end();
});

test('killed in mid-login, nothing is lost: the next start says what became of it, and is logged in', async () => {
  const guest = createDesk(town);
  guest.configure({});
  town.node.faults.add({ endpoint: 'create', when: 'after', effect: { kind: 'hold' } });
  const login = await guest.login('token', await town.friend.token(1_000));
  await until(() => town.node.faults.holding() > 0, 'the node has the token');
  await login.kill();
  town.node.faults.release();
  expect(guest.auth()).toEqual({});
  const run = guest.run(['models', 'routstr']);
  await run.shows('A login that was cut off has arrived');
  await run.exited;
  expect(guest.auth().routstr?.key).toStartWith('sk-');
  await guest.end();
});

test('with autoTopUp the key fills itself from the wallet within a day’s cap; killed in mid-top-up, nothing is lost', async () => {
  const guest = createDesk(town);
  guest.configure({ autoTopUp: { perDay: 1_500, amount: 1_000, below: 50 } });
  const login = await guest.login('token', await town.friend.token(100));
  expect(await login.exited).toBe(0);
  const more = await town.friend.token(5_000);
  await guest.withWallet((session) => session.receive(more, soon()));
  const ask = () =>
    guest.run(['run', '--model', 'routstr/claude-sonnet-4.5', '--title', 'hello', 'say hello']);
  // 16,384 tokens of an answer are held at 15 msat each: more than is there.
  town.node.faults.add({ endpoint: 'topup', when: 'after', effect: { kind: 'hold' } });
  const killed = ask();
  await until(() => town.node.faults.holding() > 0, 'the node has the money');
  await killed.kill();
  town.node.faults.release();
  const run = ask();
  await run.shows(/top-up that was cut off has arrived: 1,000 sat/);
  expect(await run.exited).toBe(0);
  const { wallet, atNode } = await guest.withWallet(async (session) => {
    const look = await session.keyInfo(guest.auth().routstr?.key ?? '', soon());
    return {
      wallet: (await session.balance(soon())).ready,
      atNode: look?.seen.state === 'known' ? look.seen.available : undefined,
    };
  });
  expect(wallet).toBeLessThan(4_000);
  expect(atNode).toBeGreaterThan(900);
  await guest.end();
});

test('no token and no word of the wallet is in any file but its own; the key is in auth.json and the wallet alone', async () => {
  // The wallet keeps what it redeemed; nobody else does.
  const beside = (files: readonly string[]) =>
    files.filter((file) => !file.startsWith(`${desk.home}/.cashu-wallet/`));
  expect(beside(desk.filesWith(token))).toEqual([]);
  expect(desk.filesWith(desk.words() ?? 'none')).toEqual([`${desk.home}/.nostr-dm-agent/wallet.env`]);
  const holders = desk.filesWith(desk.auth().routstr?.key ?? 'none');
  expect(beside(holders)).toEqual([`${desk.home}/.local/share/opencode/auth.json`]);
});
