import { assertPublicName, PrivateAddressError, type PublicHostOptions } from '@nostr-dm-agent/kit/net';
import type { RelayUrl } from '../types.ts';
import { hostOf, RelayUrlError } from './url.ts';

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
  try {
    await assertPublicName(hostOf(url), signal, options);
  } catch (cause) {
    if (!(cause instanceof PrivateAddressError)) throw cause;
    throw new RelayUrlError('a private or local address', cause.host, { cause });
  }
}
