import { homedir } from 'node:os';
import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';

/** A node, as people know it. */
export const host = (url: string): string => URL.parse(url)?.host ?? url;

/** A mint, as people know it. */
export const mintName = (url: string): string => url.replace(/^https?:\/\//, '').replace(/\/+$/, '');

export const sats = (amount: Sat | number): string => formatSat(amount as Sat);

/** A file of this user's. */
export const fileName = (path: string): string =>
  path.startsWith(`${homedir()}/`) ? `~${path.slice(homedir().length)}` : path;
