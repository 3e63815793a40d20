import { afterAll, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { createGuardedFetch } from '@nostr-dm-agent/kit/net';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { generateSecretKey, type Outbox, parseRelayUrl, publicKeyOf } from '@nostr-dm-agent/nostr';
import { verifyEvent } from 'nostr-tools/pure';
import { decryptFile } from '../../src/files/decrypt-file.ts';
import { deleteUploads } from '../../src/files/delete-uploads.ts';
import { createOutgoingFiles } from '../../src/files/outgoing-files.ts';
import { createFileSender, type NotSent } from '../../src/files/send-files.ts';
import { sniffType } from '../../src/files/sniff-type.ts';
import { stripMetadata, withoutPlace } from '../../src/files/strip-metadata.ts';
import { createSealer } from '../../src/keys/seal.ts';
import { notSentText } from '../../src/replies/file-replies.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { storesIn } from '../../src/store/open-stores.ts';
import { silent } from '../support/backend.ts';

const secret = 'GPS 52.5N 13.4E';
const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const segment = (marker: number, data: Buffer) =>
  Buffer.concat([Buffer.from([0xff, marker]), u16(data.length + 2), data]);
/** A TIFF block: which way up, and a text behind it. */
const tiff = Buffer.concat([
  Buffer.from('4d4d002a00000008000101120003000000010006000000000000', 'hex'),
  Buffer.from(secret),
]);
const exif = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff]);
const scan = Buffer.from('ffda0003011122ff0033ffd044', 'hex');
const jpeg = Buffer.concat([
  Buffer.from('ffd8', 'hex'),
  segment(0xe1, exif),
  segment(0xe2, Buffer.from(`ICC_PROFILE\0${'c'.repeat(9)}`)),
  segment(0xed, Buffer.from(secret)),
  segment(0xfe, Buffer.from(secret)),
  segment(0xdb, Buffer.from('table')),
  scan,
  segment(0xe1, Buffer.from(secret)),
  Buffer.from('ffd9', 'hex'),
  Buffer.from(secret),
]);
const chunk = (name: string, data: Buffer) => {
  const body = Buffer.concat([Buffer.from(name), data]);
  const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  size.writeUInt32BE(data.length);
  sum.writeUInt32BE(Bun.hash.crc32(body));
  return Buffer.concat([size, body, sum]);
};
const png = Buffer.concat([
  Buffer.from('89504e470d0a1a0a', 'hex'),
  chunk('IHDR', Buffer.from('00000001000000010806000000', 'hex')),
  chunk('tEXt', Buffer.from(secret)),
  chunk('eXIf', tiff),
  chunk('IDAT', deflateSync(Buffer.alloc(5))),
  chunk('IEND', Buffer.alloc(0)),
  Buffer.from(secret),
]);
const riff = (name: string, data: Buffer) => {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(data.length);
  return Buffer.concat([Buffer.from(name), size, data, Buffer.alloc(data.length % 2)]);
};
const webp = riff(
  'RIFF',
  Buffer.concat([
    Buffer.from('WEBP'),
    riff('VP8X', Buffer.from('0c000000000000000000', 'hex')),
    riff('VP8 ', Buffer.from('odd')),
    riff('EXIF', tiff),
    riff('XMP ', Buffer.from(secret)),
  ]),
);
const gif = Buffer.concat([
  Buffer.from('474946383961010001008000000000' + '00ffffff', 'hex'),
  Buffer.from([0x21, 0xfe, secret.length]),
  Buffer.from(secret),
  Buffer.from('00', 'hex'),
  Buffer.from('2c00000000010001000002024401003b', 'hex'),
  Buffer.from(secret),
]);

test('a picture is sent without what it says of itself; its way up and its colours stay', () => {
  for (const picture of [jpeg, png, webp, gif]) {
    const { mime } = sniffType(picture);
    const clean = Buffer.from(stripMetadata(picture, mime) ?? []);
    expect([mime, clean.length > 0, clean.includes('GPS')]).toEqual([mime, true, false]);
    expect(sniffType(clean).mime).toBe(mime);
    // Again: nothing is left to be done.
    expect(Buffer.from(stripMetadata(clean, mime) ?? [])).toEqual(clean);
    if (mime !== 'image/gif') expect(clean.includes(Buffer.from('01120003000000010006', 'hex'))).toBe(true);
    // Cut off anywhere it is never taken for a whole one.
    for (let size = 12; size < clean.length; size++)
      expect(stripMetadata(picture.subarray(0, Math.min(size, 30)), mime)).toBeUndefined();
  }
  const clean = Buffer.from(stripMetadata(jpeg, 'image/jpeg') ?? []);
  expect(clean.includes(scan)).toBe(true);
  expect(clean.includes('ICC_PROFILE')).toBe(true);
  expect(stripMetadata(Buffer.from(secret), 'text/plain')).toEqual(Buffer.from(secret));
});

