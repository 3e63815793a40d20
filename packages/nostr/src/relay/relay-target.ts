import { type GuardOptions, PrivateAddressError, type Target, targetsOf } from '@nostr-dm-agent/kit/net';
import type { RelayUrl } from '../nostr-types.ts';
import { RelayUrlError } from './relay-url.ts';

/**
 * The addresses of a relay that somebody else chose, all of them on the public internet; its name is resolved once and
 * the socket goes to one of them.
 * @throws RelayUrlError an address is private, local or reserved
 * @throws the resolver's error when the name can't be resolved, or the signal's reason
 */
export async function relayTargets(
  url: RelayUrl,
  signal: AbortSignal,
  options: GuardOptions = {},
): Promise<readonly [Target, ...Target[]]> {
  try {
    return await targetsOf(new URL(url), signal, options);
  } catch (cause) {
    if (!(cause instanceof PrivateAddressError)) throw cause;
    throw new RelayUrlError('a private or local address', cause.host, { cause });
  }
}
