import type { ProxyReport } from '@nostr-dm-agent/kit/net';

type ProxyProblem = NonNullable<ProxyReport['problem']>;

/** Continues the proxy's address. */
export const proxyProblem = (problem: ProxyProblem): string => problems[problem];

const problems: Record<ProxyProblem, string> = {
  unreachable: 'does not answer, so nothing of the bot gets out',
  login: 'refuses its user or password, so nothing of the bot gets out',
  not_socks: 'is no SOCKS5 proxy, so nothing of the bot gets out',
};

export const proxyRemedies: Record<ProxyProblem, string> = {
  unreachable: 'see if it runs (systemctl status tor) and if BOT_PROXY has its address; the bot keeps trying',
  login: 'see user and password in BOT_PROXY',
  not_socks: 'see the port in BOT_PROXY (Tor’s SOCKS port is 9050, of the Tor Browser 9150)',
};

/** For `!status`. */
export const proxyLine = ({ address, problem }: ProxyReport): string =>
  problem === undefined ? `Proxy: through ${address}` : `Proxy: ${address} ${proxyProblem(problem)}`;
