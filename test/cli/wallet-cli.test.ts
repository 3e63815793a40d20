/* The wallet's command line as somebody uses it: the real executable, a mint on loopback, a bot beside it or none. */
import { afterEach, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CashuWallet } from '@nostr-dm-agent/cashu-wallet';
import { createWalletCaller, serveWalletSocket, walletSocketPath } from '@nostr-dm-agent/cashu-wallet/remote';
import {
  createBench,
  fund,
  newWords,
  quiet,
  soon,
  stranger,
} from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { parseNodeUrl } from '@nostr-dm-agent/routstr';
import { createPaidRunStore } from '@nostr-dm-agent/routstr/books';
import { openWalletSession, withKeys } from '@nostr-dm-agent/routstr/remote';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { startScriptedUpstream } from '@nostr-dm-agent/sandbox/testing/scripted-upstream';
import { checkWallet } from '../../src/doctor/check-wallet.ts';
import { commandOnTerminal, runCommand } from '../support/command.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A home with a wallet's .env, and ways to use it. */
function household(mintOptions: Parameters<ReturnType<typeof createBench>['mint']>[0] = {}) {
  const bench = createBench();
  ends.push(() => bench.end());
  const mint: SandboxMint = bench.mint(mintOptions);
  const root = bench.folder();
  const directory = join(root, 'project');
  const home = join(root, 'bot');
  const walletDirectory = join(root, 'wallet');
  for (const path of [directory, home]) mkdirSync(path, { mode: 0o700 });
  const words = newWords();
  const environment = {
    BOT_HOME: home,
    CASHU_MNEMONIC: words,
    CASHU_MINT_URL: mint.url,
    CASHU_WALLET_DIR: walletDirectory,
  };
  const lines = Object.entries(environment).map(([name, value]) => `${name}='${value}'`);
  writeFileSync(join(directory, '.env'), lines.join('\n'), { mode: 0o600 });
  const open = (): CashuWallet => bench.wallet(mint, { words, directory: walletDirectory });
  const run = (args: readonly string[], stdin = '') => runCommand(['wallet', ...args], { directory }, stdin);
  return {
    bench,
    mint,
    directory,
    home,
    walletDirectory,
    words,
    open,
    run,
    /** What a command answers with `--json`. */
    async json(args: readonly string[], stdin = '') {
      const { code, stdout } = await run([...args, '--json'], stdin);
      return { code, answer: JSON.parse(stdout) };
    },
    /** A process (this one) that has the wallet and lets the command line use it, as a bot does. */
    bot() {
      const wallet = open();
      const { handlers } = withKeys({ log: quiet })(wallet);
      const served = serveWalletSocket(wallet, walletSocketPath(home), quiet, handlers);
      ends.push(async () => {
        await served.close();
        wallet.close();
      });
      return wallet;
    },
    async funded(amount: number) {
      const wallet = open();
      await fund(wallet, amount);
      wallet.close();
    },
    someone: () => stranger(mint),
  };
}
type Household = ReturnType<typeof household>;

