import { afterAll, describe, expect, test } from 'bun:test';
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGuardedFetch } from '@nostr-dm-agent/kit/net';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { type EventId, type PublicKey, parseRelayUrl, type StoredMessage } from '@nostr-dm-agent/nostr';
import { createFileActions } from '../../src/commands/act-on-files.ts';
import { decryptFile } from '../../src/files/decrypt-file.ts';
import { fetchFile, MAX_FILE_BYTES } from '../../src/files/fetch-file.ts';
import { expectsFile } from '../../src/files/incoming-files.ts';
import { InboxFolderError, keepFile } from '../../src/files/keep-file.ts';
import { readWorkspaceFile } from '../../src/files/read-workspace-file.ts';
import { isPicture, sniffType } from '../../src/files/sniff-type.ts';
import { filesNote, shortTask } from '../../src/replies/file-replies.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';

const said: StoredMessage = {
  ...{ seq: 1, id: 'b'.repeat(64) as EventId, sender: 'a'.repeat(64) as PublicKey, kind: 14, text: '' },
  ...{ protocol: 'nip17', references: [], createdAt: 0, receivedAt: 0 },
  relay: parseRelayUrl('wss://relay.example'),
};
const plain = Buffer.from('what is in it');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** As a client does it: the tag at the end. */
function encrypt(nonce: Buffer, key = randomBytes(32)) {
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return { key, body: Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]) };
}

describe('an encrypted file', () => {
  for (const length of [12, 16]) {
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      test(`is opened with a nonce of ${length} bytes, written in ${encoding}`, () => {
        const nonce = randomBytes(length);
        const { key, body } = encrypt(nonce);
        const written = { key: key.toString(encoding), nonce: nonce.toString(encoding) };
        expect(decryptFile(body, written)).toEqual(plain);
        expect(decryptFile(body, { ...written, key: randomBytes(32).toString(encoding) })).toBeUndefined();
        expect(decryptFile(body.fill(0, 3, 4), written)).toBeUndefined();
      });
    }
  }
  test('is opened where the nonce’s own text was its nonce', () => {
    const nonce = randomBytes(16).toString('hex');
    const { key, body } = encrypt(Buffer.from(nonce, 'utf8'));
    expect(decryptFile(body, { key: key.toString('hex'), nonce })).toEqual(plain);
  });
  test('stays closed for nonsense', () => {
    const { body } = encrypt(randomBytes(12));
    for (const key of ['', 'zz', '00', '€'.repeat(32)])
      expect(decryptFile(body, { key, nonce: 'x' })).toBeUndefined();
    expect(decryptFile(Buffer.alloc(3), { key: '00'.repeat(32), nonce: '00'.repeat(12) })).toBeUndefined();
  });
});

test('a task is shown as its owner wrote it, whatever came with it', () => {
  const note = filesNote([{ path: '.dm-inbox/a.png', mime: 'image/png', size: 5_000 }]);
  expect(note).toContain('- .dm-inbox/a.png (image/png, 5 kB)');
  expect(shortTask(`make the header\nlike this${note}`)).toBe('make the header like this');
});

test('what a file is, is read from its own first bytes', () => {
  const types: readonly (readonly [string | Buffer, string])[] = [
    [Buffer.from('ffd8ffe000104a464946', 'hex'), 'image/jpeg'],
    [Buffer.from('89504e470d0a1a0a0000', 'hex'), 'image/png'],
    ['GIF89a…', 'image/gif'],
    ['RIFF1234WEBPVP8 ', 'image/webp'],
    ['RIFF1234WAVEfmt ', 'audio/wav'],
    ['OggS', 'audio/ogg'],
    [Buffer.from('0000001c667479704d344120', 'hex'), 'audio/mp4'],
    [Buffer.from('0000001c66747970697336f0', 'hex'), 'video/mp4'],
    ['%PDF-1.7', 'application/pdf'],
    [Buffer.from('504b0304', 'hex'), 'application/zip'],
    ['<svg onload="alert(1)"/>', 'text/plain'],
    ['<html><img src=x>', 'text/plain'],
    [Buffer.from([1, 2, 0, 3]), 'application/octet-stream'],
    [Buffer.from([0xc3, 0x28, 0x41]), 'application/octet-stream'],
  ];
  for (const [bytes, mime] of types) expect(sniffType(Buffer.from(bytes)).mime).toBe(mime);
  expect(['image/png', 'image/heic', 'text/plain'].map(isPicture)).toEqual([true, false, false]);
});

