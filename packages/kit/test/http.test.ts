import { describe, expect, test } from 'bun:test';
import { createServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import { neverSent, readBody, readText } from '../src/http.ts';
import { parseJson } from '../src/json.ts';

const streamOf = (
  pull: (controller: ReadableStreamDefaultController<Uint8Array>) => void,
  cancel?: () => void,
) => new Response(new ReadableStream<Uint8Array>({ pull, cancel: () => cancel?.() }));
const bytes = (text: string) => new TextEncoder().encode(text);

describe('a body that somebody else wrote', () => {
  test('is read to its end, letters that are cut between two pieces included', async () => {
    const whole = bytes('grüße 👋');
    let at = 0;
    const response = streamOf((controller) => {
      if (at < whole.length) controller.enqueue(whole.slice(at, ++at));
      else controller.close();
    });
    expect(await readBody(response, whole.length)).toEqual({ end: 'whole', text: 'grüße 👋' });
    expect(await readText(new Response(null), 1)).toBe('');
  });

  test('is left when it is too large, and whoever sends it is told so', async () => {
    let cancelled = false;
    const endless = () =>
      streamOf(
        (controller) => controller.enqueue(bytes('0123456789')),
        () => {
          cancelled = true;
        },
      );
    expect(await readBody(endless(), 25)).toEqual({
      end: 'too_large',
      text: '0123456789012345678901234',
    });
    expect(cancelled).toBe(true);
    expect(await readText(endless(), 25)).toBeUndefined();
  });

  test('is measured as what it becomes: compression hides no size', async () => {
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: () =>
        new Response(gzipSync(Buffer.alloc(10_000_000)), { headers: { 'content-encoding': 'gzip' } }),
    });
    expect(await readText(await fetch(server.url), 1_000_000)).toBeUndefined();
  });

  test('that breaks off gives what there was, and why', async () => {
    const server = createServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun');
      setTimeout(() => socket.destroy(), 50);
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const url = `http://127.0.0.1:${address.port}/`;
    expect(await readBody(await fetch(url), 1000)).toMatchObject({ end: 'broken', text: 'begun' });
    await expect(fetch(url).then((response) => readText(response, 1000))).rejects.toThrow();
    server.close();
  });
});

test('a request that nobody listened to was never sent; one that was cut off may have been', async () => {
  const failure = (url: string) =>
    fetch(url).then(
      () => expect.unreachable(),
      (error: unknown) => error,
    );
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const url = `http://127.0.0.1:${address.port}/`;
  expect(neverSent(await failure(url))).toBe(false);
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  expect(neverSent(await failure(url))).toBe(true);
  expect([neverSent(undefined), neverSent(new Error('ConnectionRefused'))]).toEqual([false, false]);
});

test('a text that is no JSON says nothing', () => {
  expect([parseJson('{"a":1}'), parseJson('null'), parseJson('{"a":'), parseJson('')]).toEqual([
    { a: 1 },
    null,
    undefined,
    undefined,
  ]);
});
