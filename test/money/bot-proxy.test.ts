/*
 * A bot whose relay, mint and node are onion services: nothing of it leaves but through the SOCKS proxy. Its wallet is sealed:
 * nothing that can be spent is in clear on its disk.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getEncodedToken } from '@cashu/cashu-ts';
import { fingerprintOf, sealedReference, sealWords, systemKeyring } from '@nostr-dm-agent/cashu-wallet/open';
import { newWords, stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { parseProxy } from '@nostr-dm-agent/kit/net';
import { startSocksProxy } from '@nostr-dm-agent/kit/testing/socks-proxy';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { RelayUrl } from '@nostr-dm-agent/nostr';
import { startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { checkProxy } from '../../src/doctor/check-proxy.ts';
import { startTestBot } from '../support/bot.ts';
import { connectionsOf } from '../support/connections.ts';
import { writePayingOpencode } from '../support/paying-opencode.ts';

const portOf = (url: string): number => Number(new URL(url).port);
const login = { user: 'bot', password: 'an-open-sesame' };
const mintUrl = 'http://mint.onion';

let world: Awaited<ReturnType<typeof startWorld>>;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.cleanUp());

async function startWorld() {
  const relay = startSandboxRelay();
  const mint = startSandboxMint({ feePpk: 0, incoming: 'at-once' });
  const upstream = startModel();
  const node = startSandboxNode({
    mints: [mintUrl],
    mintPlaces: { [mintUrl]: mint.url },
    upstream: { baseUrl: upstream.url, model: 'tiny' },
  });
  const names = {
    'relay.onion:80': portOf(relay.url),
    'mint.onion:80': portOf(mint.url),
    'node.onion:8000': portOf(node.url),
  };
  const proxy = await startSocksProxy({ names, login });
  const walletDirectory = mkdtempSync(join(tmpdir(), 'bot-proxy-wallet-'));
  const passphraseFile = join(walletDirectory, 'passphrase');
  writeFileSync(passphraseFile, 'a long passphrase\n', { mode: 0o600 });
  const words = newWords();
  const passphrase = 'a long passphrase';
  await sealWords(walletDirectory, words, { kind: 'passphrase', passphrase }, systemKeyring);
  const bot = await startTestBot({
    opencode: writePayingOpencode,
    // Its owner has a way of their own.
    relay: { url: relay.url as RelayUrl },
    env: {
      BOT_PROXY: proxy.url,
      BOT_RELAYS: 'ws://relay.onion',
      CASHU_MNEMONIC: sealedReference(fingerprintOf(words)),
      CASHU_PASSPHRASE_FILE: passphraseFile,
      CASHU_WALLET_DIR: walletDirectory,
      CASHU_MINT_URL: mintUrl,
      ROUTSTR_BASE_URL: 'http://node.onion:8000/v1',
      BOT_MODEL: 'routstr/claude-sonnet-4.5',
      // Bun would honour it.
      NO_PROXY: '*',
    },
  });
  const { owner } = bot;
  const seen = new Set<string>();
  return {
    ...{ relay, mint, node, upstream, bot, owner, names, proxy, walletDirectory, words },
    ask: async (text: string, pattern = /./, ms?: number): Promise<string> => {
      const answer = (await owner.answer(await owner.send(text), pattern, ms)).text;
      for (const connection of connectionsOf(bot.pid())) seen.add(connection);
      return answer;
    },
    /** Where the bot's sockets led, whenever somebody looked. */
    seen,
    command: async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
      const child = Bun.spawn([process.execPath, join(import.meta.dir, '../../src/index.ts'), ...args], {
        ...{
          cwd: bot.directory,
          env: { ...bot.env, ...env },
          stdin: 'ignore',
          stdout: 'pipe',
          stderr: 'pipe',
        },
      });
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      return { code: await child.exited, text: stdout + stderr };
    },
    cleanUp: async () => {
      await bot.cleanUp();
      await proxy.stop();
      for (const server of [node, upstream, mint, relay]) await server.stop();
      rmSync(walletDirectory, { recursive: true, force: true });
    },
  };
}