/** Every command once, on a wallet with 10,000 sat: what it says to people, and to scripts. */
async function everyCommand(house: Household): Promise<void> {
  const { run, json, mint } = house;
  const text = await run(['balance']);
  expect(text).toEqual({ code: 0, stdout: '10,000 sat ready\n', stderr: '' });
  expect((await json(['balance'])).answer).toEqual({
    ready: 10_000,
    reserved: 0,
    sent: 0,
    incoming: 0,
    mints: [{ mint: mint.url, ready: 10_000, reserved: 0, sent: 0, incoming: 0 }],
    keys: [],
  });

  // A token alone on stdout, to be piped.
  const sent = await run(['send', '1k']);
  expect(sent.code).toBe(0);
  expect(sent.stdout).toMatch(/^cashuB\S+\n$/);
  expect(sent.stderr).toContain('1,000 sat');
  const preview = await json(['decode', '-'], sent.stdout);
  expect(preview).toMatchObject({
    code: 0,
    answer: { mint: mint.url, unit: 'sat', lock: null, accepted: true },
  });
  // Its face: what the receiver nets, and the fee.
  expect(preview.answer.amount).toBeWithin(1000, 1003);
  const someone = await house.someone();
  expect(await someone.redeem(sent.stdout.trim())).toBe(1000);
  const second = await json(['send', '500', '--mint', mint.url]);
  expect(second).toMatchObject({ code: 0, answer: { amount: 500, mint: mint.url } });
  expect(second.answer.token).toStartWith('cashuB');

  const open = await json(['pending']);
  expect(open.answer.operations).toContainEqual(
    expect.objectContaining({ operation: second.answer.operation, kind: 'send', note: 'command line' }),
  );
  const back = await json(['reclaim', second.answer.operation]);
  expect(back).toMatchObject({ code: 0, answer: { outcome: { state: 'reclaimed', amount: 500 } } });

  const gift = await someone.token(250);
  const redeemed = await run(['receive', '-'], gift);
  expect(redeemed.code).toBe(0);
  expect(redeemed.stdout).toMatch(/^Received 2(50|49) sat \(.*\)\. Balance: /);
  const again = await json(['receive', gift]);
  expect(again).toMatchObject({ code: 1, answer: { error: { kind: 'TokenRefusedError' } } });

  const invoice = mint.invoice(300);
  const declined = await run(['withdraw', invoice]);
  expect(declined).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--yes') });
  const paid = await json(['withdraw', invoice, '--yes']);
  expect(paid).toMatchObject({
    code: 0,
    answer: { quote: { amount: 300 }, withdrawal: { state: 'paid', amount: 300 } },
  });
  expect(await run(['withdraw', invoice, '--yes'])).toMatchObject({ code: 1, stdout: '' });

  mint.lightning.incoming = 'on-demand';
  const topup = await json(['topup', '700', '--no-wait']);
  expect(topup).toMatchObject({ code: 0, answer: { amount: 700, state: 'unpaid' } });
  expect(topup.answer.invoice).toStartWith('lnbcrt');
  mint.lightning.incoming = 'at-once';
  const waited = await run(['topup', '33']);
  expect(waited.code).toBe(0);
  expect(waited.stdout).toContain('lightning:lnbcrt');
  expect(waited.stdout).toContain('Paid.');

  expect((await json(['history', '3'])).answer).toMatchObject({ runs: [], operations: { length: 3 } });
  expect((await run(['history'])).stdout).toContain('paid 300 sat');
  expect(await json(['mints', '--add', 'https://mint.example/'])).toMatchObject({
    code: 0,
    answer: { default: mint.url, mints: [mint.url, 'https://mint.example'] },
  });
  expect((await json(['mints', '--remove', 'https://mint.example'])).answer.mints).toEqual([mint.url]);
  expect(await json(['check'])).toMatchObject({
    code: 0,
    answer: { consistent: true, problems: [], spentElsewhere: 0 },
  });

  expect(await json(['mints', 'rename', mint.url, 'http://127.0.0.1:9'])).toMatchObject({
    code: 1,
    answer: { error: { kind: 'MintError' } },
  });
  expect((await run(['mints', 'rename', mint.url])).code).toBe(2);
  const copy = join(house.directory, 'copy.db');
  expect(await json(['backup', 'copy.db'])).toMatchObject({ code: 0, answer: { path: copy } });
  expect(statSync(copy).mode & 0o777).toBe(0o600);
  expect(await run(['backup', 'copy.db'])).toEqual({
    code: 1,
    stdout: '',
    stderr: `There is a file at ${copy} already, and a backup never replaces one. Give another name.\n`,
  });
  const { answer } = await json(['balance']);
  expect(answer.ready).toBeWithin(10_000 - 1000 + 250 - 300 + 33 - 20, 10_000 - 1000 + 250 - 300 + 34);
}

test('every command, when no bot is running', async () => {
  const house = household();
  await house.funded(10_000);
  await everyCommand(house);
}, 180_000);

test('every command through the socket of a running bot', async () => {
  const house = household({ feePpk: 100 });
  await house.funded(10_000);
  const wallet = house.bot();
  const socket = walletSocketPath(house.home);
  await until(() => existsSync(socket), 'the socket is there');
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  await everyCommand(house);
  // It was the bot's wallet that did it.
  expect(wallet.operations({ limit: 100 }).length).toBeGreaterThan(6);

  const restore = await house.run(['restore']);
  expect(restore).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('Stop it first') });
}, 180_000);

test('while another process has the wallet and cannot be asked, it says who', async () => {
  const house = household();
  const wallet = house.open();
  const refused = await house.run(['balance']);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toContain(`process ${process.pid}`);
  wallet.close();
  expect(await house.run(['balance'])).toMatchObject({ code: 0, stdout: '0 sat ready\n' });
});

