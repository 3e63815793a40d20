/* `!get` against what a file server may do with an upload, and kills of the bot on both ways: a part of `bun run test:files`. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { oneBudgetEach } from '../support/paid-soak.ts';
import type { Fault } from './blossom-server.ts';
import { type FilesWorld, startFilesWorld } from './files-world.ts';

let world: FilesWorld;
let photo: string;
beforeAll(async () => {
  world = await startFilesWorld();
  photo = join(world.folder, 'photo.jpg');
  await world.phone.picture(photo);
}, 600_000);
afterAll(() => world?.stop(), 60_000);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let made = 0;
/** A file in the workspace, of so many bytes; no two are the same. */
function makeFile(size = 200_000): { readonly name: string; readonly sum: string } {
  const name = `file-${++made}-.bin`;
  const bytes = Buffer.alloc(size, `\0${name}`);
  writeFileSync(join(world.bot.workspace, name), bytes);
  return { name, sum: sha256(bytes) };
}
/** What is announced under this name. */
const sent = (name: string) =>
  world.phone.files().filter(({ tags }) => tags.some(([tag, value]) => tag === 'alt' && value === name));
/** It came once, and the phone opens it. @returns where it is */
async function expectOnce({ name, sum }: ReturnType<typeof makeFile>): Promise<string> {
  const [message, ...more] = sent(name);
  if (message === undefined) throw new Error(`${name} did not come`);
  expect(more).toEqual([]);
  expect(await world.phone.open(message)).toMatchObject({ status: 200, isAsSaid: true, ox: sum });
  return message.content;
}
const onPut =
  (fault: Fault): Fault =>
  (request, pass) => {
    if (request.method === 'PUT') return fault(request, pass);
    return request.method === 'HEAD' ? undefined : pass();
  };
const says = (status: number) =>
  new Response('{}', {
    status,
    headers: { 'x-reason': 'no way', 'x-cashu': 'creqA', location: 'http://10.0.0.1/' },
  });
const hashOf = (request: Request): string => request.headers.get('x-sha-256') ?? '';

/** Name, what the server does, what is read of it where no other takes the file; undefined: it is tried again first. */
const faults: readonly (readonly [string, Fault, string | undefined])[] = [
  ...[400, 401, 402, 403, 409, 411, 413, 415, 302, 307].map(
    (status) => [`says ${status}`, onPut(() => says(status)), `(${status}: no way)`] as const,
  ),
  ...[429, 500, 502, 503].map((status) => [`says ${status}`, onPut(() => says(status)), undefined] as const),
  [
    'itself does not let the bot in',
    onPut((_, pass) => pass({ authorization: '' })),
    '(401: Authorization required)',
  ],
  [
    'takes it, and says that it is another',
    onPut(async (_, pass) => {
      await pass();
      return Response.json({ sha256: 'ab'.repeat(32) }, { status: 201 });
    }),
    'has changed it',
  ],
  [
    'takes it, and keeps a smaller one',
    (request) =>
      request.method === 'HEAD' ? new Response('x'.repeat(99)) : Response.json({ sha256: hashOf(request) }),
    'has changed it',
  ],
  ['takes it, and has nothing', onPut((request) => Response.json({ sha256: hashOf(request) })), undefined],
  [
    'takes it, and shows a page',
    onPut(async (_, pass) => {
      await pass();
      return new Response('<html>thanks</html>');
    }),
    'answers nothing that can be read',
  ],
  [
    'takes it, and talks without end',
    onPut(async (_, pass) => {
      await pass();
      return new Response(new ReadableStream({ pull: (sink) => sink.enqueue(new Uint8Array(1 << 16)) }));
    }),
    'answers nothing that can be read',
  ],
  [
    'takes it, and breaks off',
    onPut(async (_, pass) => {
      await pass();
      return new Response(new ReadableStream({ pull: (sink) => sink.error(new Error('broken')) }));
    }),
    undefined,
  ],
  [
    'takes it, and never says so',
    onPut(async (_, pass) => {
      await pass();
      return new Promise<Response>(() => undefined);
    }),
    undefined,
  ],
];
test.each(faults)(
  'where the first server %s, the next has the file',
  async (_, fault, words) => {
    const { near, far, phone } = world;
    near.state.fault = fault;
    const file = makeFile();
    await phone.send(`!get ${file.name}`);
    await until(() => sent(file.name).length > 0, 'the file comes', 90_000);
    expect(await expectOnce(file)).toStartWith(far.url);
    if (words === undefined) {
      near.state.fault = undefined;
      return;
    }
    far.state.fault = fault;
    const since = phone.heard.length;
    const lost = makeFile();
    await phone.send(`!get ${lost.name}`);
    const text = await phone.hears(new RegExp(`could not send ${lost.name}`), since);
    [near.state.fault, far.state.fault] = [undefined, undefined];
    expect(text.split(words)).toHaveLength(3);
    expect(text).toContain(`!get ${lost.name} tries again.`);
    expect(sent(lost.name)).toEqual([]);
  },
  200_000,
);

