import { leaveThrough, ProxyAddressError, parseProxy } from '@nostr-dm-agent/kit/net';

/**
 * Sets the process's way out by `BOT_PROXY`. Whoever reads the environment calls it first: which addresses are permitted
 * depends on it, and no connection may be made before it. What is wrong with the address is reported where the variable is
 * read, and then none is made at all.
 */
export function takeWayOut(proxy: string | undefined): void {
  try {
    leaveThrough(proxy === undefined ? undefined : parseProxy(proxy));
  } catch (error) {
    if (!(error instanceof ProxyAddressError)) throw error;
    leaveThrough(undefined);
  }
}