test('keys that a plugin made: listed with what their nodes say, in the books, brought home by name', async () => {
  const house = household();
  await house.funded(3000);
  const upstream = startScriptedUpstream();
  const node = startSandboxNode({ mints: [house.mint.url], upstream: { baseUrl: upstream.baseUrl } });
  ends.push(node.stop, upstream.stop);
  const config = {
    mnemonic: house.words,
    mintUrl: house.mint.url,
    mints: [],
    directory: house.walletDirectory,
  };
  const plugin = openWalletSession(
    { home: house.home, wallet: { ...config, maxBalance: sat(100_000) } },
    quiet,
  );
  ends.push(plugin.close);
  const made = await plugin.makeKey(
    { from: 'wallet', amount: sat(1000), node: parseNodeUrl(node.url) },
    soon(),
  );
  if (made.state !== 'made') throw new Error(made.refusal.kind);
  const label = made.key.label ?? '';

  // The plugin has the wallet open still, or has given it back: nobody can tell.
  expect((await house.run(['balance'])).stdout).toContain('At nodes, on 1 key: about 1,000 sat');
  const listed = await house.run(['refund']);
  expect(listed).toMatchObject({ code: 0, stderr: '' });
  expect(listed.stdout).toContain(`${label} at 127.0.0.1`);
  expect(listed.stdout).toContain('1,000 sat of 1,000 sat left');
  expect(listed.stdout).not.toContain(made.secret);
  const refunded = await house.json(['refund', label]);
  expect(refunded).toMatchObject({
    code: 0,
    answer: { refunds: [{ state: 'returned', key: { id: made.key.id, spent: 0 } }] },
  });
  expect(await house.run(['refund', label])).toMatchObject({ code: 2, stdout: '' });
  expect((await house.run(['refund'])).stdout).toBe('No key has money at a node.\n');

  const csv = await house.run(['export', '--csv']);
  const [header, ...rows] = csv.stdout.trimEnd().split('\r\n');
  expect(header).toBe('time,kind,id,state,amount_sat,spent_sat,refund_sat,fee_sat,at,model,note');
  expect(rows.filter((row) => row.includes(`,key,${made.key.id},closed,`))).toHaveLength(1);
  const { answer } = await house.json(['export']);
  expect(answer).toMatchObject({ ledger: [{ state: 'settled' }], keys: [{ state: 'closed' }] });
  const [{ budget, spent, refund, fee }] = answer.ledger;
  expect(spent + refund + fee).toBe(budget);
  expect(JSON.stringify(answer) + csv.stdout).not.toMatch(/cashu[AB]|sk-[0-9a-f]{20}/);
  expect(await house.json(['check'])).toMatchObject({ code: 0, answer: { consistent: true, notLooked: [] } });
}, 120_000);

test('commands side by side wait for one another', async () => {
  const house = household();
  await house.funded(1000);
  const sends = await Promise.all(['1', '2', '3', '4'].map((amount) => house.run(['send', amount])));
  expect(sends.map(({ code, stdout }) => [code, stdout.startsWith('cashuB')])).toEqual(
    Array.from({ length: 4 }, () => [0, true]),
  );
  expect((await house.json(['balance'])).answer).toMatchObject({ ready: 990, sent: 10 });
});

test('a socket that a dead bot left behind is nobody', async () => {
  const house = household();
  const script = `require('node:net').createServer().listen(${JSON.stringify(walletSocketPath(house.home))}, () => process.kill(process.pid, 'SIGKILL'))`;
  await Bun.spawn([process.execPath, '-e', script]).exited;
  expect(existsSync(walletSocketPath(house.home))).toBe(true);
  expect(await house.run(['balance'])).toMatchObject({ code: 0 });
  const wallet = house.bot();
  await fund(wallet, 21);
  expect(await house.run(['balance'])).toMatchObject({ code: 0, stdout: '21 sat ready\n' });
});

test('a bot that has another wallet is not asked', async () => {
  const house = household();
  const other = household();
  const wallet = other.open();
  await fund(wallet, 500);
  const served = serveWalletSocket(wallet, walletSocketPath(house.home), quiet);
  ends.push(() => served.close());
  expect(await house.run(['balance'])).toMatchObject({ code: 0, stdout: '0 sat ready\n' });
});