test('one that an owner sends comes without where it was taken; words in it and what can’t be read stay', () => {
  for (const picture of [jpeg, webp])
    expect(Buffer.from(withoutPlace(picture, sniffType(picture).mime)).includes('GPS')).toBe(false);
  const drawing = 'mxfile\0a drawing';
  const parts = [
    ['IHDR', Buffer.from('00000001000000010806000000', 'hex')],
    ['eXIf', tiff],
    ['tEXt', Buffer.from(drawing)],
    ['tEXt', Buffer.from(`Raw profile type exif\0${secret}`)],
    ['iTXt', Buffer.from(`XML:com.adobe.xmp\0\0\0\0\0${secret}`)],
    ['IEND', Buffer.alloc(0)],
  ] as const;
  const head = png.subarray(0, 8);
  const clean = Buffer.from(
    withoutPlace(Buffer.concat([head, ...parts.map(([name, data]) => chunk(name, data))]), 'image/png'),
  );
  expect([clean.includes(drawing), clean.includes('GPS')]).toEqual([true, false]);
  const cut = jpeg.subarray(0, 40);
  expect(withoutPlace(cut, 'image/jpeg')).toBe(cut);
});

/** A Blossom server in memory; what it says to an upload may be something else. */
const blobs = new Map<string, Buffer>();
let fault: ((request: Request) => Response | undefined) | undefined;
let stall: PromiseWithResolvers<void> | undefined;
let denied = false;
const authorized = (request: Request, verb: string, sha256: string): boolean => {
  const text = Buffer.from(request.headers.get('authorization')?.slice(6) ?? '', 'base64url').toString();
  const event = JSON.parse(text);
  const has = (name: string, value: string) =>
    event.tags.some((tag: string[]) => tag[0] === name && tag[1] === value);
  const expires = Number(event.tags.find((tag: string[]) => tag[0] === 'expiration')[1]);
  const isFor = has('t', verb) && has('x', sha256) && has('server', '127.0.0.1');
  return (
    verifyEvent(event) &&
    event.kind === 24242 &&
    event.created_at <= now / 1000 &&
    expires > now / 1000 &&
    isFor
  );
};
const serve = () =>
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      if (request.method === 'PUT') {
        const wrong = fault?.(request);
        await stall?.promise;
        if (wrong !== undefined) return wrong;
        const body = Buffer.from(await request.arrayBuffer());
        const sha256 = createHash('sha256').update(body).digest('hex');
        if (!authorized(request, 'upload', sha256)) return new Response('', { status: 401 });
        blobs.set(sha256, body);
        return Response.json({ url: 'https://evil.example/x', sha256 }, { status: 201 });
      }
      const sha256 = pathname.slice(1, 65);
      if (request.method === 'HEAD') {
        const there = blobs.get(sha256);
        return there === undefined ? new Response(null, { status: 404 }) : new Response(there);
      }
      if (denied || !authorized(request, 'delete', sha256)) return new Response('', { status: 403 });
      return new Response(null, { status: blobs.delete(sha256) ? 204 : 404 });
    },
  });
const server = serve();
const other = serve();
afterAll(async () => {
  await Promise.all([server.stop(true), other.stop(true)]);
});
const at = ({ port }: { readonly port: number | undefined }) => `http://127.0.0.1:${port}`;

