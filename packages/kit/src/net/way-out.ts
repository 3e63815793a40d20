import { errorCode } from '../error-code.ts';
import type { Fetch } from '../http.ts';
import { isLoopbackHost, isOutside } from './address.ts';
import type { Bridge } from './bridge.ts';
import type { ProxyAddress } from './proxy-address.ts';
import type { SocksProblem } from './socks.ts';

/**
 * How this process reaches others: directly, or through a SOCKS proxy. It is the process's and nobody's option, because a
 * single connection that is made past it tells what the proxy was to hide: whoever connects asks here
 * ({@link outwardFetch}, {@link wayOut}), and lint refuses `fetch` and `WebSocket` elsewhere.
 */
type Way = {
  readonly proxy: ProxyAddress;
  /** Opened when it is first needed. */
  bridge: Promise<Bridge> | undefined;
  report: ProxyReport;
};

/** What was seen of the proxy last. */
export type ProxyReport = {
  /** `host:port`. */
  readonly address: string;
  /** undefined: it works, or nobody has asked it yet. */
  readonly problem: Extract<SocksProblem, { of: 'proxy' }>['why'] | undefined;
};

let way: Way | undefined;
const listeners = new Set<(report: ProxyReport) => void>();

/** The proxy refused, or could not be asked: nothing was sent to whoever was to be reached. */
export class NoWayOutError extends Error {
  override readonly name = 'NoWayOutError';
  /** Nothing was sent: `neverSent` says so too. */
  readonly code = 'NO_WAY_OUT';
}

/** From now on every connection of this process goes through `proxy`; undefined: directly. */
export function leaveThrough(proxy: ProxyAddress | undefined): void {
  void way?.bridge?.then(({ close }) => close());
  way = undefined;
  if (proxy === undefined) return;
  // Bun would go past the proxy for what stands there, `proxy` or not.
  for (const name of ['NO_PROXY', 'no_proxy']) process.env[name] = '';
  const address = `${proxy.host.includes(':') ? `[${proxy.host}]` : proxy.host}:${proxy.port}`;
  way = { proxy, bridge: undefined, report: { address, problem: undefined } };
}

/** Whether connections go through a proxy, which resolves names. */
export const isProxied = (): boolean => way !== undefined;

/** What is known of the proxy; undefined: there is none. */
export const proxyReport = (): ProxyReport | undefined => way?.report;

/** Hears when the proxy ceases to work and when it works again. @returns to stop it */
export function watchProxy(listener: (report: ProxyReport) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** An onion service, which is encrypted and proves its name by itself; only a proxy (Tor) finds it. */
export const isOnion = (host: string): boolean => /\.onion\.?$/i.test(host);

/** Whether plain http or ws may go to `host`: to this machine, and to an onion service where there is a proxy. */
export const mayBePlain = (host: string): boolean => isLoopbackHost(host) || (isProxied() && isOnion(host));

/** Whether an address that somebody else chose may be tried: see `isOutside`, and onion services where there is a proxy. */
export const isReachable = (host: string): boolean => isOutside(host) || (isProxied() && isOnion(host));

/** For `proxy` of Bun's WebSocket; undefined: directly. Secret. */
export async function wayOut(): Promise<string | undefined> {
  return (await bridgeOf(way))?.url;
}

/** `fetch`, by the process's way out. Rejects with what `fetch` rejects with, or NoWayOutError. */
export const outwardFetch: Fetch = async (url, init) => {
  const bridge = await bridgeOf(way);
  if (bridge === undefined) return fetch(url, init);
  const plain = new URL(String(url)).protocol === 'http:';
  let response: Response;
  try {
    response = await fetch(url, { ...init, proxy: bridge.url, ...(plain ? { keepalive: false } : {}) });
  } catch (error) {
    if (errorCode(error) !== 'ERR_PROXY_TUNNEL' || !(error instanceof Error)) throw error;
    throw new NoWayOutError(error.message.replace(/^.*: \d+ /, ''), { cause: error });
  }
  if (response.headers.get(bridge.mark.name) !== bridge.mark.value) return response;
  await response.body?.cancel();
  throw new NoWayOutError(response.statusText);
};

function bridgeOf(current: Way | undefined): Promise<Bridge> | undefined {
  if (current === undefined) return undefined;
  current.bridge ??= openBridgeTo(current);
  return current.bridge;
}

async function openBridgeTo(current: Way): Promise<Bridge> {
  // Not loaded where there is no proxy.
  const [{ openBridge }, { connectThrough, SocksError }] = await Promise.all([
    import('./bridge.ts'),
    import('./socks.ts'),
  ]);
  return openBridge(async (host, port, signal) => {
    try {
      const socket = await connectThrough(current.proxy, host, port, signal);
      note(current, undefined);
      return socket;
    } catch (error) {
      if (!(error instanceof SocksError)) throw error;
      note(current, error.problem.of === 'proxy' ? error.problem.why : undefined);
      throw new NoWayOutError(describe(error.problem), { cause: error });
    }
  });
}

function note(current: Way, problem: ProxyReport['problem']): void {
  if (current !== way || current.report.problem === problem) return;
  current.report = { ...current.report, problem };
  for (const listener of listeners) listener(current.report);
}

/** Stands in status lines and errors: no line break, no secret. */
const describe = (problem: SocksProblem): string =>
  problem.of === 'target' ? `the proxy says: ${problem.why}` : proxyProblems[problem.why];

const proxyProblems = {
  unreachable: 'the proxy (BOT_PROXY) does not answer',
  login: 'the proxy (BOT_PROXY) refuses its user or password',
  not_socks: 'what answers at BOT_PROXY is no SOCKS5 proxy',
} satisfies Record<Extract<SocksProblem, { of: 'proxy' }>['why'], string>;

/** Asks the proxy whether it lets us in. @returns what is wrong; undefined: nothing. @throws the signal's reason */
export async function tryProxy(proxy: ProxyAddress, signal: AbortSignal): Promise<ProxyReport['problem']> {
  const { greetProxy, SocksError } = await import('./socks.ts');
  try {
    await greetProxy(proxy, signal);
    return undefined;
  } catch (error) {
    if (!(error instanceof SocksError)) throw error;
    return error.problem.of === 'proxy' ? error.problem.why : undefined;
  }
}
