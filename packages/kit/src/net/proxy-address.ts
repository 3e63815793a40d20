/** A SOCKS5 proxy that resolves names itself. */
export type ProxyAddress = {
  /** A name or an address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
  /** RFC 1929; undefined: none is asked for. Secret. */
  readonly login: { readonly user: string; readonly password: string } | undefined;
};

/** Why a text is no address of a proxy. */
export type ProxyAddressProblem = 'not_a_url' | 'resolves_here' | 'not_socks' | 'no_port' | 'login' | 'more';

/** `BOT_PROXY` can't be read. The text itself is not kept: it may hold a password. */
export class ProxyAddressError extends Error {
  override readonly name = 'ProxyAddressError';
  readonly problem: ProxyAddressProblem;
  constructor(problem: ProxyAddressProblem) {
    super(`no address of a SOCKS5 proxy: ${problem}`);
    this.problem = problem;
  }
}

/** Reads `socks5h://[user:password@]host:port`. @throws ProxyAddressError */
export function parseProxy(text: string): ProxyAddress {
  const url = URL.parse(text);
  if (url === null) throw new ProxyAddressError('not_a_url');
  // With socks5:// names would be resolved on this machine, where everybody sees what is asked for.
  if (/^socks(4|4a|5)?:$/.test(url.protocol)) throw new ProxyAddressError('resolves_here');
  if (url.protocol !== 'socks5h:') throw new ProxyAddressError('not_socks');
  if (url.hostname === '') throw new ProxyAddressError('not_a_url');
  if (url.port === '' || url.port === '0') throw new ProxyAddressError('no_port');
  if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '') {
    throw new ProxyAddressError('more');
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(url.port), login: readLogin(url) };
}

function readLogin({ username, password }: URL): ProxyAddress['login'] {
  if (username === '' && password === '') return undefined;
  let login: { user: string; password: string };
  try {
    login = { user: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    throw new ProxyAddressError('login');
  }
  // RFC 1929: one byte counts each.
  const fits = (part: string) => part !== '' && Buffer.byteLength(part) <= 255;
  if (!fits(login.user) || !fits(login.password)) throw new ProxyAddressError('login');
  return login;
}
