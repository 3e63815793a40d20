import { Database } from 'bun:sqlite';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { type PaidBot, settled, startPaidBot } from '../support/paid-bot.ts';
import { startSandboxHouse } from '../support/paid-house.ts';
import { installBlossomServer, startBlossomFront, startBlossomServer } from './blossom-server.ts';
import { installPhone, startPhone } from './files-phone.ts';

/** A bot with money, two reference servers behind fronts that do as they are told, and a phone that is not ours. */
export async function startFilesWorld() {
  const kept = process.env.FILES_DIR;
  const tools = kept ?? mkdtempSync(join(tmpdir(), 'nostr-dm-agent-files-'));
  const folder = mkdtempSync(join(tmpdir(), 'nostr-dm-agent-phone-'));
  const killFile = join(folder, 'kill-at');
  const bin = installPhone(join(tools, 'phone'));
  const start = installBlossomServer(join(tools, 'blossom'));
  const first = await startBlossomServer(join(tools, 'blossom'), start);
  const second = await startBlossomServer(join(tools, 'blossom'), start);
  const [near, far] = [startBlossomFront(first), startBlossomFront(second)];
  const house = startSandboxHouse({ feePpk: 0 });
  const paid: PaidBot = await startPaidBot(house, {
    opencode: 'real',
    funds: 60_000,
    entry: [join(import.meta.dir, '../support/checkpoint-bot.ts')],
    env: { BOT_BLOSSOM: `${near.url},${far.url}`, TEST_KILL_FILE: killFile },
  });
  const { bot } = paid;
  const phone = await startPhone(bin, {
    ...{ folder, relay: bot.relay.url, bot: bot.publicKey, secretKey: paid.owner.secretKey },
  });
  await paid.ask('!model claude-sonnet-4.5', /claude-sonnet/);
  const inbox = () => {
    try {
      return readdirSync(join(bot.workspace, '.dm-inbox')).filter((name) => name !== '.gitignore');
    } catch {
      return [];
    }
  };
  /** While the bot is dead. */
  const sql = (statement: string): unknown[][] => {
    const db = new Database(join(bot.home, 'bot.db'));
    try {
      return db.query(statement).values();
    } finally {
      db.close();
    }
  };
  return {
    ...{ house, paid, bot, phone, folder, first, second, near, far, inbox, sql },
    /** The bot ends itself there, and comes back. */
    killAt: (moment: string) => writeFileSync(killFile, moment),
    dies: async () => {
      await until(bot.hasEnded, 'the bot is dead', 60_000);
      rmSync(killFile, { force: true });
    },
    settled: () => settled(paid, 120_000),
    stop: async () => {
      await phone.stop();
      await paid.cleanUp();
      await Promise.all([near.stop(), far.stop(), first.stop(), second.stop()]);
      await house.stop();
      rmSync(folder, { recursive: true, force: true });
      if (kept === undefined) rmSync(tools, { recursive: true, force: true });
    },
  };
}
export type FilesWorld = Awaited<ReturnType<typeof startFilesWorld>>;