const key = generateSecretKey();
const identity = { publicKey: publicKeyOf(key), secretKey: key };
const stores = storesIn(openDatabase(':memory:', botMigrations), [], {
  clock: systemClock,
  random: () => 0.5,
});
const { uploads, outgoing } = stores;
let now = Date.now();
const sent: Parameters<Outbox['sendFile']>[1][] = [];
const told: string[] = [];
const clock = { now: () => now };
const sealer = createSealer(key);
const deps = {
  ...{ identity, clock, uploads, stores, sealer, log: silent },
  fetch: () => createGuardedFetch({ allowLoopback: true }),
  keptMs: 86_400_000,
  outbox: { sendFile: (_: unknown, file: (typeof sent)[number]) => sent.push(file) > 0 },
  giveUp: (_: unknown, not: NotSent) => void told.push(notSentText(not)),
  isReader: () => isReader,
  reached: () => undefined,
};
let isReader = true;
const to = {
  publicKey: publicKeyOf(key),
  protocol: 'nip17' as const,
  fallbackRelays: [parseRelayUrl('wss://relay.example')],
};
const bytes = Buffer.from([1, 2, 0, 3]);
const files = createOutgoingFiles({ store: outgoing, sealer, onQueued: () => undefined, clock });
const queue = (name = 'a.bin') => {
  const prepared = files.prepare({ bytes, type: sniffType(bytes), name, way: 'get' });
  if (prepared === undefined) throw new Error('broken');
  stores.atomically(() => prepared.send(to));
};
/** A life of the bot, until what is due was tried, or nothing is left. */
async function work(servers = [at(server)], rounds = 1): Promise<void> {
  const life = new AbortController();
  const sender = createFileSender({ ...deps, servers }, life.signal);
  sender.start();
  const idle = () =>
    until(async () => {
      await sender.done();
      return outgoing.due(now).length === 0;
    }, 'nothing is due');
  await idle();
  for (let round = 1; round < rounds; round++) {
    now += 300_000;
    sender.look();
    await idle();
  }
  life.abort();
}
const signal = AbortSignal.timeout(60_000);
const due = (inMs: number) => uploads.due(now + inMs, 10).length;
const gone = { status: 500, headers: { 'x-reason': 'no\u00a0way', location: 'http://10.0.0.1/' } };

test('a file is at the server encrypted, and gone when its days are over', async () => {
  queue();
  await work();
  const [message] = sent.splice(0);
  expect(message?.url).toBe(`${at(server)}/${message?.sha256}.bin`);
  const body = blobs.get(message?.sha256 ?? '') ?? Buffer.alloc(0);
  expect(decryptFile(body, { key: message?.key ?? '', nonce: message?.nonce ?? '' })).toEqual(bytes);
  // A restart leaves it where it is.
  await work();
  await deleteUploads(deps, signal);
  expect(blobs.size).toBe(1);
  now += deps.keptMs + 1;
  denied = true;
  await deleteUploads(deps, signal);
  expect([blobs.size, due(0), due(3 * 3_600_000)]).toEqual([1, 0, 1]);
  denied = false;
  now += 3 * 3_600_000;
  await deleteUploads(deps, signal);
  expect([blobs.size, due(1e12), sent.length]).toEqual([0, 0, 0]);
});

test('killed while a server takes it, the same bytes are sent again, and its reader gets it once', async () => {
  const begun = Promise.withResolvers<void>();
  const attempts: string[] = [];
  fault = (request) => {
    attempts.push(request.headers.get('x-sha-256') ?? '');
    begun.resolve();
    return undefined;
  };
  stall = Promise.withResolvers<void>();
  queue();
  const life = new AbortController();
  const cut = createFileSender({ ...deps, servers: [at(server)] }, life.signal);
  cut.start();
  await begun.promise;
  life.abort();
  await cut.done();
  // It is not deleted while it is on its way, be it taken meanwhile.
  stall.resolve();
  stall = undefined;
  now += 3_600_000;
  await deleteUploads(deps, signal);
  expect(sent).toEqual([]);
  await work();
  expect(attempts).toHaveLength(2);
  expect(new Set(attempts).size).toBe(1);
  expect(sent.splice(0).map(({ sha256 }) => sha256)).toEqual(attempts.slice(0, 1));
  fault = undefined;
  await work();
  expect([sent.length, told.length, blobs.size]).toEqual([0, 0, 1]);
  blobs.clear();
});

test('who was removed gets nothing that was on its way; what is at a server is deleted there', async () => {
  isReader = false;
  queue();
  await work();
  expect([blobs.size, outgoing.count(to.publicKey)]).toEqual([0, 0]);
  isReader = true;
  queue();
  fault = (request) => {
    if (request.method === 'PUT') isReader = false;
    return undefined;
  };
  await work();
  fault = undefined;
  expect([blobs.size, outgoing.count(to.publicKey)]).toEqual([1, 0]);
  now += 11 * 60_000;
  await deleteUploads(deps, signal);
  isReader = true;
  expect([blobs.size, sent.length, told.length]).toEqual([0, 0, 0]);
});

