import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  createGuardedFetch,
  isPublicAddress,
  PrivateAddressError,
  RedirectError,
  type Resolver,
  targetsOf,
} from '../src/net/index.ts';

const soon = () => AbortSignal.timeout(10_000);
const resolvingTo =
  (...addresses: readonly string[]): Resolver =>
  async () =>
    addresses;

describe('where an address that somebody else chose may lead', () => {
  test.each([
    '::7f00:1',
    '4000::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '64:ff9b::8.8.8.8',
    '2002:7f00:1::',
    '2001:0:7f00:1::',
    'fe80::1',
    'fe80::1%eth0',
    '2606:4700::1111%eth0',
    'fc00::1',
    'fd12::1',
    'ff02::1',
    '::',
    '::1',
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.255.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '192.168.1.1',
    '192.0.2.1',
    '198.18.0.1',
    '203.0.113.7',
    '224.0.0.1',
    '255.255.255.255',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '127.1',
  ])('%s is not of the public internet', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  test.each(['8.8.8.8', '1.1.1.1', '2606:4700::1111', '2a00:1450:4001::1', '::ffff:8.8.8.8'])(
    '%s is',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );

  test('no spelling of an address inside gets through a URL', async () => {
    const spellings = fc
      .tuple(fc.constantFrom(10, 127), fc.nat(255), fc.nat(255), fc.nat(255))
      .chain((bytes) => {
        const [a, b, c, d] = bytes;
        const number = ((a * 256 + b) * 256 + c) * 256 + d;
        const hex = (n: number) => n.toString(16);
        return fc.constantFrom(
          bytes.join('.'),
          String(number),
          `0x${hex(number)}`,
          bytes.map((byte) => `0${byte.toString(8)}`).join('.'),
          bytes.map((byte) => `0x${hex(byte)}`).join('.'),
          `${a}.${b}.${c * 256 + d}`,
          `${bytes.join('.')}.`,
          `[::ffff:${bytes.join('.')}]`,
          `[::ffff:${hex(a * 256 + b)}:${hex(c * 256 + d)}]`,
          `[::${hex(a * 256 + b)}:${hex(c * 256 + d)}]`,
          `[64:ff9b::${bytes.join('.')}]`,
          `[2002:${hex(a * 256 + b)}:${hex(c * 256 + d)}::]`,
        );
      });
    await fc.assert(
      fc.asyncProperty(spellings, async (host) => {
        // Whatever the URL makes of it: an address inside, or a name, which leads inside.
        const leading = targetsOf(new URL(`https://${host}/`), soon(), { resolve: resolvingTo('10.0.0.1') });
        await expect(leading).rejects.toBeInstanceOf(PrivateAddressError);
      }),
      { numRuns: 300 },
    );
  });

  test('a name goes to what it was resolved to, once, and stays the name for TLS and HTTP', async () => {
    let asked = 0;
    const resolve: Resolver = async (host) => {
      expect(host).toBe('node.example');
      asked += 1;
      return asked === 1 ? ['8.8.8.8', '2606:4700::1111'] : ['127.0.0.1'];
    };
    const url = new URL('https://node.example:8443/v1/info?a=b');
    const tls = { serverName: 'node.example' };
    const headers = { host: 'node.example:8443' };
    expect(await targetsOf(url, soon(), { resolve })).toEqual([
      { url: 'https://8.8.8.8:8443/v1/info?a=b', headers, tls },
      { url: 'https://[2606:4700::1111]:8443/v1/info?a=b', headers, tls },
    ]);
    expect(asked).toBe(1);
    await expect(targetsOf(url, soon(), { resolve })).rejects.toBeInstanceOf(PrivateAddressError);
  });

  test('one address inside among those of a name is enough to refuse it', async () => {
    for (const addresses of [
      ['8.8.8.8', '127.0.0.1'],
      ['::ffff:192.168.0.1'],
      ['fe80::1%eth0'],
      ['2606:4700::1111%eth0'],
      [],
    ]) {
      const leading = targetsOf(new URL('https://node.example/'), soon(), {
        resolve: resolvingTo(...addresses),
      });
      await expect(leading).rejects.toBeInstanceOf(PrivateAddressError);
    }
  });

  test('this machine passes only under its own name, and only where that is permitted', async () => {
    const options = { resolve: resolvingTo('127.0.0.1'), allowLoopback: true };
    expect(await targetsOf(new URL('http://127.0.0.1:1/'), soon(), options)).toHaveLength(1);
    expect(await targetsOf(new URL('http://localhost:1/'), soon(), options)).toMatchObject([
      { url: 'http://127.0.0.1:1/' },
    ]);
    for (const [url, permitted] of [
      ['http://node.example/', options],
      ['http://127.0.0.1/', {}],
      ['http://10.0.0.1/', options],
    ] as const) {
      await expect(targetsOf(new URL(url), soon(), permitted)).rejects.toBeInstanceOf(PrivateAddressError);
    }
  });
});

describe('a request to an address that somebody else chose', () => {
  const folder = mkdtempSync(join(tmpdir(), 'guard-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const openssl = (...args: readonly string[]) => {
    const { success, stderr } = Bun.spawnSync(['openssl', ...args], {
      cwd: folder,
      stdout: 'ignore',
      stderr: 'pipe',
    });
    if (!success) throw new Error(stderr.toString());
  };
  openssl(
    ...[
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'key.pem',
      '-out',
      'cert.pem',
      '-days',
      '1',
    ],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
  );
  const certificate = readFileSync(join(folder, 'cert.pem'), 'utf8');

  test('shows the certificate of the name, not of the address, and is told for which name it was asked', async () => {
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      tls: { cert: certificate, key: readFileSync(join(folder, 'key.pem'), 'utf8') },
      fetch: (request) => new Response(request.headers.get('host')),
    });
    const resolve = resolvingTo('127.0.0.1');
    const guarded = createGuardedFetch({ resolve, allowLoopback: true });
    // Nobody vouches for this certificate.
    await expect(guarded(`https://localhost:${server.port}/`, { signal: soon() })).rejects.toMatchObject({
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
    const [target] = await targetsOf(new URL(`https://localhost:${server.port}/`), soon(), {
      resolve,
      allowLoopback: true,
    });
    const trusting = (serverName: string) =>
      fetch(target.url, { headers: target.headers, tls: { serverName, ca: certificate }, signal: soon() });
    expect(await (await trusting(target.tls?.serverName ?? '')).text()).toBe(`localhost:${server.port}`);
    await expect(trusting('other.example')).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  });

  test('is a WebSocket’s too: the name’s certificate, though the socket goes to the address', async () => {
    let host: string | null = null;
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      tls: { cert: certificate, key: readFileSync(join(folder, 'key.pem'), 'utf8') },
      fetch: (request, upgrading) => {
        host = request.headers.get('host');
        return upgrading.upgrade(request) ? undefined : new Response();
      },
      websocket: { open: (socket) => void socket.send(String(host)), message: () => undefined },
    });
    const url = new URL(`wss://localhost:${server.port}/`);
    const [target] = await targetsOf(url, soon(), { resolve: resolvingTo('127.0.0.1'), allowLoopback: true });
    const greeting = (tls: { readonly serverName?: string; readonly ca?: string }) => {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const socket = new WebSocket(target.url, { headers: target.headers, tls });
      socket.addEventListener('message', ({ data }) => resolve(data));
      socket.addEventListener('error', (event) =>
        reject(event instanceof ErrorEvent ? new Error(event.message) : event),
      );
      return promise.finally(() => socket.terminate());
    };
    expect(await greeting({ ...target.tls, ca: certificate })).toBe(`localhost:${server.port}`);
    await expect(greeting({ ...target.tls })).rejects.toThrow('self signed');
    await expect(greeting({ ca: certificate })).rejects.toThrow('altnames');
    await expect(greeting({ serverName: 'other.example', ca: certificate })).rejects.toThrow('altnames');
  });

  test('tries the next address when nobody listens at the first', async () => {
    using server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('here') });
    const guarded = createGuardedFetch({
      resolve: resolvingTo('127.0.0.9', '127.0.0.1'),
      allowLoopback: true,
    });
    expect(await (await guarded(`http://localhost:${server.port}/`, { signal: soon() })).text()).toBe('here');
  });

  test('follows no redirect unless it is told to, and then looks at each hop', async () => {
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request) => {
        const { pathname, origin } = new URL(request.url);
        if (pathname === '/there') return new Response('there');
        if (pathname === '/inside') return Response.redirect('http://10.0.0.1/', 302);
        if (pathname === '/round') return Response.redirect('/round', 302);
        return Response.redirect(`${origin}/there`, 302);
      },
    });
    const at = (path: string) => `http://127.0.0.1:${server.port}${path}`;
    const still = createGuardedFetch({ allowLoopback: true });
    expect((await still(at('/'), { signal: soon() })).status).toBe(302);
    const following = createGuardedFetch({ allowLoopback: true, encrypted: false, redirects: 3 });
    expect(await (await following(at('/'), { signal: soon() })).text()).toBe('there');
    await expect(following(at('/inside'), { signal: soon() })).rejects.toBeInstanceOf(PrivateAddressError);
    await expect(following(at('/round'), { signal: soon() })).rejects.toBeInstanceOf(RedirectError);
  });

  test('is not sent in the clear, nor with a password in its address', async () => {
    const guarded = createGuardedFetch({ resolve: resolvingTo('8.8.8.8') });
    for (const url of ['http://node.example/', 'https://me:secret@node.example/', 'ftp://node.example/']) {
      await expect(guarded(url, { signal: soon() })).rejects.toBeInstanceOf(PrivateAddressError);
    }
  });
});