test('nonsense on the socket gets an answer or an end, and the bot goes on', async () => {
  const house = household();
  house.bot();
  const path = walletSocketPath(house.home);
  const config = {
    home: house.home,
    wallet: {
      mnemonic: house.words,
      mintUrl: house.mint.url,
      mints: [],
      directory: house.walletDirectory,
      maxBalance: sat(1000),
    },
  };
  const call = createWalletCaller(config, quiet);
  await call({ command: 'balance', args: {} }, soon());
  for (const line of ['hello\n', '{"fingerprint":1}\n', `${'x'.repeat(2_000_000)}`]) {
    const { promise, resolve } = Promise.withResolvers<string>();
    let answer = '';
    await Bun.connect({
      unix: path,
      socket: {
        open: (socket) => void socket.write(line),
        data: (_, bytes) => {
          answer += bytes.toString();
        },
        drain: (socket) => void socket.write('x'.repeat(2_000_000)),
        close: () => resolve(answer),
        error: () => resolve(answer),
      },
    });
    const said = await promise;
    expect(said === '' || said.includes('"kind":"failure"')).toBe(true);
  }
  expect(await call({ command: 'balance', args: {} }, soon())).toMatchObject({ ready: sat(0) });
});

test('a top-up is waited for without holding the wallet, and a bot that starts meanwhile is asked instead', async () => {
  const house = household();
  house.mint.lightning.incoming = 'on-demand';
  const waiting = house.run(['topup', '400', '--json']);
  const quoted = () => house.mint.requests.filter((each) => each === 'POST /v1/mint/quote/bolt11').length > 0;
  await until(quoted, 'the invoice is made');
  let bot: CashuWallet | undefined;
  // The command may be asking at this very moment.
  await until(
    () => {
      try {
        bot ??= house.bot();
      } catch {
        return false;
      }
      return true;
    },
    'the bot has the wallet',
    30_000,
  );
  const [top] = bot?.operations({ limit: 1 }) ?? [];
  expect(top).toMatchObject({ kind: 'mint', amount: sat(400) });
  const asked = house.mint.requests.length;
  await until(() => house.mint.requests.length > asked, 'the bot is asked about the invoice');
  house.mint.lightning.incoming = 'at-once';
  const invoice = (await bot?.topUp({ amount: sat(1) }, soon()))?.invoice;
  expect(invoice).toBeDefined();
  house.mint.pay(
    house.mint.requests.flatMap((each) => /quote\/bolt11\/(\S+)$/.exec(each)?.[1] ?? [])[0] ?? '',
  );
  const { code, stdout, stderr } = await waiting;
  expect({ code, answer: JSON.parse(stdout) }).toMatchObject({
    code: 0,
    answer: { amount: 400, state: 'paid' },
  });
  expect(stderr).toContain('lightning:lnbcrt');
}, 120_000);

test('the words alone bring the money back, and only once', async () => {
  const house = household();
  await house.funded(1234);
  rmSync(house.walletDirectory, { recursive: true });
  expect(await house.json(['restore'])).toMatchObject({
    code: 0,
    answer: { recovered: 1234, unreachable: [], balance: { ready: 1234 } },
  });
  expect(await house.run(['restore'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Found 0 sat in 0 proofs'),
  });
  await house.mint.goDown();
  const away = await house.json(['restore']);
  expect(away).toMatchObject({ code: 1, answer: { recovered: 0, unreachable: [house.mint.url] } });
});

test('a backup is put back by one command: what was done since is told in a sentence, and to scripts', async () => {
  const house = household();
  await house.funded(1000);
  expect(await house.run(['backup', 'a.db'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('wallet restore --from'),
  });
  const { stdout: token } = await house.run(['send', '1000']);
  await (await house.someone()).redeem(token.trim());
  await house.funded(300);

  const back = await house.json(['restore', '--from', 'a.db']);
  expect(back).toMatchObject({
    code: 0,
    answer: {
      from: join(house.directory, 'a.db'),
      kept: expect.stringContaining('.before-restore'),
      found: [{ recovered: 300 }],
      balance: { ready: 300 },
    },
  });
  const again = await house.run(['restore', '--from', 'a.db']);
  expect(again.stdout).toContain('Put back from');
  expect(again.stdout).toContain('Older money with the words of this wallet was found');
  expect(again.stdout).toContain('Balance: 300 sat.');
  expect((await house.run(['history'])).stdout).toContain('taken for an older copy of itself');
  expect(await house.run(['restore', '--from', 'nowhere.db'])).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('There is no file'),
  });
  house.bot();
  expect(await house.json(['restore', '--from', 'a.db'])).toMatchObject({
    code: 1,
    answer: { error: { kind: 'WalletInUseError', message: expect.stringContaining('Stop it first') } },
  });
}, 120_000);

