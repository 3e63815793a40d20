import { lookup } from 'node:dns/promises';
import { untilAborted } from '../abort.ts';
import { isAddress, isLoopbackHost, isPublicAddress } from './address.ts';

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

/** A host that somebody else chose leads into this machine or its networks. `host`: as it was given. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';
  readonly host: string;
  constructor(host: string) {
    super(`${host} is a private or local address`);
    this.host = host;
  }
}

/**
 * Checks, before a service that somebody else chose is connected to, that its name leads to the public internet with
 * every address it has.
 * @param host a name, or an address without brackets
 * @throws PrivateAddressError an address is private, local or reserved
 * @throws the resolver's error when the name can't be resolved, or the signal's reason
 */
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
    throw new PrivateAddressError(host);
  }
}