describe('a file that somebody serves', () => {
  const nonce = randomBytes(12);
  const { key, body } = encrypt(nonce);
  let hiccups = 1;
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === '/endless')
        return new Response(new ReadableStream({ pull: (sink) => sink.enqueue(new Uint8Array(1 << 20)) }));
      if (pathname === '/private') return Response.redirect('http://10.0.0.1/x', 302);
      if (pathname === '/empty') return new Response('');
      if (pathname === '/hiccup' && hiccups-- > 0) return new Response('', { status: 503 });
      return ['/file', '/hiccup'].includes(pathname)
        ? new Response(body)
        : new Response('gone', { status: 404 });
    },
  });
  afterAll(() => server.stop(true));
  const fetch = createGuardedFetch({ allowLoopback: true, redirects: 3 });
  const encryption = { key: key.toString('hex'), nonce: nonce.toString('hex') };
  const at = (path: string, more = {}) =>
    fetchFile(
      { url: `http://127.0.0.1:${server.port}${path}`, encryption, ...more },
      fetch,
      AbortSignal.timeout(20_000),
    );

  test('is opened, with its sums or without', async () => {
    const opened = { bytes: plain, type: { mime: 'text/plain', extension: 'txt', kind: 'text' } };
    expect(await at('/file')).toEqual(opened as never);
    expect(await at('/hiccup')).toEqual(opened as never);
    expect(await at('/file', { sha256: sha256(body), plainSha256: sha256(plain) })).toEqual(opened as never);
  });
  test('is refused for what is wrong with it, each by its name', async () => {
    const wrong = '00'.repeat(32);
    expect(await at('/file', { sha256: wrong })).toEqual({ problem: 'not_that' });
    expect(await at('/file', { plainSha256: wrong })).toEqual({ problem: 'changed' });
    expect(await at('/file', { encryption: { key: wrong, nonce: '00'.repeat(12) } })).toEqual({
      problem: 'locked',
    });
    expect(await at('/nowhere')).toEqual({ problem: 'status', status: 404 });
    expect(await at('/private')).toEqual({ problem: 'private' });
    expect(await at('/empty', { encryption: undefined })).toEqual({ problem: 'empty' });
    const there = await fetchFile({ url: 'https://10.1.2.3/x' }, fetch, AbortSignal.timeout(5_000));
    expect(there).toEqual({ problem: 'private' });
    const plainWeb = await fetchFile({ url: 'http://example.com/x.png' }, fetch, AbortSignal.timeout(5_000));
    expect(plainWeb).toEqual({ problem: 'private' });
  });
  test('is left when it never ends', async () => {
    expect(await at('/endless')).toEqual({ problem: 'too_large' });
    expect(MAX_FILE_BYTES).toBe(20 * 1024 * 1024);
  });
});

