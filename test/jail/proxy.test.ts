import { afterAll, expect, test } from 'bun:test';
import { BlockList, connect, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { mayReach } from '../../src/backends/jail/destinations.ts';
import { endpointsOf } from '../../src/backends/jail/endpoints.ts';
import { createProxy, type ProxyOptions } from '../../src/backends/jail/proxy.ts';
import { upstreamOf } from '../../src/backends/jail/upstream.ts';

const closing: (() => void)[] = [];
afterAll(() => {
  for (const close of closing) close();
});

const listen = async (server: Server, at: string | number): Promise<void> => {
  await new Promise<void>((done) => {
    if (typeof at === 'string') server.listen(at, done);
    else server.listen(at, '127.0.0.1', done);
  });
  closing.push(() => server.close());
};

const openProxy = async (options: Partial<ProxyOptions> = {}): Promise<string> => {
  const path = join(tmpdir(), `proxy-${crypto.randomUUID().slice(0, 8)}.sock`);
  await listen(createProxy({ named: [], ssh: false, environment: {}, ...options }), path);
  return path;
};

/** Everything that comes back for these bytes, until the other side is done. */
const ask = (path: string, request: string): Promise<string> =>
  new Promise((done) => {
    const socket = connect(path);
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', () => done('error'));
    socket.on('close', () => done(answer));
    socket.write(request);
  });
const status = async (path: string, line: string): Promise<string> =>
  (await ask(path, `${line} HTTP/1.1\r\nhost: example.org\r\n\r\n`)).split('\r\n')[0] ?? '';

/** A service that answers with what it was asked. */
const service = createServer({ allowHalfOpen: true }, (socket) => {
  socket.once('data', (chunk: Buffer) =>
    socket.end(`HTTP/1.1 200 OK\r\n\r\nLOOP ${chunk.toString('latin1')}`),
  );
});
await listen(service, 0);
const address = service.address();
const port = typeof address === 'object' && address !== null ? address.port : 0;

const own = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .map(({ address: text, family }) => (family === 'IPv6' ? `[${text.replace(/%.*/, '')}]` : text));

const inside = [
  ...['127.0.0.1', 'localhost', 'localhost.', 'LOCALHOST', '127.1', '127.0.1', '2130706433', '0x7f000001'],
  ...[
    '017700000001',
    '0177.0.0.1',
    '127.0.0.1.',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::ffff:0:7f00:1]',
  ],
  ...['0.0.0.0', '0', '[::]', '[::127.0.0.1]', '[64:ff9b::7f00:1]', '[64:ff9b:1::7f00:1]', '[2002:7f00:1::]'],
  ...['[2001:0:7f00:1::]', '[fe80::1]', '[fd00::2]', '[fec0::1]', '[ff02::1]', '[100::1]', '[2001:db8::1]'],
  ...[
    '169.254.169.254',
    '100.100.100.200',
    '[fd00:ec2::254]',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
  ],
  ...['192.0.2.80', '198.51.100.1', '203.0.113.7', '198.18.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255'],
  ...['printer.local', 'router.lan', 'host.internal', 'intranet', 'foo.localhost'],
  ...own,
];

const blockList = (network?: string): BlockList => {
  const list = new BlockList();
  if (network !== undefined) list.addSubnet(network, 24, 'ipv4');
  return list;
};

test('nothing of this machine or its networks is reached, however it is written', async () => {
  // The names lead to loopback, as a resolver that an attacker writes would have it.
  const path = await openProxy({
    resolve: async () => ['127.0.0.1'],
    named: [{ host: 'x.example', port, local: false }],
  });
  for (const host of [...inside, 'rebound.example']) {
    for (const to of [port, 80, 443]) {
      expect([host, await status(path, `CONNECT ${host}:${to}`)]).toEqual([host, 'HTTP/1.1 403 Forbidden']);
      expect([host, await status(path, `GET http://${host}:${to}/`)]).toEqual([
        host,
        'HTTP/1.1 403 Forbidden',
      ]);
    }
  }
});