test('on disk it is encrypted and what opens it sealed; what was changed there is told once, and not sent', async () => {
  const { db } = stores;
  for (const damage of ["body = x'00'", "facts = 'sealed1.AAAA'"]) {
    queue('quarterly-figures.bin');
    const stored = JSON.stringify(db.query('SELECT facts, hex(body) FROM outgoing_files').all());
    expect(stored).not.toContain('quarterly');
    expect(stored).not.toContain(`${bytes.toString('hex')}`);
    db.run(`UPDATE outgoing_files SET ${damage}`);
    await work();
    await work();
    expect(told.splice(0)).toEqual([expect.stringContaining('can’t be read any more. !get <path>')]);
    expect([sent.length, blobs.size]).toEqual([0, 0]);
  }
});

test('what a server may have taken all the same is deleted there when another has it', async () => {
  for (const [status, stays] of [
    ...([408, 409, 425, 429, 500] as const).map((code) => [code, true] as const),
    ...([400, 402, 413, 415] as const).map((code) => [code, false] as const),
  ]) {
    fault = (request) =>
      new URL(request.url).port === String(server.port) ? new Response('', { status }) : undefined;
    queue();
    await work([at(server), at(other)]);
    expect(sent.splice(0)[0]?.url).toStartWith(at(other));
    expect([status, due(0), due(3_600_000)]).toEqual([status, 0, stays ? 1 : 0]);
    now += 3_600_000;
    await deleteUploads(deps, signal);
    expect(due(0)).toBe(0);
  }
  fault = undefined;
});

test('one of several that no server takes is told once, and the others are sent once', async () => {
  const refused = new Set<string>();
  fault = (request) => {
    const sha256 = request.headers.get('x-sha-256') ?? '';
    if (refused.size === 0) refused.add(sha256);
    return refused.has(sha256) ? new Response('', gone) : undefined;
  };
  for (const name of ['a.bin', 'b.bin', 'c.bin']) queue(name);
  await work([at(server)], 6);
  expect(sent.splice(0).map(({ caption }) => caption)).toEqual(['b.bin', 'c.bin']);
  expect(told.splice(0)).toEqual([
    [
      'I could not send a.bin (application/octet-stream, 1 kB): no server took it.',
      `· 127.0.0.1:${server.port}: is in trouble (500: no way)`,
      '!get a.bin tries again. BOT_BLOSSOM in the bot’s .env names the servers.',
    ].join('\n'),
  ]);
  fault = undefined;
  await work();
  expect([sent.length, told.length, files.isFull(to.publicKey)]).toEqual([0, 0, false]);
});

test('whatever a server answers, the next is tried, and its owner reads what each said', async () => {
  const status = (code: number) => () => new Response('', { ...gone, status: code });
  const faults: readonly (readonly [() => Response, string])[] = [
    ...[302, 400, 401, 402, 403, 409, 413, 415].map((code) => [status(code), `(${code}: no way)`] as const),
    [() => Response.json({ sha256: 'ab'.repeat(32) }), 'has changed it'],
    [() => new Response('<html>'), 'answers nothing'],
    [() => new Response('x'.repeat(1e6)), 'answers nothing'],
  ];
  for (const [answer, words] of faults) {
    fault = (request) => (new URL(request.url).port === String(server.port) ? answer() : undefined);
    queue();
    await work();
    expect(told.splice(0)[0]).toContain(words);
    queue();
    await work([at(server), at(other)]);
    expect(sent.splice(0)[0]?.url).toStartWith(at(other));
  }
  for (const [stored, words] of [
    [undefined, 'does not have it'],
    [Buffer.from('smaller'), 'has changed it'],
  ] as const) {
    fault = ({ headers }) => {
      const sha256 = headers.get('x-sha-256') ?? '';
      if (stored !== undefined) blobs.set(sha256, stored);
      return Response.json({ sha256 });
    };
    queue();
    await work([at(server)], 6);
    expect(told.splice(0)[0]).toContain(words);
  }
  fault = undefined;
  queue();
  await work(['https://10.0.0.1', 'http://127.0.0.1:1'], 6);
  const [text = ''] = told.splice(0);
  expect(text).toContain('10.0.0.1: is in a private network');
  expect(text).toContain('127.0.0.1:1: can’t be reached');
  queue();
  await work([]);
  expect(told.splice(0)[0]).toContain('None is set any more');
});
