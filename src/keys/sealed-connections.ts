import { z } from 'zod';
import type { Connection, ConnectionStore } from './connection.ts';
import { type SealContext, SealError, type Sealer } from './seal.ts';

/** What is sealed, in the shape in which opencode keeps its own logins. */
const credential = z.object({ type: z.literal('api'), key: z.string().min(1) });

/** Why a connection whose credential does not open is in state `error`. */
export const sealedOtherwise = 'sealed with another key of the bot';

/** Seals credentials for their place in the store and opens them again. */
export type Vault = {
  readonly seal: (owner: string, provider: string, key: string) => string;
  /** The key in a credential of this owner and provider. @throws SealError */
  readonly open: (owner: string, provider: string, sealed: string) => string;
};

const contextOf = (owner: string, provider: string): SealContext => ['connection', owner, provider];

export function createVault(sealer: Sealer): Vault {
  return {
    seal: (owner, provider, key) =>
      sealer.seal(JSON.stringify({ type: 'api', key }), contextOf(owner, provider)),
    open: (owner, provider, sealed) =>
      credential.parse(JSON.parse(sealer.open(sealed, contextOf(owner, provider)))).key,
  };
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
  const counts = { resealed: 0, already: 0, locked: 0 };
  for (const { owner, provider, credential: sealed, status, error } of store.all()) {
    if (sealed === undefined) continue;
    const context = contextOf(owner, provider);
    if (canOpen(() => to.open(sealed, context))) counts.already += 1;
    else if (canOpen(() => from.open(sealed, context))) {
      store.reseal(owner, provider, to.seal(from.open(sealed, context), context));
      // What the provider refused is not mended by another seal.
      if (status === 'error' && error === sealedOtherwise) {
        store.mark(owner, provider, 'connected', undefined);
      }
      counts.resealed += 1;
    } else counts.locked += 1;
  }
  return counts;
}

function canOpen(open: () => string): boolean {
  try {
    open();
    return true;
  } catch (error) {
    if (error instanceof SealError) return false;
    throw error;
  }
}
