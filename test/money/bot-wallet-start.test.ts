import { afterEach, describe, expect, test } from 'bun:test';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { silentMint, tokenThatNobodyReads } from '@nostr-dm-agent/cashu-wallet/testing/silent-mint';
import { createBench, newWords, stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startTestBot } from '../support/bot.ts';
import { codeIn, startWalletBot, tokenIn } from '../support/wallet-bot.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
const startWorld = async (options: Parameters<typeof startWalletBot>[0] = {}) => {
  const world = await startWalletBot(options);
  ends.push(world.cleanUp);
  return world;
};

describe('without words', () => {
  test('there is no wallet; every command says so and how to get one, and a token stays what it was', async () => {
    const bot = await startTestBot();
    ends.push(bot.cleanUp);
    const ask = async (text: string) => (await bot.owner.answer(await bot.owner.send(text))).text;
    const token = `cashuB${'o2Ftd'.repeat(20)}`;
    for (const text of [
      '!wallet',
      '!wallet balance',
      '!wallet history',
      '!wallet pending',
      '!wallet topup 100',
      '!wallet send 100',
      '!wallet withdraw me@example.com 10',
      '!wallet move 10 2',
      '!wallet confirm 1234',
      '!wallet check',
      '!wallet mints',
      '!wallet mints add https://mint.example',
      '!wallet alert 10',
      '!wallet reclaim abcdefghjk',
      `!wallet decode ${token}`,
      `!wallet receive ${token}`,
      token,
    ]) {
      const answer = await ask(text);
      expect(answer).toStartWith('This bot has no wallet: CASHU_MNEMONIC is not set.');
      expect(answer).toContain('bun run setup');
    }
    expect(bot.tasksDone()).toEqual([]);
    expect(await ask('!status')).not.toContain('Wallet:');
  });
});

