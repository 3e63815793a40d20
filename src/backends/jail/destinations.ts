import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isAddress, isOutside, isPublicAddress } from '@nostr-dm-agent/kit/net';
import type { Endpoint } from './endpoints.ts';

/**
 * Ranges that are nobody's network: documentation (RFC 5737) and benchmarks (RFC 2544). Resolvers of transparent
 * proxies and of mirrors answer with them, so a name may lead there; as addresses they are refused like any other.
 */
const standIns = new BlockList();
for (const [address, prefix] of [
  ['192.0.2.0', 24],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['198.18.0.0', 15],
] as const)
  standIns.addSubnet(address, prefix, 'ipv4');

/** Addresses of this machine, and the networks that it is in. */
const ownNetwork = () => {
  const addresses = new Set<string>();
  const networks = new BlockList();
  for (const { address, cidr, family } of Object.values(networkInterfaces()).flatMap((all) => all ?? [])) {
    addresses.add(address);
    const prefix = Number(cidr?.split('/')[1]);
    const kind = family === 'IPv4' ? 'ipv4' : 'ipv6';
    // /0 would be everything; /32 and /128 are the address itself.
    if (prefix > 0) networks.addSubnet(address, prefix, kind);
  }
  return { addresses, networks };
};

/** Whether an agent may be connected to `address`, which `host` (a name, or the address itself) led to. */
export const mayReach = (host: string, address: string, own = ownNetwork()): boolean => {
  if (own.addresses.has(address)) return false;
  if (isPublicAddress(address)) return true;
  return !isAddress(host) && standIns.check(address) && !own.networks.check(address);
};

/** Web, and nothing that other services listen on: an agent sends no mail. */
const ports = new Set([80, 443]);
/** SSH is for those whom the operator handed a key. */
const sshPort = 22;

export type Reach = {
  /** Destinations that the operator's configuration names: permitted wherever they are. */
  readonly named: readonly Endpoint[];
  readonly ssh: boolean;
  readonly resolve: (host: string) => Promise<readonly string[]>;
};

export type Verdict =
  | { readonly state: 'refused' }
  /** Its name is not known here; a proxy further on may know it. */
  | { readonly state: 'unknown' }
  /** In the resolver's order. What was checked is what is connected to: the name is not looked up again. */
  | { readonly state: 'permitted'; readonly addresses: readonly string[] };

/** Where a connection to `host` may go. @param host a name without a dot at its end, or an address without brackets */
export const judge = async (host: string, port: number, reach: Reach): Promise<Verdict> => {
  const named = reach.named.some((endpoint) => endpoint.host === host && endpoint.port === port);
  const usual = ports.has(port) || (reach.ssh && port === sshPort);
  if (!named && (!usual || !isOutside(host))) {
    return { state: 'refused' };
  }
  const found = isAddress(host) ? [host] : await reach.resolve(host).catch(() => []);
  if (found.length === 0) return { state: 'unknown' };
  const own = ownNetwork();
  const addresses = named ? found : found.filter((address) => mayReach(host, address, own));
  return addresses.length === 0 ? { state: 'refused' } : { state: 'permitted', addresses };
};
