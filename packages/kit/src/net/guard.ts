import { lookup } from 'node:dns/promises';
import { untilAborted } from '../abort.ts';
import { type Fetch, neverSent } from '../http.ts';
import { isAddress, isLoopbackHost, isPublicAddress, unbracketed } from './address.ts';
import { isProxied, isReachable, mayBePlain, outwardFetch, wayOut } from './way-out.ts';

/** All addresses of a DNS name, as text. Rejects when there are none. */
export type Resolver = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/** The system's resolver (`getaddrinfo`), in the order in which it would be tried. */
const systemResolver: Resolver = async (host) => {
  const found = await lookup(host, { all: true, verbatim: true });
  return found.map(({ address }) => address);
};

export type GuardOptions = {
  readonly resolve?: Resolver;
  /** Let this machine pass (tests and the sandbox). */
  readonly allowLoopback?: boolean;
};

/** A host that somebody else chose leads into this machine or its networks. `host`: as it was given. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';
  /** Nothing was sent: {@link neverSent} says so too. */
  readonly code = 'ADDRESS_REFUSED';
  readonly host: string;
  constructor(host: string) {
    super(`${host} is a private or local address`);
    this.host = host;
  }
}

/** Where a connection goes: an address instead of the name, and what makes it the name's all the same. Through a proxy: the name. */
export type Target = {
  readonly url: string;
  /** The name, for HTTP. */
  readonly headers: Readonly<Record<string, string>>;
  /** The name whose certificate has to be shown. Absent for an address, which is checked as itself. */
  readonly tls: { readonly serverName: string } | undefined;
  /** The process's way out, for Bun's WebSocket; undefined: directly. Secret. */
  readonly proxy?: string | undefined;
};

/** Where the connections to a service go whose address the operator chose. */
export const ownTarget = async (url: string): Promise<Target> => ({
  url,
  headers: {},
  tls: undefined,
  proxy: await wayOut(),
});

/** So many addresses of a name are tried. */
const mostTargets = 4;

/**
 * Where the connections to a service may go whose address somebody else chose: its name is resolved once, every address
 * it has must be one of the public internet, and the connection goes to what was resolved. A name that leads elsewhere
 * when it is asked again (DNS rebinding) leads nowhere.
 *
 * Where there is a proxy (`BOT_PROXY`), names are resolved by it and not here: then what the guard knows of a name is its
 * ending, and what a name leads to is for the proxy to refuse (Tor does so). Addresses are looked at all the same.
 *
 * @returns at least one target, in the resolver's order
 * @throws PrivateAddressError
 * @throws the resolver's error when the name can't be resolved, or the signal's reason
 */
export async function targetsOf(
  url: URL,
  signal: AbortSignal,
  options: GuardOptions = {},
): Promise<readonly [Target, ...Target[]]> {
  signal.throwIfAborted();
  const host = unbracketed(url.hostname);
  const here = options.allowLoopback === true && isLoopbackHost(host);
  const literal = isAddress(host);
  if (isProxied() && !literal) {
    if (!here && !isReachable(host)) throw new PrivateAddressError(host);
    return [await ownTarget(url.href)];
  }
  const proxy = await wayOut();
  const addresses = literal
    ? [host]
    : await untilAborted((options.resolve ?? systemResolver)(host, signal), signal);
  const permitted = (address: string) => isPublicAddress(address) || (here && isLoopbackHost(address));
  const [first, ...rest] = addresses;
  if (first === undefined || !addresses.every(permitted)) throw new PrivateAddressError(host);
  const target = (address: string): Target => {
    const direct = new URL(url);
    direct.hostname = address.includes(':') ? `[${address}]` : address;
    // What a URL can't have as its host it passes over in silence, and would keep the name.
    if (!isAddress(direct.hostname)) throw new PrivateAddressError(host);
    return {
      url: direct.href,
      headers: literal ? {} : { host: url.host },
      // A certificate names no root dot.
      tls: literal ? undefined : { serverName: host.replace(/\.$/, '') },
      proxy,
    };
  };
  return [target(first), ...rest.slice(0, mostTargets - 1).map(target)];
}

/** A redirect led further than was permitted, or to something that is no web address. */
export class RedirectError extends Error {
  override readonly name = 'RedirectError';
  readonly host: string;
  constructor(host: string) {
    super(`${host} sends elsewhere`);
    this.host = host;
  }
}

type GuardedFetchOptions = GuardOptions & {
  /** How many redirects are followed, each checked like the first address; only for requests without a body. Default: 0. */
  readonly redirects?: number;
  /** https alone, but for this machine where it is permitted. Default: true. */
  readonly encrypted?: boolean;
};

/**
 * `fetch` for addresses that somebody else chose. Certificates are checked for the name that was asked for. With
 * `redirects` 0 an answer that redirects is given back as it is.
 *
 * The promise rejects with PrivateAddressError, RedirectError, or what `fetch` rejects with.
 */
export const createGuardedFetch =
  (options: GuardedFetchOptions = {}): Fetch =>
  async (address, init = {}) => {
    const signal = init.signal ?? new AbortController().signal;
    const hops = options.redirects ?? 0;
    let url = new URL(String(address));
    for (let hop = 0; ; hop++) {
      requireWeb(url, options);
      const response = await fetchFirst(await targetsOf(url, signal, options), {
        ...init,
        redirect: 'manual',
      });
      const location =
        response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
      if (location === null || hops === 0) return response;
      await response.body?.cancel();
      const next = URL.parse(location, url.href);
      if (hop >= hops || next === null) throw new RedirectError(url.host);
      url = next;
    }
  };

function requireWeb(url: URL, { encrypted = true, allowLoopback = false }: GuardedFetchOptions): void {
  const permitted = () => mayBePlain(url.hostname) && (allowLoopback || !isLoopbackHost(url.hostname));
  const plain = url.protocol === 'http:' && (!encrypted || permitted());
  if ((url.protocol !== 'https:' && !plain) || url.username !== '' || url.password !== '') {
    throw new PrivateAddressError(url.host);
  }
}

/** The next address is tried only when the request never left for the one before. */
async function fetchFirst(targets: readonly Target[], init: RequestInit): Promise<Response> {
  let refused: unknown;
  for (const { url, headers, tls } of targets) {
    try {
      return await outwardFetch(url, {
        ...init,
        headers: { ...Object.fromEntries(new Headers(init.headers)), ...headers },
        ...(tls === undefined ? {} : { tls }),
      });
    } catch (error) {
      if (!neverSent(error)) throw error;
      refused = error;
    }
  }
  throw refused;
}