test('a database that is damaged is called so, with the way back', async () => {
  const house = household();
  await house.funded(100);
  await house.run(['backup', 'a.db']);
  const [file = ''] = readdirSync(house.walletDirectory).filter((name) => name.endsWith('.db'));
  writeFileSync(
    join(house.walletDirectory, file),
    'no database at all, but as long as a header of 100 bytes'.repeat(9),
  );
  expect(await house.run(['balance'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('damaged. Nothing was done. wallet restore --from'),
  });
  expect(await house.json(['restore', '--from', 'a.db'])).toMatchObject({
    code: 0,
    answer: { balance: { ready: 100 }, carried: { unread: true } },
  });
});

test('older money that a command met on its way stands in what scripts read', async () => {
  const house = household();
  await house.funded(500);
  rmSync(house.walletDirectory, { recursive: true });
  expect(await house.json(['send', '100'])).toMatchObject({
    code: 0,
    answer: { amount: 100, found: [{ recovered: 500 }], balance: { ready: 400 } },
  });
  expect((await house.json(['balance'])).answer).not.toHaveProperty('found');
}, 120_000);

test('words are searched with an operation open: what it made is its own, and counted once', async () => {
  const house = household();
  await house.funded(1000);
  const wallet = house.open();
  house.mint.faults.add({ path: '/v1/swap', when: 'after', effect: { kind: 'hold' } });
  const leaving = new AbortController();
  const sending = wallet.send({ amount: sat(100) }, leaving.signal).catch(() => undefined);
  await until(() => house.mint.faults.holding() > 0, 'the mint has done it');
  leaving.abort();
  await sending;
  wallet.close();
  house.mint.faults.clear();
  expect(await house.json(['restore'])).toMatchObject({ code: 0, answer: { recovered: 0, proofs: 0 } });
  expect(await house.json(['check'])).toMatchObject({ code: 0, answer: { consistent: true } });
});

test.each([
  ['no words', { CASHU_MNEMONIC: '' }, 'CASHU_MNEMONIC'],
  ['a wrong word', { CASHU_MNEMONIC: 'zebra zebra zebra' }, 'CASHU_MNEMONIC'],
  ['a mint that is none', { CASHU_MINT_URL: 'ftp://mint.example' }, 'CASHU_MINT_URL'],
])('%s in the configuration is exit code 2, on stderr', async (_, environment, name) => {
  const house = household();
  writeFileSync(
    join(house.directory, '.env'),
    Object.entries({ CASHU_MNEMONIC: house.words, ...environment })
      .map(([key, value]) => `${key}='${value}'`)
      .join('\n'),
    { mode: 0o600 },
  );
  const { code, stdout, stderr } = await house.run(['balance', '--json']);
  expect(code).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({ error: { kind: 'ConfigError' } });
  expect(stderr).toContain(name);
  expect(stderr + stdout).not.toContain('zebra');
});

test.each([
  ['an amount that is none', ['send', 'lots'], 'not an amount in whole sat'],
  ['a missing amount', ['topup'], 'missing required argument'],
  ['an unknown command, with the nearest', ['balence'], 'balance'],
  ['an address without an amount', ['withdraw', 'name@mint.example', '--yes'], 'needs an amount'],
  ['no token at all', ['receive'], 'no token'],
])('%s is wrong usage: exit code 2, on stderr', async (_, args, hint) => {
  const house = household();
  const { code, stdout, stderr } = await house.run(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(hint);
  // Scripts read one document, whatever was wrong; `topup` is told by the parser, `withdraw` by the command.
  if (args[0] === 'topup' || args[0] === 'withdraw') {
    expect(await house.json(args)).toMatchObject({
      code: 2,
      answer: { error: { kind: 'WalletUsageError' } },
    });
  }
});

test('too little money and a mint that is away are said, and exit with 1', async () => {
  const house = household();
  await house.funded(50);
  expect(await house.json(['mints', '--remove', house.mint.url])).toMatchObject({
    code: 1,
    answer: { error: { kind: 'MintError', message: expect.stringContaining('CASHU_MINT_URL') } },
  });
  const poor = await house.run(['send', '100']);
  expect(poor).toMatchObject({ code: 1, stdout: '' });
  expect(poor.stderr).toContain('this needs');
  // Sentences of the chat, as commands are written here.
  expect(poor.stderr).not.toContain('!wallet');
  await house.mint.goDown();
  expect(await house.run(['send', '10'])).toMatchObject({ code: 1, stdout: '' });
  expect(await house.run(['balance'])).toMatchObject({ code: 0, stdout: '50 sat ready\n' });
});

test.each([
  ['y', 0, 'Paid 200 sat', 800],
  ['n', 1, 'Nothing was paid', 1000],
])('on a terminal a withdrawal says what it costs and asks; %s', async (key, code, said, left) => {
  const house = household();
  await house.funded(1000);
  const args = ['wallet', 'withdraw', house.mint.invoice(200)];
  const terminal = commandOnTerminal(args, { directory: house.directory });
  try {
    await terminal.answer('Pay this?', key);
    expect(await terminal.exited).toBe(code);
  } finally {
    terminal.kill();
  }
  expect(terminal.screen()).toContain('200 sat from');
  expect(terminal.screen()).toContain(said);
  expect((await house.json(['balance'])).answer.ready).toBeWithin(left - 10, left + 1);
});

test('a check where no bot runs names the paid runs whose nodes it did not ask, and exits with 3', async () => {
  const house = household();
  await house.funded(100);
  const wallet = house.open();
  const ticket = { purpose: 'run', owner: 'nobody', prompt: 'x', budget: sat(70) } as const;
  createPaidRunStore(wallet, { now: Date.now }).create('r1', parseNodeUrl('http://127.0.0.1:9/v1'), ticket);
  wallet.close();
  expect(await house.json(['check'])).toMatchObject({
    code: 3,
    answer: { consistent: true, notLooked: [{ what: 'run', run: 'r1', amount: 70, why: 'no_bot' }] },
  });
  expect((await house.run(['check'])).stdout).toContain('70 sat at 127.0.0.1:9');
});

test('send all says first what it comes to: a terminal is asked, a pipe gets exactly that', async () => {
  const house = household({ feePpk: 100 });
  await house.funded(1000);
  const terminal = commandOnTerminal(['wallet', 'send', 'all'], { directory: house.directory });
  try {
    await terminal.answer('Make this token?', 'n');
    expect(await terminal.exited).toBe(1);
  } finally {
    terminal.kill();
  }
  expect(terminal.screen()).toMatch(/All that is ready at .*: a token worth 99\d sat. The mint takes about/);
  expect(terminal.screen()).toContain('No token was made');
  const { code, stdout, stderr } = await house.run(['send', 'all']);
  expect(code).toBe(0);
  const worth = Number(/a token worth (\d+) sat/.exec(stderr)?.[1]);
  expect(await (await house.someone()).redeem(stdout.trim())).toBe(worth);
  expect((await house.json(['balance'])).answer.ready).toBe(0);
  expect((await house.json(['send', 'all'])).code).toBe(1);
});

test('nothing that the command line says holds the words, and no token is said twice', async () => {
  const house = household();
  await house.funded(100);
  const { stdout: token } = await house.run(['send', '50']);
  const commands = [
    ['receive', `${token.trim()}x`],
    ['decode', token.trim()],
    ['history', '--json'],
    ['pending', '--json'],
    ['check', '--json'],
  ];
  for (const args of commands) {
    const { stdout, stderr } = await house.run(args);
    expect(`${stdout}${stderr}`).not.toContain(token.trim());
    expect(`${stdout}${stderr}`).not.toContain(house.words);
  }
  const files = readdirSync(house.walletDirectory);
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) expect(statSync(join(house.walletDirectory, file)).mode & 0o077).toBe(0);
});

test('doctor looks at the words, the files, the lease and the mint', async () => {
  const house = household();
  const wallet = {
    mnemonic: house.words,
    mintUrl: house.mint.url,
    mints: [],
    directory: house.walletDirectory,
    maxBalance: sat(1000),
  };
  const look = async () =>
    (await checkWallet({ wallet }, quiet, soon())).map(({ state, fact }) => ({ state, fact }));
  expect(await checkWallet({ wallet: undefined }, quiet, soon())).toMatchObject([{ state: 'ok' }]);
  expect(await look()).toMatchObject([
    { state: 'ok', fact: expect.stringContaining('first start') },
    { state: 'ok', fact: expect.stringContaining('answers in') },
  ]);
  await house.funded(77);
  expect((await look())[0]).toMatchObject({ state: 'ok', fact: expect.stringContaining('77 sat ready') });
  const held = house.open();
  expect((await look())[0]?.fact).toContain(`process ${process.pid}`);
  held.close();
  await house.mint.goDown();
  expect((await look())[1]).toMatchObject({ state: 'broken' });
  Bun.spawnSync(['chmod', '755', house.walletDirectory]);
  expect((await look())[0]).toMatchObject({ state: 'warning' });
});
