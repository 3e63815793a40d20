import { isLoopbackHost, isOnion, isReachable, mayBePlain, unbracketed } from '@nostr-dm-agent/kit/net';
import type { RelayUrl } from '../nostr-types.ts';

/** Why a text is not a relay URL that may be used. */
type RelayUrlProblem =
  | 'not a URL'
  | 'not ws:// or wss://'
  | 'unencrypted ws:// to a host that is not this machine'
  | 'an onion service, which only BOT_PROXY reaches'
  | 'credentials in the URL'
  | 'a fragment in the URL'
  | 'too long'
  | 'a private or local address';

/** A relay URL that is refused. `host` is undefined when the text is no URL at all; the text itself is not kept. */
export class RelayUrlError extends Error {
  override readonly name = 'RelayUrlError';
  readonly reason: RelayUrlProblem;
  readonly host: string | undefined;
  constructor(reason: RelayUrlProblem, host: string | undefined, options?: ErrorOptions) {
    super(`relay URL${host === undefined ? '' : ` of ${host}`} refused: ${reason}`, options);
    this.reason = reason;
    this.host = host;
  }
}

const MAX_LENGTH = 512;

/**
 * Reads the URL of a relay that the operator chose: `wss://…`, or `ws://…` when the host is this machine.
 * The result is normalised: lower-case host, no default port, no slash after a bare host.
 * @throws RelayUrlError
 */
export function parseRelayUrl(text: string): RelayUrl {
  if (text.length > MAX_LENGTH) throw new RelayUrlError('too long', undefined);
  const url = URL.parse(text.trim());
  if (url === null) throw new RelayUrlError('not a URL', undefined);
  const host = url.hostname;
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') throw new RelayUrlError('not ws:// or wss://', host);
  if (host === '') throw new RelayUrlError('not a URL', undefined);
  if (url.username !== '' || url.password !== '') throw new RelayUrlError('credentials in the URL', host);
  // An empty fragment leaves `hash` empty, but WebSocket refuses the `#` all the same.
  if (url.href.includes('#')) throw new RelayUrlError('a fragment in the URL', host);
  if (url.protocol === 'ws:' && !mayBePlain(host)) {
    if (isOnion(host)) throw new RelayUrlError('an onion service, which only BOT_PROXY reaches', host);
    throw new RelayUrlError('unencrypted ws:// to a host that is not this machine', host);
  }
  const path = url.pathname === '/' && url.search === '' ? '' : url.pathname;
  return `${url.protocol}//${url.host}${path}${url.search}` as RelayUrl;
}

/**
 * Reads a relay URL that somebody else chose (a kind 10050 or 10002 tag): as {@link parseRelayUrl}, and never an
 * address inside this machine or its networks. A DNS name may still resolve to one: `assertPublicHost` looks.
 * @param options.allowLoopback this machine is permitted (tests and the sandbox, whose relays are all on loopback)
 * @throws RelayUrlError
 */
export function parseForeignRelayUrl(
  text: string,
  options: { readonly allowLoopback?: boolean } = {},
): RelayUrl {
  const relayUrl = parseRelayUrl(text);
  const host = hostOf(relayUrl);
  if (options.allowLoopback === true && isLoopbackHost(host)) return relayUrl;
  if (!isReachable(host)) {
    throw new RelayUrlError('a private or local address', host);
  }
  return relayUrl;
}

/** The host of a relay URL without port; an IPv6 address without its brackets. */
export const hostOf = (url: RelayUrl): string => unbracketed(new URL(url).hostname);
