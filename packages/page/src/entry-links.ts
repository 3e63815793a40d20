import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { hashOf, newSecret, type RandomBytes } from './secrets.ts';

/** How long a link is good, and how many of one owner are: the oldest goes. */
const linkMs = 10 * 60_000;
const mostLinks = 5;

/** Ways in, each for one time and one owner. In memory alone: what a restart ends is asked for again. */
export type EntryLinks = {
  /** The secret part of a new link. */
  readonly make: (publicKey: PublicKey) => string;
  /** Looking at a link does not use it up: phones and chat programs look at every address that they see. */
  readonly isGood: (secret: string) => boolean;
  /** Whose it is; afterwards it is good for nothing. */
  readonly use: (secret: string) => PublicKey | undefined;
};

export function createEntryLinks(clock: Clock, randomBytes: RandomBytes): EntryLinks {
  const links = new Map<string, { readonly publicKey: PublicKey; readonly until: number }>();
  const tidy = () => {
    for (const [hash, { until }] of links) if (until <= clock.now()) links.delete(hash);
  };
  return {
    make: (publicKey) => {
      tidy();
      const own = [...links].filter(([, link]) => link.publicKey === publicKey);
      for (const [hash] of own.slice(0, Math.max(0, own.length - mostLinks + 1))) links.delete(hash);
      const secret = newSecret(randomBytes);
      links.set(hashOf(secret), { publicKey, until: clock.now() + linkMs });
      return secret;
    },
    isGood: (secret) => {
      tidy();
      return links.has(hashOf(secret));
    },
    use: (secret) => {
      tidy();
      const hash = hashOf(secret);
      const found = links.get(hash);
      links.delete(hash);
      return found?.publicKey;
    },
  };
}
