import { z } from 'zod';
import { credentialShape } from '../backends/credential.ts';
import { announcedShape } from './announced/announcement.ts';
import type { Connection, ConnectionStore } from './connection.ts';
import { type SealContext, SealError, type Sealer } from './seal.ts';

/** Why a connection whose credential does not open is in state `error`. */
export const sealedOtherwise = 'sealed with another key of the bot';

/** What is kept sealed: in the shape of opencode's own, or the token for what an address has announced, and that. */
const keptShape = z.union([
  credentialShape,
  z.object({ type: z.literal('wellknown'), token: z.string().min(1), announced: announcedShape }),
]);
export type KeptCredential = z.infer<typeof keptShape>;

/** Seals credentials for their place in the store and opens them again. */
export type Vault = {
  /** @param credential a key, or what a login came to */
  readonly seal: (owner: string, provider: string, credential: string | KeptCredential) => string;
  /** @throws SealError */
  readonly read: (owner: string, provider: string, sealed: string) => KeptCredential;
  /** What is shown to the provider: the key, or the token of a login. @throws SealError */
  readonly open: (owner: string, provider: string, sealed: string) => string;
};

const contextOf = (owner: string, provider: string): SealContext => ['connection', owner, provider];

export function createVault(sealer: Sealer): Vault {
  const read: Vault['read'] = (owner, provider, sealed) =>
    keptShape.parse(JSON.parse(sealer.open(sealed, contextOf(owner, provider))));
  return {
    seal: (owner, provider, credential) =>
      sealer.seal(
        JSON.stringify(typeof credential === 'string' ? { type: 'api', key: credential } : credential),
        contextOf(owner, provider),
      ),
    read,
    open: (owner, provider, sealed) => secretOf(read(owner, provider, sealed)),
  };
}

/** What is shown to the provider. */
export function secretOf(credential: KeptCredential): string {
  switch (credential.type) {
    case 'api':
      return credential.key;
    case 'oauth':
      return credential.access;
    case 'wellknown':
      return credential.token;
  }
}

/** At start: connections that the bot's key does not open go to state `error`; returns those that were not there yet. */
export function findLocked(store: ConnectionStore, vault: Vault): readonly Connection[] {
  return store.all().filter(({ owner, provider, credential: sealed, status, error }) => {
    if (sealed === undefined) return false;
    const wasLocked = status === 'error' && error === sealedOtherwise;
    const opens = canOpen(() => vault.open(owner, provider, sealed));
    if (opens && wasLocked) store.mark(owner, provider, 'connected', undefined);
    if (!opens && !wasLocked) store.mark(owner, provider, 'error', sealedOtherwise);
    return !opens && !wasLocked;
  });
}

export type Resealed = { readonly resealed: number; readonly already: number; readonly locked: number };

/**
 * Seals every credential anew: what only `from` opens is sealed by `to`. To be part of one transaction. May be
 * repeated: what `to` opens already stays as it is.
 */
export function resealAll(store: ConnectionStore, from: Sealer, to: Sealer): Resealed {
  return store.all().reduce<Resealed>(
    (counts, { owner, provider, credential: sealed, status, error }) => {
      if (sealed === undefined) return counts;
      const one = resealed(sealed, contextOf(owner, provider), from, to, (anew) => {
        store.reseal(owner, provider, anew);
        // What the provider refused is not mended by another seal.
        if (status === 'error' && error === sealedOtherwise) {
          store.mark(owner, provider, 'connected', undefined);
        }
      });
      return addResealed(counts, one);
    },
    { resealed: 0, already: 0, locked: 0 },
  );
}

/** The same for one sealed text. */
export function resealed(
  sealed: string,
  context: SealContext,
  from: Sealer,
  to: Sealer,
  put: (sealed: string) => void,
): Resealed {
  const none = { resealed: 0, already: 0, locked: 0 };
  if (canOpen(() => to.open(sealed, context))) return { ...none, already: 1 };
  if (!canOpen(() => from.open(sealed, context))) return { ...none, locked: 1 };
  put(to.seal(from.open(sealed, context), context));
  return { ...none, resealed: 1 };
}

export const addResealed = (a: Resealed, b: Resealed): Resealed => ({
  resealed: a.resealed + b.resealed,
  already: a.already + b.already,
  locked: a.locked + b.locked,
});

function canOpen(open: () => string): boolean {
  try {
    open();
    return true;
  } catch (error) {
    if (error instanceof SealError) return false;
    throw error;
  }
}
