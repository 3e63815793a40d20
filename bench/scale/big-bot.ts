import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readMnemonic } from '@nostr-dm-agent/cashu-wallet/open';
import { newWords } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { z } from 'zod';
import { startTestBot } from '../../test/support/bot.ts';
import type { BareRelay } from './bare-relay.ts';
import { fillHome, type HomeSize } from './big-home.ts';
import { fillWallet, type WalletSize } from './big-wallet.ts';
import { type Figures, medianOf, taking } from './figures.ts';

const keysets = z.object({ keysets: z.array(z.object({ id: z.string(), active: z.boolean() })) });

/**
 * The bot as an operator starts it, in a process of its own, with databases as they are after so many runs of so many
 * owners; its page, and one owner on the phone, who is admin.
 */
export async function startBigBot(
  relay: BareRelay,
  size: { readonly owners: number; readonly wallet: WalletSize; readonly home: HomeSize },
) {
  const mint = startSandboxMint({ incoming: 'on-demand' });
  const words = newWords();
  const bot = await startTestBot({
    relay,
    env: {
      BOT_PAGE: '127.0.0.1:0',
      CASHU_MNEMONIC: words,
      CASHU_MINT_URL: mint.url,
      CASHU_MAX_BALANCE_SAT: '100000000',
      LOG_LEVEL: 'info',
    },
  });
  await bot.end('SIGTERM');
  const walletFile = join(bot.directory, 'user', '.cashu-wallet', `${readMnemonic(words).fingerprint}.db`);
  const found = keysets.parse(await (await fetch(`${mint.url}/v1/keysets`)).json());
  const keyset = found.keysets.find(({ active }) => active)?.id ?? '';
  const others = Array.from({ length: size.owners - 1 }, () => getPublicKey(generateSecretKey()));
  const facts = { owners: [bot.owner.publicKey, ...others], now: Date.now() };
  const filled = await taking(() => {
    fillWallet(walletFile, size.wallet, { ...facts, mint: mint.url, keyset });
    fillHome(join(bot.home, 'bot.db'), size.home, { ...facts, directory: bot.workspace });
  });
  console.log(`databases made in ${Math.round(filled / 1000)} s`);

  const rss = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${bot.pid()}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  const pageOf = async () => {
    const [link = ''] = (await bot.owner.answer(await bot.owner.send('!page'), /^http/)).text.split('\n');
    const { origin } = new URL(link);
    const entered = await fetch(link, { method: 'POST', redirect: 'manual', headers: { Origin: origin } });
    const Cookie = entered.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const look = async (path: string): Promise<string> => {
      const answer = await fetch(`${origin}${path}`, { headers: { Cookie } });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
      return text;
    };
    const formKey = /name="formKey" value="([^"]+)"/.exec(await look('/now'))?.[1] ?? '';
    const act = async (command: string): Promise<string> => {
      const answer = await fetch(`${origin}/act`, {
        method: 'POST',
        headers: { Cookie, Origin: origin, Accept: 'text/x-replies' },
        body: new URLSearchParams({ formKey, command }),
      });
      return answer.text();
    };
    const Authorization = `Bearer ${readFileSync(join(bot.home, 'metrics-key'), 'utf8').trim()}`;
    const metrics = async () => (await fetch(`${origin}/metrics`, { headers: { Authorization } })).text();
    /** Read and thrown away: to hold it here would hold up the clock. */
    const bytesOf = async (path: string): Promise<number> => {
      const answer = await fetch(`${origin}${path}`, { headers: { Cookie } });
      let bytes = 0;
      for await (const chunk of answer.body ?? []) bytes += chunk.length;
      return bytes;
    };
    return { look, act, metrics, bytesOf };
  };
  return {
    ...{ bot, mint, words, walletFile, rss, pageOf },
    mebibytes: (file: string) => statSync(file).size / 1024 / 1024,
    cleanUp: async () => {
      await bot.cleanUp();
      await mint.stop();
    },
  };
}
export type BigBot = Awaited<ReturnType<typeof startBigBot>>;