describe('the inbox of a workspace', () => {
  const directory = mkdtempSync(join(tmpdir(), 'inbox-test-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const now = new Date('2026-11-28T10:00:00Z');
  const text = { bytes: plain, extension: 'txt' };

  test('takes a file under a name of ours, and hides itself from git', () => {
    const path = keepFile(directory, text, 'a message', now);
    expect(path).toMatch(/^\.dm-inbox\/11_28_[0-9a-f]{8}\.txt$/);
    expect(readFileSync(join(directory, path))).toEqual(plain);
    expect(readFileSync(join(directory, '.dm-inbox/.gitignore'), 'utf8')).toBe('*\n');
    // What a kill left of it, or put a link there, is replaced.
    rmSync(join(directory, path));
    symlinkSync(join(directory, 'victim'), join(directory, path));
    expect(keepFile(directory, text, 'a message', now)).toBe(path);
    expect(readFileSync(join(directory, path))).toEqual(plain);
    expect(existsSync(join(directory, 'victim'))).toBe(false);
    expect(keepFile(directory, text, 'another', now)).not.toBe(path);
  });
  test('is not followed elsewhere', () => {
    const elsewhere = join(directory, 'elsewhere');
    const led = join(directory, 'led');
    mkdirSync(elsewhere);
    mkdirSync(led);
    symlinkSync(elsewhere, join(led, '.dm-inbox'));
    expect(() => keepFile(led, text, 'a message', now)).toThrow(InboxFolderError);
    const plainFile = join(directory, 'plain');
    mkdirSync(plainFile);
    writeFileSync(join(plainFile, '.dm-inbox'), '');
    expect(() => keepFile(plainFile, text, 'a message', now)).toThrow(InboxFolderError);
    const secret = join(directory, 'secret');
    writeFileSync(secret, 'mine');
    const linked = join(directory, 'linked');
    mkdirSync(join(linked, '.dm-inbox'), { recursive: true });
    symlinkSync(secret, join(linked, '.dm-inbox', '.gitignore'));
    keepFile(linked, text, 'a message', now);
    expect(readFileSync(secret, 'utf8')).toBe('mine');
  });
});

describe('a file of a workspace that its owner asks for', () => {
  const root = mkdtempSync(join(tmpdir(), 'get-test-'));
  const workspace = join(root, 'work');
  mkdirSync(join(workspace, 'src/deep'), { recursive: true });
  mkdirSync(join(root, 'elsewhere'));
  writeFileSync(join(workspace, 'src/deep/a.txt'), plain);
  writeFileSync(join(root, 'elsewhere/secret'), 'mine');
  symlinkSync(join(root, 'elsewhere'), join(workspace, 'folder-link'));
  symlinkSync(join(root, 'elsewhere/secret'), join(workspace, 'file-link'));
  symlinkSync('src', join(workspace, 'inner-link'));
  Bun.spawnSync(['mkfifo', join(workspace, 'pipe')]);
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const read = (path: string, most = 1_000) => readWorkspaceFile(workspace, path, { maxBytes: most });

  test('is read, however its path is written', () => {
    const file = { path: 'src/deep/a.txt', bytes: plain };
    for (const path of ['src/deep/a.txt', './src//deep/./a.txt', join(workspace, 'src/deep/a.txt')])
      expect(read(path)).toEqual(file);
  });
  test('is not, where that leads elsewhere or never ends', () => {
    const table: readonly (readonly [string, string])[] = [
      ['../elsewhere/secret', 'outside'],
      ['src/../../elsewhere/secret', 'outside'],
      [join(root, 'elsewhere/secret'), 'outside'],
      [`${workspace}/../elsewhere/secret`, 'outside'],
      ['~/secret', 'outside'],
      ['a\0b', 'outside'],
      ['folder-link/secret', 'link'],
      ['file-link', 'link'],
      ['inner-link/deep/a.txt', 'link'],
      ['src/deep/a.txt/b', 'link'],
      ['pipe', 'special'],
      ['src', 'folder'],
      ['.', 'folder'],
      ['nothing', 'missing'],
      ['no/such/folder', 'missing'],
    ];
    for (const [path, problem] of table) expect([path, read(path)]).toEqual([path, { problem } as never]);
    expect(read('src/deep/a.txt', 3)).toEqual({ problem: 'too_large', size: plain.length });
  });
});

test.each([
  ['what is wrong in this screenshot?', true],
  ['the photo shows the error', true],
  ['read the attached log', true],
  ['summarise this file', true],
  ['look at the log of the last build', false],
  ['rebuild the docker image, then look at the files in src', false],
  ['fix the file src/index.ts', false],
])('%p waits for a file: %p', (task, waits) => {
  expect(expectsFile.test(task)).toBe(waits);
});

test('what is said after a task that waits for its file comes after it; commands wait for nothing', async () => {
  const there = Promise.withResolvers<void>();
  const done: string[] = [];
  const actions = createFileActions({
    openFiles: () => ({
      accept: () => undefined,
      soon: (_owner, task) => (task.includes('screenshot') ? there.promise : undefined),
      start: () => undefined,
      close: async () => undefined,
    }),
    ownerOf: () => undefined,
    once: () => undefined,
    reply: () => undefined,
    redact: (text) => text,
    isTooLate: () => false,
    meaningOf: (text) => ({ kind: 'task', text }),
    messages: createMessageStore(openDatabase(':memory:', botMigrations), { now: () => 0 }),
    texts: { act: () => undefined },
  });
  const say = (text: string, sender = 'a') =>
    actions.whenThere({ ...said, sender: sender.repeat(64) as PublicKey, text }, () => void done.push(text));
  say('what is in this screenshot');
  say('then mend it');
  say('!status');
  say('hello', 'b');
  expect(done).toEqual(['!status', 'hello']);
  there.resolve();
  await until(() => done.length === 4, 'both are acted on');
  expect(done.slice(2)).toEqual(['what is in this screenshot', 'then mend it']);
  say('at once again');
  expect(done.at(-1)).toBe('at once again');
});