describe('words and addresses that are wrong stop the start, and are not shown', () => {
  const started = async (env: Record<string, string>): Promise<string> => {
    try {
      const bot = await startTestBot({ env });
      await bot.cleanUp();
      return 'it started';
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };

  test('a mistyped word is named by its position', async () => {
    const words = newWords().split(' ');
    words[4] = 'satoshis';
    const said = await started({ CASHU_MNEMONIC: words.join(' ') });
    expect(said).toContain('CASHU_MNEMONIC');
    expect(said).toContain('word number 5 is not in the BIP39 list');
    expect(said).not.toContain('satoshis');
    expect(said).not.toContain(words.slice(5).join(' '));
  });

  test('too few words, and the wrong order', async () => {
    const words = newWords().split(' ');
    expect(await started({ CASHU_MNEMONIC: words.slice(1).join(' ') })).toContain('has 11 words');
    const same = Array.from({ length: 12 }, () => 'zoo').join(' ');
    expect(await started({ CASHU_MNEMONIC: same })).toContain('checksum is wrong');
  });

  test('mints: http away from this machine, no address, credentials; and an amount that is none', async () => {
    const said = await started({
      CASHU_MNEMONIC: newWords(),
      CASHU_MINT_URL: 'http://mint.example',
      CASHU_MINTS: 'https://fine.example,nonsense,https://me:geheim@mint.example',
      CASHU_MAX_BALANCE_SAT: 'plenty',
    });
    expect(said).toContain('must begin with https:// (mint.example is not this machine)');
    expect(said).toContain('number 2) that must be the address of a mint');
    expect(said).toContain('number 3) that must be an address without');
    expect(said).not.toContain('geheim');
    expect(said).toContain('CASHU_MAX_BALANCE_SAT  must be a whole number of sat');
  });
});

test('a second bot with the same words refuses to start and says who has the wallet', async () => {
  const world = await startWorld();
  const second = startTestBot({
    env: {
      CASHU_MNEMONIC: world.words,
      CASHU_MINT_URL: world.mint.url,
      CASHU_WALLET_DIR: world.walletDirectory,
    },
  });
  await expect(second).rejects.toThrow(`is held by process ${world.bot.pid()} on `);
  expect(await world.ask('!wallet')).toStartWith('0 sat ready');
});

test('after an orderly end the wallet is free, for the next one', async () => {
  const world = await startWorld({ funds: 100 });
  expect(await world.bot.end('SIGTERM')).toBe(0);
  await world.bot.start();
  expect(await world.balance()).toBe(100);
});

test('the wallet’s files are for their owner alone', async () => {
  const world = await startWorld({ funds: 100 });
  expect(statSync(world.walletDirectory).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(world.walletDirectory)) {
    expect(statSync(join(world.walletDirectory, name)).mode & 0o077).toBe(0);
  }
});

test('a low balance is said once, when it falls below the limit, and again only after it was filled', async () => {
  const world = await startWorld({ funds: 1500 });
  const { owner } = world;
  const warnings = () => owner.texts().filter((text) => text.startsWith('The wallet runs low'));
  expect(await world.ask('!wallet alert')).toContain('less than 1,000 sat');
  await world.confirmed('!wallet send 400', /cashuB/);
  expect(warnings()).toHaveLength(0);
  await world.confirmed('!wallet send 200', /cashuB/);
  const warning = (await owner.heard(/^The wallet runs low/)).text;
  expect(warning).toContain('900 sat ready, less than 1,000 sat');
  expect(warning).toContain('!wallet topup 4100');
  await world.confirmed('!wallet send 100', /cashuB/);
  await world.topUp(300);
  expect(warnings()).toHaveLength(1);
  await world.confirmed('!wallet send 250', /cashuB/);
  await until(() => warnings().length === 2, 'it is said again');
  expect(await world.ask('!wallet alert 500')).toContain('less than 500 sat');
  expect(await world.ask('!wallet alert off')).toContain('are not told');
});

test('a token by DM costs one request to the mint, a token out too', async () => {
  const world = await startWorld({ funds: 1000 });
  const token = await world.token(64);
  await world.ask(await world.token(8)); // whatever is asked for once has been asked for
  world.mint.requests.length = 0;
  expect(await world.ask(token)).toStartWith('Received 64 sat');
  expect(world.mint.requests).toEqual(['POST /v1/swap']);
  const code = codeIn(await world.ask('!wallet send 100'));
  await world.ask(code, /cashuB/);
  expect(world.mint.requests).toEqual(['POST /v1/swap', 'POST /v1/swap']);
  for (const text of ['!wallet', '!wallet history', '!wallet pending', '!wallet mints', '!wallet decode x']) {
    await world.ask(text);
  }
  expect(world.mint.requests).toHaveLength(2);
});

test('the same message in five wraps is received once', async () => {
  const world = await startWorld();
  const { id, wraps } = world.owner.wraps(await world.token(64), 5);
  for (const wrap of wraps) await world.owner.publish(wrap);
  await world.owner.answer(id, /^Received 64/);
  expect(await world.balance()).toBe(64);
  expect(world.owner.texts().filter((text) => text.includes('64 sat') && text.startsWith('That'))).toEqual(
    [],
  );
});

test('a token that comes late is taken all the same, also beside words; what else comes late is listed', async () => {
  const world = await startWorld({ env: { BOT_CATCHUP_HOURS: '0' } });
  // Before the start: what was written since then is in time.
  const past = Math.floor(Date.now() / 1000) - 120;
  const token = await world.token(64);
  const id = await world.owner.send(token, { createdAt: past });
  expect((await world.owner.answer(id)).text).toStartWith('Received 64 sat');
  const other = await world.token(32);
  const beside = await world.owner.send(`look at this: ${other}`, { createdAt: past });
  expect((await world.owner.answer(beside)).text).toStartWith('Received 32 sat');
  const words = (await world.owner.heard(/look at this/)).text;
  expect(words).toContain('not read as a task');
  expect(words).not.toContain(other.slice(0, 20));
  await world.owner.send('what is the time?', { createdAt: past });
  expect((await world.owner.heard(/what is the time/)).text).toContain('late, so I did not act');
});

test('neither words nor tokens reach the log, whatever is said', async () => {
  const world = await startWorld({ funds: 500, env: { LOG_LEVEL: 'debug' } });
  const token = await world.token(64);
  for (const text of [
    token,
    token,
    `!wallet recieve ${token}`,
    `!wallet topup ${token}`,
    `!${token}`,
    token.slice(0, -9),
    `!wallet mints add ${token}`,
    `!wallet reclaim ${token}`,
    `!wallet move 10 ${token}`,
    `!wallet confirm ${token}`,
    `!model ${token}`,
  ]) {
    const answer = await world.ask(text);
    expect(answer.toLowerCase()).not.toContain(token.slice(0, 24).toLowerCase());
  }
  const out = tokenIn(await world.confirmed('!wallet send 100', /cashuB/));
  expect(await (await stranger(world.mint)).redeem(out)).toBe(100);
  await world.bot.end('SIGTERM');
  const log = world.bot.log();
  expect(log).toContain('"wallet open"');
  expect(log).not.toMatch(/cashu[AB][A-Za-z0-9]{8}/i);
  expect(log).not.toContain(world.words);
  for (const [index] of world.words.split(' ').entries()) {
    const three = world.words
      .split(' ')
      .slice(index, index + 3)
      .join(' ');
    if (three.split(' ').length === 3) expect(log).not.toContain(three);
  }
});

test('a mint that accepts connections and never answers holds up nobody after a start', async () => {
  const bench = createBench();
  const silent = silentMint();
  ends.push(async () => {
    await bench.end();
    silent.end();
  });
  const words = newWords();
  const walletDirectory = bench.folder();
  // What an earlier life left: five tokens of it.
  const before = bench.wallet(silent, { words, directory: walletDirectory });
  for (let n = 0; n < 5; n += 1) before.keep(tokenThatNobodyReads(silent.url, n), 'node');
  before.close();
  const world = await startWorld({
    env: { CASHU_MNEMONIC: words, CASHU_WALLET_DIR: walletDirectory, CASHU_MINTS: silent.url },
  });
  const asked = performance.now();
  await world.ask('!wallet topup 100', /^lightning:/m);
  expect(await world.ask(await world.token(64))).toStartWith('Received 64 sat');
  // One request to it takes 15 s to be given up.
  expect(performance.now() - asked).toBeLessThan(14_000);
  expect(silent.connections()).toBeGreaterThan(0);
});
