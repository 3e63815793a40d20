/*
 * Files in both directions with programs that are not ours: rust-nostr wraps and unwraps, OpenSSL encrypts and decrypts, blossom-cli
 * and the reference Blossom server store, Pillow looks at the pictures. Then each fault that a server can have, and kills.
 *
 * `bun run test:files`; needs python3 with venv, and git. FILES_DIR: a folder where the tools stay for later runs.
 * FILES_BLOSSOM_REPOSITORY: where the server's source is cloned from, if not from its own repository. See docs/interop.md.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { Fault } from './blossom-server.ts';
import type { Manner } from './files-phone.ts';
import { type FilesWorld, startFilesWorld } from './files-world.ts';

let world: FilesWorld;
let photo: string;
let seenOfPhoto: Awaited<ReturnType<FilesWorld['phone']['picture']>>;
let large: string;
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

beforeAll(async () => {
  world = await startFilesWorld();
  photo = join(world.folder, 'photo.jpg');
  seenOfPhoto = await world.phone.picture(photo);
  expect(seenOfPhoto).toMatchObject({ turned: 6, secret: true });
  expect(seenOfPhoto.gps).toBeGreaterThan(0);
  large = join(world.folder, 'large.bin');
  // A file that begins as nothing known does, and is the same in each run.
  const bytes = Buffer.alloc(5_000_000);
  for (let at = 0, state = 7; at < bytes.length; at++) {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    bytes[at] = state >> 16;
  }
  writeFileSync(large, bytes);
}, 600_000);
afterAll(() => world?.stop(), 60_000);

/** Sends a file by blossom-cli and rust-nostr. */
async function sendFile(path: string, caption: string | undefined, manner: Manner = {}): Promise<string> {
  const { phone, near } = world;
  const sealed = await phone.prepare(path, manner);
  await phone.upload(sealed.path, near.url);
  return phone.announce(sealed, `${near.url}/${sealed.x}`, caption, manner);
}
/** What of a task is heard, and how many model calls it took. */
async function told(send: () => Promise<unknown>, like: RegExp): Promise<{ text: string; calls: number }> {
  const { phone, house } = world;
  const [since, calls] = [phone.heard.length, house.modelCalls()];
  await send();
  const text = await phone.hears(like, since);
  return { text, calls: house.modelCalls() - calls };
}

test('a photo is one task: the model is shown it without where it was taken, the way up and every pixel stay, and it is paid once', async () => {
  const before = world.inbox();
  const { text, calls } = await told(() => sendFile(photo, 'answer: a photo'), /a photo[\s\S]*sat/);
  const [name = ''] = world.inbox().filter((each) => !before.includes(each));
  const kept = await world.phone.look(join(world.bot.workspace, '.dm-inbox', name));
  expect(kept).toMatchObject({
    exif: [0x0112],
    gps: 0,
    turned: 6,
    secret: false,
    pixels: seenOfPhoto.pixels,
  });
  expect(text).toContain(`I see a picture: image/jpeg, ${kept.size} bytes.`);
  expect(calls).toBe(1);
}, 120_000);

const manners: readonly Manner[] = [
  { nonce: 12, write: 'hex' },
  { nonce: 16, write: 'base64' },
  { nonce: 12, write: 'base64url', sums: false },
  { nonce: 16, write: 'hex', kind: 14 },
  { nonce: 12, write: 'base64', kind: 14, sums: false },
];
test.each(manners)(
  '5 MB, %p: the agent has every byte',
  async (manner) => {
    const { text, calls } = await told(
      () => sendFile(large, 'run sha256sum .dm-inbox/*.bin | tail -n 1', manner),
      /[0-9a-f]{64}[\s\S]*sat/,
    );
    expect(text).toContain(sha256(large));
    // What the agent does, and what it says of it.
    expect(calls).toBe(2);
  },
  120_000,
);

/** What `!get` brings: words, then a file that is opened as a client does it. */
async function get(path: string) {
  const { phone } = world;
  const had = phone.files().length;
  await phone.send(`!get ${path}`);
  await until(() => phone.files().length > had, 'the file is there', 60_000);
  const message = phone.files()[had];
  if (message === undefined) throw new Error('gone');
  return { message, ...(await phone.open(message)) };
}

test('!get brings a photo: rust-nostr opens the wrap, OpenSSL the file; nothing is left of where it was taken', async () => {
  writeFileSync(join(world.bot.workspace, 'photo.jpg'), readFileSync(photo));
  const got = await get('photo.jpg');
  expect(got).toMatchObject({ status: 200, isAsSaid: true, type: 'image/jpeg' });
  const look = await world.phone.look(got.path);
  expect(look).toMatchObject({
    exif: [0x0112],
    gps: 0,
    turned: 6,
    secret: false,
    pixels: seenOfPhoto.pixels,
  });
}, 120_000);

test('!get brings 5 MB, byte for byte; the server has other bytes', async () => {
  writeFileSync(join(world.bot.workspace, 'large.bin'), readFileSync(large));
  const got = await get('large.bin');
  expect(got).toMatchObject({ status: 200, isAsSaid: true, ox: sha256(large), size: 5_000_016 });
  expect(world.first.has()).toContain(got.x ?? '');
  expect(world.first.has()).not.toContain(sha256(large));
}, 120_000);