test('what is too large for both is told as they say it', async () => {
  const file = makeFile(9_000_000);
  const since = world.phone.heard.length;
  await world.phone.send(`!get ${file.name}`);
  const text = await world.phone.hears(/could not send/, since);
  expect(text.match(/finds it too large \(413: File too large/g)).toHaveLength(2);
}, 60_000);

/** The bot is killed at such a moment, and comes back. */
const kills: readonly (readonly [string, Fault | number | undefined])[] = [
  ...['file:uploading', 'file:uploaded', 'file:sent'].map((moment) => [moment, undefined] as const),
  ['before the server has it', () => new Promise<Response>(() => undefined)],
  [
    'when the server has it',
    async (_, pass) => {
      await pass();
      return new Promise<Response>(() => undefined);
    },
  ],
  [
    'when the server is asked whether it has it',
    (request, pass) => (request.method === 'HEAD' ? new Promise<Response>(() => undefined) : pass()),
  ],
  ...[3, 10, 30, 100].map((ms) => [`after ${ms} ms`, ms] as const),
];
test.each(kills)(
  'killed while it sends a file (%s), the bot sends it once',
  async (moment, how) => {
    const { near, phone, bot } = world;
    const file = makeFile();
    const asked = near.state.asked.length;
    const wanted = moment.includes('asked whether') ? 'HEAD' : 'PUT';
    if (typeof how === 'function') near.state.fault = how;
    else if (how === undefined) world.killAt(moment);
    await phone.send(`!get ${file.name}`);
    if (how === undefined) await world.dies();
    else {
      if (typeof how === 'number') await Bun.sleep(how);
      else
        await until(
          () => near.state.asked.slice(asked).some((one) => one.startsWith(wanted)),
          'it is asked',
          30_000,
        );
      await bot.end('SIGKILL');
    }
    near.state.fault = undefined;
    await bot.start();
    await until(() => sent(file.name).length > 0, 'the file comes', 90_000);
    // What would come twice comes before the answer to what is asked now.
    await world.paid.ask('!status');
    expect(await expectOnce(file)).toStartWith(near.url);
    expect(phone.texts().filter((text) => text.startsWith(`${file.name} (`))).toHaveLength(1);
  },
  200_000,
);

test('after BOT_FILE_DAYS the servers have nothing of it any more, nor of what was never sent', async () => {
  const { bot, first, second, sql, phone } = world;
  const announced = new Set(phone.files().map(({ content }) => /[0-9a-f]{64}/.exec(content)?.[0] ?? ''));
  const there = () => [...first.has(), ...second.has()];
  // What faults have left there.
  expect(there().filter((sha) => !announced.has(sha)).length).toBeGreaterThan(0);
  await bot.end('SIGKILL');
  sql('UPDATE uploads SET delete_at = 0 WHERE sent = 0');
  await bot.start();
  await until(() => there().every((sha) => announced.has(sha)), 'what was not sent is gone', 60_000);
  const left = there().length;
  expect(left).toBe(announced.size);
  await bot.end('SIGKILL');
  sql('UPDATE uploads SET delete_at = 0');
  await bot.start();
  await until(() => there().length === 0, 'all of it is gone', 60_000);
  const [message] = phone.files();
  if (message === undefined) throw new Error('gone');
  expect(await phone.open(message)).toMatchObject({ status: 404 });
  await bot.end('SIGKILL');
  expect(sql('SELECT count(*) FROM uploads')).toEqual([[0]]);
  await bot.start();
}, 200_000);

const moments = [
  ...['shared:fetching', 'shared:fetched', 'shared:kept', 'shared:noted', 'shared:taken'],
  ...['task:preparing', 'task:running', 'task:settling', 'task:settled', 'task:done'],
  ...['half of it is here', 'after 20 ms', 'after 100 ms', 'after 400 ms', 'after 1500 ms', 'after 4000 ms'],
];
test.each(moments)(
  'killed at %s of a photo, the bot has it once, and its task is done once or told as interrupted',
  async (moment) => {
    const { near, phone, bot, paid, house } = world;
    // Several pictures are more than a session of the small model takes without being summed up, which is a call of its own.
    await paid.ask('!new');
    const [before, calls] = [world.inbox(), house.modelCalls()];
    const sealed = await phone.prepare(photo);
    await phone.upload(sealed.path, near.url);
    const [, ms] = /^after (\d+) ms$/.exec(moment) ?? [];
    const half = Promise.withResolvers<void>();
    if (moment.startsWith('half')) {
      near.state.fault = () =>
        new Response(
          new ReadableStream({
            start: (sink) => {
              sink.enqueue(readFileSync(sealed.path).subarray(0, 50_000));
              half.resolve();
            },
          }),
        );
    } else if (ms === undefined) world.killAt(moment);
    const id = await phone.announce(sealed, `${near.url}/${sealed.x}`, 'say what you see');
    if (ms === undefined && !moment.startsWith('half')) await world.dies();
    else {
      await (ms === undefined ? half.promise : Bun.sleep(Number(ms)));
      await bot.end('SIGKILL');
    }
    // Never more than one budget is away.
    oneBudgetEach(paid.funds, paid.books());
    near.state.fault = undefined;
    await bot.start();
    const about = () =>
      phone.heard.flatMap(({ kind, content, tags }) =>
        kind === 14 && tags.some(([tag, of]) => tag === 'e' && of === id) ? [content] : [],
      );
    await until(() => about().length > 0, 'its owner hears of it', 60_000).catch((cause: unknown) => {
      throw new Error(`nothing is heard; the bot says:\n${bot.log().slice(-6000)}`, { cause });
    });
    await world.settled();
    await paid.ask('!status');
    expect(about()).toHaveLength(1);
    const [text = ''] = about();
    const added = world.inbox().filter((name) => !before.includes(name));
    expect(added).toHaveLength(1);
    const kept = await phone.look(join(bot.workspace, '.dm-inbox', added[0] ?? ''));
    expect(kept).toMatchObject({ gps: 0, turned: 6, secret: false });
    const isInterrupted = text.startsWith('Interrupted');
    if (!isInterrupted) expect(text).toContain(`I see a picture: image/jpeg, ${kept.size} bytes.`);
    const runs = house.modelCalls() - calls;
    expect(isInterrupted ? runs <= 1 : runs === 1).toBe(true);
  },
  240_000,
);

test('in the end nobody has a sat too much or too little', async () => {
  const { paid, bot, house } = world;
  await world.settled();
  await bot.end('SIGKILL');
  const books = paid.books();
  expect([oneBudgetEach(paid.funds, books), books.uneven]).toEqual([0, []]);
  const { node, mint } = house.books();
  expect(mint.pending).toBe(0);
  // Each run is charged to the sat: what the node has kept of parts of one is in nobody's books.
  expect(1000 * books.spent).toBe(node.creditedMsat - node.refundedMsat);
}, 120_000);