/** The slower of two starts, and what the operator's page and its commands take, from socket to socket. */
export async function measureBigBot(big: BigBot, figures: Figures): Promise<void> {
  const { bot } = big;
  figures.add('wallet.db', big.mebibytes(big.walletFile), 'MiB');
  figures.add('bot.db', big.mebibytes(join(bot.home, 'bot.db')), 'MiB');
  figures.add('start, which migrates nothing', await taking(() => bot.start()), 'ms', 3_000);
  figures.add('memory at rest', big.rss(), 'MiB', 400);
  figures.print('Start');

  const page = await big.pageOf();
  const command = async (text: string, wanted: RegExp, most: number) => {
    const said = await page.act(text);
    if (!wanted.test(said)) throw new Error(`${text} said: ${said.slice(0, 400)}`);
    figures.add(text, await medianOf(15, () => page.act(text)), 'ms', most);
  };
  await command('!wallet balance', /sat ready/, 20);
  await command('!wallet history', /Spent/, 20);
  await command('!wallet history all', /Spent/, 20);
  await command('!wallet pending', /Nothing is open|Paid runs/, 20);
  await command('!wallet', /sat ready/, 20);
  await command('!spend', /The last 7 days/, 50);
  await command('!spend 90', /The last 90 days/, 100);
  await command('!status', /Up /, 50);
  await command('!sessions', /Fix the parser/, 50);
  await command('!queue', /Nothing/, 20);
  await command('!owners', /npub/, 100);
  figures.print('Commands, by the page’s way in: HTTP, the command’s own code, HTTP');

  await measurePages(big, figures);

  // Somebody else is answered while a million lines are written.
  const waits: number[] = [];
  let busy = true;
  const asking = (async () => {
    while (busy) waits.push(await taking(() => page.act('!ping')));
  })();
  const before = big.rss();
  let peak = before;
  const looking = setInterval(() => {
    peak = Math.max(peak, big.rss());
  }, 50);
  let bytes = 0;
  const csv = await taking(async () => {
    bytes = await page.bytesOf('/money/ledger.csv');
  });
  busy = false;
  await asking;
  clearInterval(looking);
  figures.add('CSV of the whole ledger', csv, 'ms');
  figures.add('its size', bytes / 1024 / 1024, 'MiB');
  figures.add('!ping meanwhile, slowest', Math.max(...waits), 'ms', 250);
  figures.add('memory that it took', peak - before, 'MiB', 150);
  figures.print('CSV');
}

/** Every view of the operator's page, from HTTP to HTTP. */
export async function measurePages(big: BigBot, figures: Figures): Promise<void> {
  const page = await big.pageOf();
  const ledger = '/money/ledger';
  const someone = encodeURIComponent(/npub1\w{58}/.exec(await page.look('/owners'))?.[0] ?? '');
  const older = /href="(\/money\/ledger\?before=[^"]+)"/.exec(await page.look(ledger))?.[1] ?? ledger;
  const views: readonly (readonly [path: string, most?: number])[] = [
    ...(['/now', '/money', '/sessions', '/providers', '/nodes', '/relays', '/settings', '/log'] as const).map(
      (path) => [path, 100] as const,
    ),
    ['/owners', 150],
    [ledger, 100],
    [older, 100],
    [`${ledger}?owner=${someone}`, 100],
    [`${ledger}?text=parser`, 100],
    ['/money/spend', 200],
    ['/money/spend?days=90&by=owner', 200],
    // All million are looked through, in slices.
    [`${ledger}?text=unheard-of`],
    [`${ledger}?state=needs_operator`],
  ];
  for (const [path, most] of views) {
    const rounds = most === undefined ? 1 : 9;
    figures.add(
      path.replace(someone, 'npub1…').slice(0, 60),
      await medianOf(rounds, () => page.look(path)),
      'ms',
      most,
    );
  }
  figures.add('/metrics', await medianOf(9, page.metrics), 'ms', 50);
  figures.print('The page');
}

/** `!wallet check` at a million rows, and the backup; others are answered meanwhile. */
export async function measureUpkeep(big: BigBot, figures: Figures): Promise<void> {
  const page = await big.pageOf();
  const during = async (name: string, work: () => Promise<unknown>, most: number) => {
    const waits: number[] = [];
    let busy = true;
    const asking = (async () => {
      while (busy) {
        waits.push(await taking(() => page.act('!ping')));
        await Bun.sleep(5);
      }
    })();
    figures.add(name, await taking(work), 'ms');
    busy = false;
    await asking;
    figures.add(`!ping during ${name}, slowest`, Math.max(...waits), 'ms', most);
  };
  await during(
    '!wallet check',
    async () => {
      const said = await page.act('!wallet check');
      console.log(said.replaceAll(/<[^>]+>/g, ' ').slice(0, 300));
    },
    250,
  );
  figures.print('Upkeep');
}
