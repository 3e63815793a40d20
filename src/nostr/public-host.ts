import { lookup } from 'node:dns/promises';
import { hostOf, isAddress, isLoopbackHost, isPublicAddress, RelayUrlError } from './relay-url.ts';
import type { RelayUrl } from './types.ts';

/** All addresses of a DNS name, as text. Rejects when there are none. */
export type Resolver = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/** The system's resolver (`getaddrinfo`): the one that the WebSocket will use too. */
export const systemResolver: Resolver = async (host) => {
  const found = await lookup(host, { all: true, verbatim: true });
  return found.map(({ address }) => address);
};

export type PublicHostOptions = {
  readonly resolve?: Resolver;
  /** Let loopback pass (tests and the sandbox). */
  readonly allowLoopback?: boolean;
};

/**
 * Checks, before a relay that somebody else chose is connected to, that its name leads to the public internet with
 * every address it has. (A name that changes between this look-up and the connection's own reaches at most a TLS
 * handshake, which a private host can't complete for that name: foreign relays are `wss://` only.)
 * @throws RelayUrlError an address is private, local or reserved
 * @throws the resolver's error when the name can't be resolved, or the signal's reason
 */
export async function assertPublicHost(
  url: RelayUrl,
  signal: AbortSignal,
  options: PublicHostOptions = {},
): Promise<void> {
  await assertPublicName(hostOf(url), signal, options);
}

/** The same for the host of any service, a name or an address without brackets. */
export async function assertPublicName(
  host: string,
  signal: AbortSignal,
  options: PublicHostOptions = {},
): Promise<void> {
  signal.throwIfAborted();
  if (options.allowLoopback === true && isLoopbackHost(host)) return;
  const addresses = isAddress(host)
    ? [host]
    : await untilAborted((options.resolve ?? systemResolver)(host, signal), signal);
  if (addresses.length === 0 || !addresses.every(isPublicAddress)) {
    throw new RelayUrlError('a private or local address', host);
  }
}

/** `getaddrinfo` can't be cancelled: its late answer is dropped instead. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
