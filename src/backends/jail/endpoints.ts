import { isLoopbackHost, unbracketed } from '@nostr-dm-agent/kit/net';
import { z } from 'zod';

/** A service that the operator's own configuration names, and that the jail therefore leads to. */
export type Endpoint = {
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  /** It is on this machine: its port is there under the same number inside. */
  readonly local: boolean;
};

const text = z.string().optional().catch(undefined);
const record = <T extends z.ZodType>(value: T) => z.record(z.string(), value).optional().catch(undefined);
const configuration = z.object({
  provider: record(
    z
      .object({ api: text, options: z.object({ baseURL: text }).optional().catch(undefined) })
      .catch({ api: undefined }),
  ),
  mcp: record(z.object({ url: text }).catch({ url: undefined })),
});

/** Addresses that stand for every address of this machine. */
const anyAddress = new Set(['0.0.0.0', '::']);
const isLocal = (host: string): boolean => isLoopbackHost(host) || anyAddress.has(host);

const endpointOf = (address: string): readonly Endpoint[] => {
  const url = URL.parse(address);
  if (url === null || !/^https?:$/.test(url.protocol)) return [];
  const host = unbracketed(url.hostname).replace(/\.$/, '');
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  return [{ host, port, local: isLocal(host) }];
};

/**
 * Where the providers and tool servers of an opencode configuration are.
 * @param environment for addresses that are taken from a variable (`{env:NAME}`)
 */
export const endpointsOf = (
  config: unknown,
  environment: Readonly<Record<string, string>>,
): readonly Endpoint[] => {
  const parsed = configuration.safeParse(config);
  if (!parsed.success) return [];
  const { provider, mcp } = parsed.data;
  const addresses = [
    ...Object.values(provider ?? {}).flatMap(({ api, options }) => [api, options?.baseURL]),
    ...Object.values(mcp ?? {}).map(({ url }) => url),
  ];
  return addresses.flatMap((address) =>
    address === undefined
      ? []
      : endpointOf(address.replace(/\{env:(\w+)\}/g, (_, name: string) => environment[name] ?? '')),
  );
};
