import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { CommandDeps } from './command-deps.ts';

/** A key that was looked at becomes an owner's connection. A login to there that is under way would take its place: it is given up. */
export function keepKey(
  { connections: { store }, logins }: Pick<CommandDeps, 'connections' | 'logins'>,
  key: {
    readonly owner: PublicKey;
    readonly provider: string;
    readonly kind: 'api' | 'wellknown';
    readonly credential: string;
    /** What its provider said against it. */
    readonly error: string | undefined;
  },
): void {
  logins.cancel(key.owner, key.provider);
  store.put(key);
  if (key.error !== undefined) store.mark(key.owner, key.provider, 'error', key.error);
}
