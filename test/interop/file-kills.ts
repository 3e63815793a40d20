/*
 * Files that the bot sends, over kills: the bot, as `start` runs it, dies by SIGKILL at every step of a file that was asked for and
 * of one that its agent made, and while a server takes it; it comes back, and then everything is counted: what its owner got, what
 * the server has, what the bot has on record.
 *
 * `bun run test:file-kills`
 */
import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { z } from 'zod';
import { startTestBot, type TestBot } from '../support/bot.ts';

const folder = mkdtempSync(join(tmpdir(), 'nostr-dm-agent-kill-'));
const killFile = join(folder, 'at');
const blobs = new Map<string, number>();
const uploads: string[] = [];
/** What an upload waits for: before its bytes are read, or when the server has them and has not said so. */
const waits: { begun?: () => Promise<void>; taken?: () => Promise<void> } = {};
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  idleTimeout: 60,
  fetch: async (request) => {
    if (request.method !== 'PUT') return new Response('', { status: 404 });
    uploads.push(request.headers.get('x-sha-256') ?? '');
    await waits.begun?.();
    const body = Buffer.from(await request.arrayBuffer());
    const sha256 = createHash('sha256').update(body).digest('hex');
    blobs.set(sha256, (blobs.get(sha256) ?? 0) + 1);
    await waits.taken?.();
    return Response.json({ sha256 }, { status: 201 });
  },
});
let bot: TestBot;
beforeAll(async () => {
  bot = await startTestBot({
    entry: [join(import.meta.dir, '../support/checkpoint-bot.ts')],
    env: { TEST_KILL_FILE: killFile, BOT_BLOSSOM: `http://127.0.0.1:${server.port}` },
  });
}, 120_000);
afterAll(async () => {
  await bot.cleanUp();
  await server.stop(true);
  rmSync(folder, { recursive: true });
});

const orders = {
  'a file that was asked for': () => {
    writeFileSync(join(bot.workspace, 'data.bin'), Buffer.concat([Buffer.alloc(1), randomBytes(200_000)]));
    return '!get data.bin';
  },
  // The stand-in writes its tasks there, and answers with the task.
  'a file that its agent made': () => `${randomBytes(2_000).toString('hex')} ![all tasks](tasks.txt)`,
} as const;
const rows = (sql: string): readonly unknown[] => {
  const db = new Database(join(bot.home, 'bot.db'), { readonly: true });
  try {
    return db.query(sql).all();
  } finally {
    db.close();
  }
};
const onRecord = z.array(z.object({ sha256: z.string(), sent: z.int() }));

/** Once, whatever happened: one message, what is at the server is on record, nothing is on its way. */
async function expectOnce(message: string, uploadedBefore: number): Promise<void> {
  await bot.owner.answer(message, /^http:/, 60_000);
  await until(() => rows('SELECT seq FROM outgoing_files').length === 0, 'nothing is on its way');
  // What comes after it, and a restart, bring no second one.
  await bot.owner.answer(await bot.owner.send('!ping'));
  await bot.end('SIGTERM');
  await bot.start();
  await bot.owner.answer(await bot.owner.send('!ping'));
  const files = bot.owner.said.filter(({ kind, about }) => kind === 15 && about === message);
  expect(files).toHaveLength(1);
  const sha256 = /([0-9a-f]{64})\.\w+$/.exec(files[0]?.text ?? '')?.[1] ?? '';
  // The same bytes, however often they were sent.
  expect(new Set(uploads.slice(uploadedBefore))).toEqual(new Set([sha256]));
  const recorded = onRecord.parse(rows('SELECT sha256, sent FROM uploads'));
  expect(new Set(recorded.map((row) => row.sha256))).toEqual(new Set(blobs.keys()));
  expect(recorded.every(({ sent }) => sent === 1)).toBe(true);
}

async function killed(during: Promise<unknown>): Promise<void> {
  await during;
  await bot.end('SIGKILL');
  delete waits.begun;
  delete waits.taken;
  rmSync(killFile, { force: true });
  await bot.start();
}
const dead = () => until(() => bot.hasEnded(), 'the bot has ended');

for (const [what, order] of Object.entries(orders)) {
  for (const checkpoint of ['file:uploading', 'file:uploaded', 'file:sent', 'task:settling', 'task:done']) {
    if (checkpoint.startsWith('task') && what === 'a file that was asked for') continue;
    test(`${what}, killed at ${checkpoint}, is sent once`, async () => {
      const before = uploads.length;
      writeFileSync(killFile, checkpoint);
      const message = await bot.owner.send(order());
      await killed(dead());
      await expectOnce(message, before);
    });
  }
  for (const [when, moment] of [
    ['while the server takes it', 'begun'],
    ['when the server has it and has not said so', 'taken'],
  ] as const) {
    test(`${what}, killed ${when}, is sent once`, async () => {
      const before = uploads.length;
      const held = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      waits[moment] = () => {
        held.resolve();
        return released.promise;
      };
      const message = await bot.owner.send(order());
      await killed(held.promise);
      released.resolve();
      await expectOnce(message, before);
    });
  }
}