/** What a server does with a file that the bot fetches, and what its owner reads; nothing is run. */
const inFaults: readonly (readonly [string, Fault, RegExp])[] = [
  ...[400, 401, 402, 403, 404, 410, 413, 415, 429, 500, 503].map(
    (status) =>
      [
        `${status}`,
        () => new Response('<h1>no</h1>', { status, headers: { 'x-cashu': 'creqA', 'x-reason': 'no way' } }),
        new RegExp(`the server answers ${status}`),
      ] as const,
  ),
  ['other bytes', () => new Response('something else'), /is not what was sent/],
  [
    'a picture that it has made smaller',
    () => new Response(readFileSync(photo).subarray(0, 5_000)),
    /is not what was sent/,
  ],
  ['a page to log in', () => new Response('<html>log in</html>'), /is not what was sent/],
  ['nothing', () => new Response(''), /is not what was sent/],
  [
    'a redirect into a private network',
    () => Response.redirect('http://10.0.0.1/x', 302),
    /leads into a private network/,
  ],
  [
    'a redirect in a circle',
    (request) => Response.redirect(request.url, 307),
    /could not open|leads into a private network/,
  ],
  [
    'no end',
    () => new Response(new ReadableStream({ pull: (sink) => sink.enqueue(new Uint8Array(1 << 20)) })),
    /larger than 20 MiB/,
  ],
  [
    'a small answer that unpacks to much',
    () => new Response(Bun.gzipSync(new Uint8Array(64 << 20)), { headers: { 'content-encoding': 'gzip' } }),
    /larger than 20 MiB/,
  ],
];
test.each(inFaults)(
  'a server that answers the bot with %s',
  async (_, fault, sentence) => {
    const { near, phone, house } = world;
    const [calls, before, since] = [house.modelCalls(), world.inbox(), phone.heard.length];
    const sealed = await phone.prepare(large);
    near.state.fault = fault;
    await phone.announce(sealed, `${near.url}/${sealed.x}`, 'answer: never');
    const text = await phone.hears(sentence, since);
    near.state.fault = undefined;
    expect(text).toContain('The task beside it was not begun: send both again.');
    expect(world.inbox()).toEqual(before);
    expect(house.modelCalls()).toBe(calls);
  },
  120_000,
);

/** Answers as no HTTP library does. */
const rawServer = (answer: (asked: number) => readonly [head: string, body: Uint8Array]) => {
  let asked = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      const [head, body] = answer(asked++);
      socket.write(`HTTP/1.1 ${head}\r\n\r\n`);
      socket.end(body);
    });
  });
  server.listen(0, '127.0.0.1');
  return { server, asked: () => asked };
};
const urlOf = ({ server }: ReturnType<typeof rawServer>): string => {
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
};

test('a server that breaks off is asked again: what comes is whole, or nothing', async () => {
  const { phone, house } = world;
  const sealed = await phone.prepare(photo);
  const body = readFileSync(sealed.path);
  const half = body.subarray(0, body.length >> 1);
  const whole = `200 OK\r\ncontent-length: ${body.length}`;
  for (const head of [whole, '200 OK\r\ntransfer-encoding: chunked']) {
    // Chunked, it is no end, as the half is no chunk.
    const once = rawServer((asked) => (asked === 0 ? [head, half] : [whole, body]));
    const { text, calls } = await told(
      () => phone.announce(sealed, `${urlOf(once)}/x`, 'answer: it came'),
      /came|open/,
    );
    expect([text, once.asked(), calls]).toEqual([expect.stringContaining('it came'), 2, 1]);
    once.server.close();
  }
  const calls = house.modelCalls();
  const always = rawServer(() => [whole, half]);
  const { text } = await told(
    () => phone.announce(sealed, `${urlOf(always)}/x`, 'answer: never'),
    /open that file/,
  );
  expect(text).toContain('can’t be reached, or broke off');
  expect(always.asked()).toBe(3);
  always.server.close();
  // It says that there is less than it sends, and its sender that there is more.
  const less = rawServer(() => [`200 OK\r\ncontent-length: ${half.length}`, body]);
  expect(
    (await told(() => phone.announce(sealed, `${urlOf(less)}/x`, 'answer: never'), /open/)).text,
  ).toContain('not what was sent');
  less.server.close();
  expect(house.modelCalls()).toBe(calls);
}, 120_000);

test('a server that never says anything costs a minute, and no more', async () => {
  const { phone, near } = world;
  const sealed = await phone.prepare(photo);
  near.state.fault = () => new Promise<Response>(() => undefined);
  const begun = performance.now();
  const { text } = await told(() => phone.announce(sealed, `${near.url}/${sealed.x}`, undefined), /too slow/);
  near.state.fault = undefined;
  expect(text).toContain('it was not here after a minute');
  expect(performance.now() - begun).toBeGreaterThan(59_000);
}, 120_000);

test('what is sent as another key’s, or changed on the way, is not taken for the file', async () => {
  const { phone, near } = world;
  const [one, other] = [await phone.prepare(photo), await phone.prepare(photo)];
  for (const { path } of [one, other]) await phone.upload(path, near.url);
  const url = `${near.url}/${one.x}`;
  const wrong: readonly (readonly [Parameters<typeof phone.announce>[0], Manner, RegExp])[] = [
    [{ ...one, key: other.key }, {}, /could not decrypt/],
    [{ ...one, nonce: other.nonce }, { sums: false }, /could not decrypt/],
    [{ ...one, ox: other.x }, {}, /decrypted, it is not what its sender says/],
    [{ ...one, x: other.x }, {}, /is not what was sent/],
  ];
  for (const [sealed, manner, sentence] of wrong)
    expect((await told(() => phone.announce(sealed, url, undefined, manner), /open|decrypt/)).text).toMatch(
      sentence,
    );
}, 120_000);