test('the probe is sound: what the operator’s configuration names is reached, at that port alone', async () => {
  const path = await openProxy({
    resolve: async () => ['127.0.0.1'],
    named: [
      { host: '127.0.0.1', port, local: false },
      { host: 'ollama.lan', port, local: false },
    ],
  });
  for (const host of ['127.0.0.1', 'ollama.lan', 'OLLAMA.lan.']) {
    expect(await ask(path, `CONNECT ${host}:${port} HTTP/1.1\r\n\r\nhello`)).toContain('LOOP hello');
    expect(await ask(path, `GET http://${host}:${port}/a?b HTTP/1.1\r\nhost: x\r\n\r\n`)).toContain(
      'LOOP GET /a?b HTTP/1.1',
    );
    expect(await status(path, `CONNECT ${host}:${port + 1}`)).toBe('HTTP/1.1 403 Forbidden');
    expect(await status(path, `GET http://${host}/`)).toBe('HTTP/1.1 403 Forbidden');
  }
  expect(await status(path, `CONNECT other.lan:${port}`)).toBe('HTTP/1.1 403 Forbidden');
});

test('public addresses pass, by IPv4 and by IPv6; mail and SSH do not', async () => {
  for (const public_ of ['1.1.1.1', '104.16.0.35', '2606:4700:4700::1111', '2a00:1450::1'])
    expect([public_, mayReach(public_, public_)]).toEqual([public_, true]);
  const path = await openProxy({ resolve: async () => ['1.1.1.1'] });
  for (const to of [22, 25, 465, 587, 3306, 5432, 6379, 8080])
    expect([to, await status(path, `CONNECT example.org:${to}`)]).toEqual([to, 'HTTP/1.1 403 Forbidden']);
});

test('a name may lead to the stand-in addresses of mirrors, unless they are this machine’s network', () => {
  expect(mayReach('registry.example', '203.0.113.7', { addresses: new Set(), networks: blockList() })).toBe(
    true,
  );
  expect(mayReach('203.0.113.7', '203.0.113.7', { addresses: new Set(), networks: blockList() })).toBe(false);
  expect(
    mayReach('registry.example', '203.0.113.7', {
      addresses: new Set(),
      networks: blockList('203.0.113.0'),
    }),
  ).toBe(false);
  expect(mayReach('registry.example', '10.0.0.5', { addresses: new Set(), networks: blockList() })).toBe(
    false,
  );
  expect(
    mayReach('self.example', '1.1.1.1', { addresses: new Set(['1.1.1.1']), networks: blockList() }),
  ).toBe(false);
});

test('of a name’s addresses only the public ones are connected to, and it is looked up once', async () => {
  const asked: string[] = [];
  const path = await openProxy({
    resolve: async (host) => {
      asked.push(host);
      return asked.length === 1 ? ['127.0.0.1', '10.0.0.1'] : ['127.0.0.1'];
    },
  });
  expect(await status(path, 'CONNECT rebinding.example:443')).toBe('HTTP/1.1 403 Forbidden');
  expect(asked).toEqual(['rebinding.example']);
});

test('what is no request to a proxy is refused, and a head without end is cut off', async () => {
  const path = await openProxy();
  for (const line of [
    'GET /',
    'CONNECT a b',
    'GET https://example.org/',
    'GET ftp://example.org/',
    'get http://x/',
  ])
    expect([line, await status(path, line)]).toEqual([line, 'HTTP/1.1 400 Bad Request']);
  for (const target of [
    'example.org',
    'a@b:443',
    'u:p@example.org:443',
    'example.org:443/x',
    'example.org:443#x',
    ':443',
  ])
    expect([target, await status(path, `CONNECT ${target}`)]).toEqual([target, 'HTTP/1.1 400 Bad Request']);
  expect(await ask(path, `GET http://x/ HTTP/1.1\r\nx: ${'y'.repeat(20_000)}`)).toContain(' 431 ');
});

test('headers between proxies stay here, the request goes on as it was', async () => {
  const path = await openProxy({ named: [{ host: '127.0.0.1', port, local: false }] });
  const answer = await ask(
    path,
    `GET http://127.0.0.1:${port}/p HTTP/1.1\r\nHost: 127.0.0.1\r\nProxy-Authorization: Basic c2VjcmV0\r\nConnection: keep-alive\r\nX-Own: 1\r\n\r\n`,
  );
  expect(answer).toContain('X-Own: 1');
  expect(answer).not.toContain('c2VjcmV0');
  expect(answer).not.toContain('keep-alive');
});

test('a proxy with a password serves nobody without it', async () => {
  const path = await openProxy({
    authorization: 'Basic eA==',
    named: [{ host: '127.0.0.1', port, local: false }],
  });
  expect(await status(path, `CONNECT 127.0.0.1:${port}`)).toBe('HTTP/1.1 407 Proxy Authentication Required');
  const line = `CONNECT 127.0.0.1:${port} HTTP/1.1\r\nProxy-Authorization: Basic eA==\r\n\r\n`;
  expect(await ask(path, `${line}hello`)).toContain('LOOP hello');
});

