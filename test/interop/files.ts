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
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
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
