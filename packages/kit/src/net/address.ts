import ipaddr from 'ipaddr.js';

/** Whether `host` names this machine: 127.0.0.0/8, ::1 or localhost. */
export function isLoopbackHost(host: string): boolean {
  const name = unbracketed(host);
  if (isAddress(name)) return ipaddr.process(name).range() === 'loopback';
  return withoutRootDot(name) === 'localhost';
}

/** Whether `host` is an IP address literal. */
export const isAddress = (host: string): boolean => ipaddr.isValid(unbracketed(host));

/** Whether `host` is an IP address literal of the public internet; IPv4 inside IPv6 counts as that IPv4 address. */
export function isPublicAddress(host: string): boolean {
  // A zone (`%eth0`) belongs to addresses of a link.
  if (!isAddress(host) || host.includes('%')) return false;
  const address = ipaddr.process(unbracketed(host));
  // Every other range is private, local, reserved, or embeds an IPv4 address (6to4, Teredo, NAT64).
  if (address.range() !== 'unicast') return false;
  // ipaddr.js calls the unassigned rest of IPv6 unicast too, with the old IPv4-compatible ::a.b.c.d in it.
  return address.kind() === 'ipv4' || address.match(GLOBAL_UNICAST);
}

/** Whether `host` is an address of the public internet, or a name that may lead there. */
export const isOutside = (host: string): boolean =>
  isAddress(host) ? isPublicAddress(host) : !isLocalName(host);

const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3');

const LOCAL_SUFFIXES = ['localhost', 'local', 'internal', 'onion', 'home.arpa', 'localdomain', 'lan'];

function isLocalName(host: string): boolean {
  const name = withoutRootDot(host.toLowerCase());
  // A name without a dot resolves through the machine's own search list.
  return !name.includes('.') || LOCAL_SUFFIXES.some((suffix) => name.endsWith(`.${suffix}`));
}

/** An IPv6 address without its brackets; anything else as it is. */
export const unbracketed = (host: string): string => host.replace(/^\[(.*)\]$/, '$1');
const withoutRootDot = (name: string): string => name.replace(/\.$/, '');
