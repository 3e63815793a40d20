import { connect, createServer, type Socket } from 'node:net';

export type SocksProxyOptions = {
  /** What names lead to: a port of 127.0.0.1, by `host` or `host:port`. Every other one is refused (host unreachable). */
  readonly names?: Readonly<Record<string, number>>;
  /** RFC 1929; without it nobody is asked to log in. */
  readonly login?: { readonly user: string; readonly password: string };
  readonly port?: number;
  /** Answers a request with this status instead (RFC 1928 §6). */
  readonly refuseWith?: number;
};

/** A real SOCKS5 proxy on loopback, which knows names that nobody else can resolve, and says what was asked of it. */
export async function startSocksProxy(options: SocksProxyOptions = {}) {
  const asked: { readonly host: string; readonly port: number; readonly byName: boolean }[] = [];
  const open = new Set<Socket>();
  let bytesIn = 0;
  const track = (socket: Socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket)).on('error', () => socket.destroy());
  };
  const server = createServer((client) => {
    track(client);
    void serve(client, options, {
      onRequest: (host, port, byName) => void asked.push({ host, port, byName }),
      onTarget: (target) => {
        track(target);
        target.on('data', (chunk) => {
          bytesIn += chunk.length;
        });
      },
    });
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await new Promise<void>((resolve, reject) => server.once('listening', resolve).once('error', reject));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const { login } = options;
  return {
    port,
    url: `socks5h://${login === undefined ? '' : `${login.user}:${login.password}@`}127.0.0.1:${port}`,
    /** Every request, in order. */
    asked: () => asked,
    hosts: () => [...new Set(asked.map(({ host }) => host))].sort(),
    open: () => open.size,
    bytesIn: () => bytesIn,
    stop: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
export type TestSocksProxy = Awaited<ReturnType<typeof startSocksProxy>>;

async function serve(
  client: Socket,
  { names = {}, login, refuseWith }: SocksProxyOptions,
  seen: {
    readonly onRequest: (host: string, port: number, byName: boolean) => void;
    readonly onTarget: (target: Socket) => void;
  },
): Promise<void> {
  try {
    const take = reader(client);
    const [version, count = 0] = await take(2);
    if (version !== 5) return void client.destroy();
    const wanted = login === undefined ? 0 : 2;
    const methods = await take(count);
    if (!methods.includes(wanted)) return void client.end(Buffer.from([5, 0xff]));
    client.write(Buffer.from([5, wanted]));
    if (login !== undefined) {
      const [, userLength = 0] = await take(2);
      const user = (await take(userLength)).toString();
      const [passwordLength = 0] = await take(1);
      const right = user === login.user && (await take(passwordLength)).toString() === login.password;
      client.write(Buffer.from([1, right ? 0 : 1]));
      if (!right) return void client.end();
    }
    const [, , , kind] = await take(4);
    const host = await readHost(kind, take);
    const port = (await take(2)).readUInt16BE();
    seen.onRequest(host, port, kind === 3);
    const to = names[`${host}:${port}`] ?? names[host];
    const answer = (status: number) => client.write(Buffer.from([5, status, 0, 1, 0, 0, 0, 0, 0, 0]));
    if (refuseWith !== undefined || to === undefined) {
      answer(refuseWith ?? 4);
      return void client.end();
    }
    const target = connect(to, '127.0.0.1');
    seen.onTarget(target);
    target.once('error', () => {
      answer(5);
      client.end();
    });
    target.once('connect', () => {
      answer(0);
      client.pipe(target);
      target.pipe(client);
    });
    client.once('close', () => target.destroy());
    target.once('close', () => client.destroySoon());
  } catch {
    client.destroy();
  }
}

type Take = (count: number) => Promise<Buffer>;

async function readHost(kind: number | undefined, take: Take): Promise<string> {
  if (kind === 1) return (await take(4)).join('.');
  if (kind === 3) return (await take((await take(1))[0] ?? 0)).toString();
  const bytes = await take(16);
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(':');
}

function reader(socket: Socket): Take {
  return async (count) => {
    for (;;) {
      const chunk: Buffer | null = count === 0 ? Buffer.alloc(0) : socket.read(count);
      if (chunk !== null) return chunk;
      if (socket.destroyed || socket.readableEnded) throw new Error('the client left');
      await new Promise<void>((resolve) => {
        const done = () => {
          socket.off('readable', done).off('close', done).off('end', done);
          resolve();
        };
        socket.on('readable', done).on('close', done).on('end', done);
      });
    }
  };
}