test('relay, mint and node as onion services: money comes in, a paid run is done, its change comes home', async () => {
  const { ask, bot, mint, node, proxy, seen } = world;
  const proofs = await (await stranger(mint)).proofs(5000);
  const token = getEncodedToken({ mint: mintUrl, proofs, unit: 'sat' });
  expect(await ask(token, /5,000 sat/)).toContain('5,000 sat');
  await ask('!provider set routstr', /routstr/i);
  await ask('!provider sync-models', /model/i);
  const answer = await ask('2 calls', /of 2000 sat/, 60_000);
  const spent = Number(/ (\d+) of 2000 sat/.exec(answer)?.[1]);
  expect(spent).toBeGreaterThan(0);
  await until(() => node.audit().balancesMsat < 1000, 'the change is home');
  expect(await ask('!wallet balance')).toContain(`${(5000 - spent).toLocaleString('en-US')} sat ready`);
  expect(await ask('!wallet withdraw me@shop.onion 10')).toContain('shop.onion does not answer');
  expect(await ask('!status')).toContain(`Proxy: through 127.0.0.1:${proxy.port}`);

  // Everybody was asked for by name, those too whom the bot asks of itself.
  expect(proxy.hosts()).toEqual(
    expect.arrayContaining(['mint.onion', 'node.onion', 'relay.onion', 'shop.onion']),
  );
  expect(proxy.asked().filter(({ byName }) => !byName)).toEqual([]);
  // The bot's sockets lead to the proxy, and between the bot and itself (bridge, meter): to no server, to no resolver.
  const servers = [...Object.values(world.names), portOf(mint.url)].map((port) => `tcp 127.0.0.1:${port}`);
  expect([...seen]).toContain(`tcp 127.0.0.1:${proxy.port}`);
  expect([...seen].filter((to) => !to.startsWith('tcp 127.0.0.1:') || servers.includes(to))).toEqual([]);
  expect(bot.log()).not.toContain(login.password);
});

test('what can be spent is sealed while all that goes on; a bot that runs is asked without the passphrase', async () => {
  const { command, walletDirectory, words, bot } = world;
  const clear = readdirSync(walletDirectory).filter((name) => {
    const text = readFileSync(join(walletDirectory, name)).toString('latin1');
    return /cashuB[\w-]{20}|"(secret|blindingFactor)":/.test(text) || text.includes(words);
  });
  expect(clear).toEqual([]);
  expect(readdirSync(walletDirectory).some((name) => name.endsWith('.db-wal'))).toBe(true);
  const balance = await command(['wallet', 'balance'], { CASHU_PASSPHRASE_FILE: '' });
  expect([balance.code, balance.text]).toEqual([0, expect.stringContaining('sat ready')]);
  expect(bot.log()).not.toContain(words.split(' ').slice(0, 3).join(' '));
});

test('doctor and the wallet’s command line take the same way', async () => {
  const { command, proxy, ask, bot } = world;
  const asked = proxy.asked().length;
  const found = await command(['doctor']);
  expect(found.text).toContain(`✓ proxy 127.0.0.1:${proxy.port}: answers in`);
  expect(found.text).toMatch(/[✓!] relay ws:\/\/relay\.onion: serves the inbox/);
  expect(found.text).toMatch(/✓ mint mint\.onion: answers/);
  expect(found.text).toMatch(/✓ node node\.onion:8000: .*answers/);
  // The bot that runs beside it may ask indexers meanwhile.
  expect(
    proxy
      .asked()
      .slice(asked)
      .map(({ host }) => host),
  ).toEqual(expect.arrayContaining(['relay.onion', 'mint.onion', 'node.onion']));

  // The proxy ends, and comes back: the bot says so and is there again.
  await proxy.stop();
  await until(
    () => bot.log().includes('does not answer, so nothing of the bot gets out; it is tried again'),
    'it is said',
  );
  expect(await checkProxy({ proxy: parseProxy(proxy.url) }, AbortSignal.timeout(10_000))).toMatchObject([
    { state: 'broken', fact: 'does not answer, so nothing of the bot gets out' },
  ]);
  const again = await startSocksProxy({ names: world.names, login, port: proxy.port });
  try {
    expect(await ask('!ping', /pong/, 60_000)).toContain('pong');
    expect(bot.log()).toContain('the proxy works again');
    await bot.end('SIGTERM');
    const restored = await command(['wallet', 'check']);
    expect([restored.code, restored.text]).toEqual([
      0,
      expect.stringContaining('held against the mints’ own records'),
    ]);
    expect(again.hosts()).toContain('mint.onion');
  } finally {
    await again.stop();
  }
});

test('what is wrong with the address is said before anything is connected to', async () => {
  const start = async (env: Readonly<Record<string, string>>) => {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, '../../src/index.ts'), 'start'], {
      ...{
        cwd: world.bot.directory,
        env: { ...world.bot.env, ...env },
        stdin: 'ignore',
        stdout: 'pipe',
        stderr: 'pipe',
      },
    });
    const text = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
    return { code: await child.exited, text };
  };
  const wrong = await start({ BOT_PROXY: 'socks5://me:my-password@127.0.0.1:9050' });
  expect([wrong.code, wrong.text]).toEqual([2, expect.stringMatching(/BOT_PROXY +must begin with socks5h:/)]);
  expect(wrong.text).not.toContain('my-password');
  const none = await start({ BOT_PROXY: '' });
  expect(none.code).toBe(2);
  for (const host of ['relay.onion', 'mint.onion', 'node.onion']) expect(none.text).toContain(host);
  expect(none.text).toMatch(/CASHU_MINT_URL +needs BOT_PROXY \(Tor\)/);
});
