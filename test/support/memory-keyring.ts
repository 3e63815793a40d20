import type { Keyring } from '@nostr-dm-agent/cashu-wallet/open';

/** A keyring that is unlocked. */
export function memoryKeyring(entries: Map<string, string> = new Map()): Keyring {
  return {
    read: async (entry) => entries.get(entry),
    write: async (entry, secret) => void entries.set(entry, secret),
    remove: async (entry) => void entries.delete(entry),
  };
}
