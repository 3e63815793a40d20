import { unbracketed } from '@nostr-dm-agent/kit/net';

/** A proxy that this machine itself goes through, from the environment of whoever runs the bot. */
export type Upstream = {
  readonly host: string;
  readonly port: number;
  /** Value of `Proxy-Authorization`. Secret. */
  readonly authorization: string | undefined;
};

const parse = (value: string | undefined): Upstream | undefined => {
  const url = value === undefined ? null : URL.parse(/^\w+:\/\//.test(value) ? value : `http://${value}`);
  if (url?.protocol !== 'http:') return undefined;
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    host: unbracketed(url.hostname),
    port: Number(url.port) || 80,
    authorization: user === ':' ? undefined : `Basic ${Buffer.from(user).toString('base64')}`,
  };
};

/** Which upstream proxy a request to `host` takes; undefined: none. As curl reads the usual variables. */
export const upstreamOf = (
  environment: Readonly<Record<string, string>>,
  scheme: 'http' | 'https',
  host: string,
): Upstream | undefined => {
  const read = (name: string): string | undefined => environment[name.toLowerCase()] ?? environment[name];
  const direct = (read('NO_PROXY') ?? '')
    .split(',')
    .map((entry) =>
      entry
        .trim()
        .toLowerCase()
        .replace(/^\*?\./, ''),
    )
    .some((entry) => entry === '*' || (entry !== '' && (host === entry || host.endsWith(`.${entry}`))));
  return direct
    ? undefined
    : parse(read(scheme === 'https' ? 'HTTPS_PROXY' : 'HTTP_PROXY') ?? read('ALL_PROXY'));
};