test('32 MiB go through a tunnel unharmed, and an end of input is passed on', async () => {
  const echo = createServer({ allowHalfOpen: true }, (socket: Socket) => socket.pipe(socket));
  await listen(echo, 0);
  const at = echo.address();
  const echoPort = typeof at === 'object' && at !== null ? at.port : 0;
  const path = await openProxy({ named: [{ host: '127.0.0.1', port: echoPort, local: false }] });
  const sent = Buffer.alloc(32 * 1024 * 1024, 'abcdefghijklmnopqrstuvwxyz0123456');
  const received = await new Promise<Buffer>((done, fail) => {
    const socket = connect({ path, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
    socket.on('error', fail);
    socket.on('close', () => done(Buffer.concat(chunks)));
    socket.write(`CONNECT 127.0.0.1:${echoPort} HTTP/1.1\r\n\r\n`);
    socket.end(sent);
  });
  const body = received.subarray(received.indexOf('\r\n\r\n') + 4);
  expect(body.length).toBe(sent.length);
  expect(Bun.hash(body)).toBe(Bun.hash(sent));
}, 60_000);

test('where this machine itself goes through a proxy, so do its agents', async () => {
  const seen: string[] = [];
  const upstream = createServer((socket) => {
    socket.once('data', (chunk: Buffer) => {
      seen.push(chunk.toString('latin1'));
      socket.end('HTTP/1.1 200 Connection established\r\n\r\nUP');
    });
  });
  await listen(upstream, 0);
  const at = upstream.address();
  const url = `http://me:pass@127.0.0.1:${typeof at === 'object' && at !== null ? at.port : 0}`;
  const environment = { HTTPS_PROXY: url, http_proxy: url, NO_PROXY: 'internal.example' };
  const path = await openProxy({
    environment,
    resolve: async (host) =>
      host === 'known.example' ? ['1.1.1.1'] : host === 'evil.example' ? ['10.1.1.1'] : [],
  });
  const expected = `Basic ${Buffer.from('me:pass').toString('base64')}`;
  for (const host of ['known.example', 'unknown.example']) {
    expect(await ask(path, `CONNECT ${host}:443 HTTP/1.1\r\n\r\n`)).toContain('UP');
    expect(seen.at(-1)).toContain(`CONNECT ${host}:443`);
    expect(seen.at(-1)).toContain(`proxy-authorization: ${expected}`);
    expect(await ask(path, `GET http://${host}/p HTTP/1.1\r\nhost: ${host}\r\n\r\n`)).toContain('UP');
    expect(seen.at(-1)).toContain(`GET http://${host}/p HTTP/1.1`);
  }
  expect(await status(path, 'CONNECT evil.example:443')).toBe('HTTP/1.1 403 Forbidden');
  expect(await status(path, 'CONNECT localhost:443')).toBe('HTTP/1.1 403 Forbidden');
  expect(upstreamOf(environment, 'https', 'a.internal.example')).toBeUndefined();
  expect(upstreamOf({ all_proxy: 'socks5://127.0.0.1:1' }, 'https', 'x.example')).toBeUndefined();
});

test('the services of an opencode configuration, and which of them are on this machine', () => {
  const config = {
    provider: {
      ollama: { options: { baseURL: 'http://localhost:11434/v1' } },
      studio: { api: 'http://127.0.0.1:1234/v1' },
      any: { options: { baseURL: 'http://0.0.0.0:8000' } },
      lan: { options: { baseURL: 'https://llm.lan:8443/v1' } },
      six: { options: { baseURL: 'http://[::1]:9000/v1' } },
      variable: { options: { baseURL: '{env:LLM}/v1' } },
      odd: { options: { baseURL: 'not a url' } },
      broken: 7,
      none: {},
    },
    mcp: { tools: { type: 'remote', url: 'http://127.0.0.1:7000/mcp' }, local: { command: ['x'] } },
  };
  expect(endpointsOf(config, { LLM: 'http://10.0.0.9:80' })).toEqual([
    { host: 'localhost', port: 11434, local: true },
    { host: '127.0.0.1', port: 1234, local: true },
    { host: '0.0.0.0', port: 8000, local: true },
    { host: 'llm.lan', port: 8443, local: false },
    { host: '::1', port: 9000, local: true },
    { host: '10.0.0.9', port: 80, local: false },
    { host: '127.0.0.1', port: 7000, local: true },
  ]);
  expect(endpointsOf('nonsense', {})).toEqual([]);
});
