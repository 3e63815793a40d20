import type { RelayUrl } from '../nostr-types.ts';

/** A relay that has taken nothing of late, and why. */
export type RefusingRelay = {
  readonly url: RelayUrl;
  /** In its own words, or those of the connection. */
  readonly said: string;
  /** Attempts since it took something last. */
  readonly times: number;
};

/** Which relays take no messages. One that takes something again is none. */
export type RefusingRelays = {
  readonly took: (url: RelayUrl) => void;
  readonly refused: (url: RelayUrl, said: string) => void;
  readonly isRefusing: (url: RelayUrl) => boolean;
  readonly all: () => readonly RefusingRelay[];
};

/** Recipients' lists name any number of relays. */
const REMEMBERED = 20;

export function createRefusingRelays(): RefusingRelays {
  const refusing = new Map<RelayUrl, RefusingRelay>();
  return {
    took: (url) => {
      refusing.delete(url);
    },
    refused: (url, said) => {
      const times = (refusing.get(url)?.times ?? 0) + 1;
      refusing.delete(url);
      refusing.set(url, { url, said, times });
      const [oldest] = refusing.keys();
      if (refusing.size > REMEMBERED && oldest !== undefined) refusing.delete(oldest);
    },
    isRefusing: (url) => refusing.has(url),
    all: () => [...refusing.values()],
  };
}
