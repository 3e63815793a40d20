import { connect, isIP, type Socket } from 'node:net';
import type { ProxyAddress } from './proxy-address.ts';

/** Why no connection came about through a SOCKS proxy. */
export type SocksProblem =
  /** The proxy itself: nobody listens there, it does not answer, it wants another login, it speaks something else. */
  | { readonly of: 'proxy'; readonly why: 'unreachable' | 'login' | 'not_socks' }
  /** The proxy works and could not get there. `why`: in its own words (RFC 1928 §6). */
  | { readonly of: 'target'; readonly why: string };

/** Nothing was sent to whoever was to be reached. */
export class SocksError extends Error {
  override readonly name = 'SocksError';
  readonly problem: SocksProblem;
  constructor(problem: SocksProblem, cause?: unknown) {
    super(`SOCKS: ${problem.why}`, { cause });
    this.problem = problem;
  }
}

/** Onion services may need several circuits. Callers have timeouts of their own, which are mostly shorter. */
const timeoutMs = 120_000;

const refusals: Readonly<Record<number, string>> = {
  1: 'general failure',
  2: 'not allowed by its rules',
  3: 'network unreachable',
  4: 'host unreachable',
  5: 'connection refused',
  6: 'timed out',
  7: 'command not supported',
  8: 'address type not supported',
  // Tor's, when it is told to be exact (ExtendedErrors).
  240: 'onion service not found',
  241: 'onion service address is invalid',
  242: 'onion service could not be reached',
  243: 'onion service could not be reached',
  244: 'onion service wants authorisation',
  245: 'onion service wants another authorisation',
  246: 'onion service address is invalid',
  247: 'onion service timed out',
};

/**
 * A TCP connection to `host:port` through a SOCKS5 proxy (RFC 1928, CONNECT; login by RFC 1929). Names are handed to the
 * proxy as they are: nothing is resolved here but the proxy's own name. Whoever gets the socket closes it.
 *
 * @throws SocksError, or the signal's reason
 */
export const connectThrough = (
  proxy: ProxyAddress,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<Socket> => begin(proxy, (socket, bytes) => ask(socket, bytes, host, port), signal);

/** Whether the proxy is there and lets us in; it is asked for no connection. @throws as {@link connectThrough} */
export async function greetProxy(proxy: ProxyAddress, signal: AbortSignal): Promise<void> {
  (await begin(proxy, async () => {}, signal)).destroy();
}

async function begin(
  proxy: ProxyAddress,
  go: (socket: Socket, bytes: Reader) => Promise<void>,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted();
  const socket = connect({ host: proxy.host, port: proxy.port });
  socket.setNoDelay(true);
  const bytes = createReader(socket);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const leave = () => socket.destroy();
  limit.addEventListener('abort', leave, { once: true });
  try {
    await bytes.connected();
    await greet(socket, bytes, proxy);
    await go(socket, bytes);
    bytes.release();
    return socket;
  } catch (cause) {
    socket.destroy();
    signal.throwIfAborted();
    throw cause instanceof SocksError ? cause : new SocksError({ of: 'proxy', why: 'unreachable' }, cause);
  } finally {
    limit.removeEventListener('abort', leave);
  }
}

type Reader = ReturnType<typeof createReader>;

async function greet(socket: Socket, bytes: Reader, { login }: ProxyAddress): Promise<void> {
  socket.write(login === undefined ? Buffer.from([5, 1, 0]) : Buffer.from([5, 2, 0, 2]));
  const [version, method] = await bytes.take(2);
  if (version !== 5) throw new SocksError({ of: 'proxy', why: 'not_socks' });
  if (method === 0) return;
  if (method !== 2 || login === undefined) throw new SocksError({ of: 'proxy', why: 'login' });
  const [user, password] = [Buffer.from(login.user), Buffer.from(login.password)];
  socket.write(
    Buffer.concat([Buffer.from([1, user.length]), user, Buffer.from([password.length]), password]),
  );
  const [, status] = await bytes.take(2);
  if (status !== 0) throw new SocksError({ of: 'proxy', why: 'login' });
}

async function ask(socket: Socket, bytes: Reader, host: string, port: number): Promise<void> {
  socket.write(
    Buffer.concat([Buffer.from([5, 1, 0]), addressBytes(host), Buffer.from([port >> 8, port & 255])]),
  );
  const [version, status, , kind] = await bytes.take(4);
  if (version !== 5) throw new SocksError({ of: 'proxy', why: 'not_socks' });
  if (status !== 0) {
    throw new SocksError({ of: 'target', why: refusals[status ?? 0] ?? `refused (${status})` });
  }
  // Where the proxy is bound: nobody needs it, but it has to be read.
  const length = kind === 1 ? 4 : kind === 4 ? 16 : ((await bytes.take(1))[0] ?? 0);
  await bytes.take(length + 2);
}

function addressBytes(host: string): Buffer {
  if (isIP(host) === 4) return Buffer.from([1, ...host.split('.').map(Number)]);
  if (isIP(host) === 6) return Buffer.concat([Buffer.from([4]), ipv6Bytes(host)]);
  const name = Buffer.from(host);
  if (name.length === 0 || name.length > 255) throw new SocksError({ of: 'target', why: 'no such name' });
  return Buffer.concat([Buffer.from([3, name.length]), name]);
}

/** As a URL writes it: hexadecimal groups, at most one `::`. */
function ipv6Bytes(host: string): Buffer {
  const groups = (text: string) => text.split(':').filter((group) => group !== '');
  const [head = '', tail = ''] = host.split('::');
  const [first, last] = [groups(head), groups(tail)];
  const gap = Array<string>(8 - first.length - last.length).fill('0');
  const words = [...first, ...gap, ...last].map((group) => Number.parseInt(group, 16));
  return Buffer.from(words.flatMap((word) => [word >> 8, word & 255]));
}

/** Reads a socket by counts; what came beyond them is put back when it is released. */
function createReader(socket: Socket) {
  let held = Buffer.alloc(0);
  let failure: unknown;
  let ended = false;
  let isOpen = false;
  let wake: () => void = () => {};
  const onData = (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    wake();
  };
  const onError = (error: unknown) => {
    failure = error;
    ended = true;
    wake();
  };
  const onEnd = () => {
    ended = true;
    wake();
  };
  const onConnect = () => {
    isOpen = true;
    wake();
  };
  socket.on('connect', onConnect).on('data', onData).on('error', onError).on('end', onEnd).on('close', onEnd);
  const until = async (isThere: () => boolean) => {
    while (!isThere()) {
      if (ended) throw failure ?? new SocksError({ of: 'proxy', why: isOpen ? 'not_socks' : 'unreachable' });
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return {
    connected: () => until(() => isOpen),
    take: async (count: number): Promise<Buffer> => {
      await until(() => held.length >= count);
      const taken = held.subarray(0, count);
      held = held.subarray(count);
      return taken;
    },
    release: () => {
      socket.pause();
      socket
        .off('connect', onConnect)
        .off('data', onData)
        .off('error', onError)
        .off('end', onEnd)
        .off('close', onEnd);
      if (held.length > 0) socket.unshift(held);
    },
  };
}
