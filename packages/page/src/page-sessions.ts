import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { derived, hashOf, isSameSecret, newSecret, type RandomBytes } from './secrets.ts';

/** A browser that nobody has used for so long, or that came in so long ago, has to come in anew. */
const idleMs = 12 * 3_600_000;
const longestMs = 7 * 24 * 3_600_000;
/** How far apart two uses are noted: not every picture is a write to the disk. */
const noteMs = 60_000;

/** A browser that is in. Its cookie is not known here, only the cookie's hash. */
export type StoredPageSession = {
  readonly hash: string;
  readonly publicKey: PublicKey;
  /** Milliseconds. */
  readonly madeAt: number;
  readonly usedAt: number;
};

/** Where they are kept, so that a restart of the bot throws nobody out. */
export type PageSessionStore = {
  readonly add: (session: StoredPageSession) => void;
  readonly find: (hash: string) => StoredPageSession | undefined;
  readonly noteUse: (hash: string, usedAt: number) => void;
  readonly remove: (hash: string) => void;
  /** Those that were used last before `usedBefore`, or made before `madeBefore`. */
  readonly removeOld: (usedBefore: number, madeBefore: number) => void;
};

export type PageSessions = {
  /** The secret of its cookie. */
  readonly begin: (publicKey: PublicKey) => string;
  /** Counts as a use. */
  readonly whose: (secret: string) => PublicKey | undefined;
  readonly isIn: (secret: string) => boolean;
  readonly end: (secret: string) => void;
};

export function createPageSessions(
  store: PageSessionStore,
  clock: Clock,
  randomBytes: RandomBytes,
): PageSessions {
  const find = (secret: string): StoredPageSession | undefined => {
    const now = clock.now();
    const found = store.find(hashOf(secret));
    const isOver = found === undefined || found.usedAt < now - idleMs || found.madeAt < now - longestMs;
    return isOver ? undefined : found;
  };
  return {
    begin: (publicKey) => {
      const now = clock.now();
      store.removeOld(now - idleMs, now - longestMs);
      const secret = newSecret(randomBytes);
      store.add({ hash: hashOf(secret), publicKey, madeAt: now, usedAt: now });
      return secret;
    },
    whose: (secret) => {
      const now = clock.now();
      const found = find(secret);
      if (found !== undefined && found.usedAt < now - noteMs) store.noteUse(found.hash, now);
      return found?.publicKey;
    },
    isIn: (secret) => find(secret) !== undefined,
    end: (secret) => store.remove(hashOf(secret)),
  };
}

/** What each form of a session carries: whoever has only the browser's cookies sent along does not know it. */
export const formKeyOf = (secret: string): string => derived(secret, 'form');
export const isFormKey = (secret: string, given: string): boolean => isSameSecret(given, formKeyOf(secret));
