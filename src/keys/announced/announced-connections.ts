import type { Provider } from '../../runs/provider.ts';
import type { Connectable } from '../catalogue.ts';
import { type ConnectionProviderDeps, createConnectionProvider } from '../key-provider.ts';
import { SealError } from '../seal.ts';
import { announcedProvider } from './announced-provider.ts';

/** Connections to what addresses announced: each is its owner's alone, and known by what is sealed with its key. */
export function createAnnouncedConnections(deps: ConnectionProviderDeps) {
  const { store, vault } = deps;
  const made = new Map<string, { readonly credential: string; readonly provider: Provider }>();

  /** undefined: they have no such connection. Of one that does not open with this key of the bot no more than its name. */
  const entryOf = (owner: string, id: string): Connectable | undefined => {
    const { kind, credential: sealed } = store.get(owner, id) ?? {};
    if (kind !== 'wellknown' || sealed === undefined) return undefined;
    try {
      const credential = vault.read(owner, id, sealed);
      return credential.type === 'wellknown' ? announcedProvider(id, credential.announced) : undefined;
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      return announcedProvider(id, { url: '', model: 'unknown', models: {} });
    }
  };

  return {
    entryOf,
    /** The same as long as its credential is; a run keeps the one that it began with. */
    providerOf: (owner: string, id: string): Provider | undefined => {
      const key = `${owner} ${id}`;
      const credential = store.get(owner, id)?.credential;
      const there = made.get(key);
      if (there !== undefined && there.credential === credential) return there.provider;
      const entry = entryOf(owner, id);
      if (entry === undefined || credential === undefined) {
        made.delete(key);
        return undefined;
      }
      const provider = createConnectionProvider(entry, deps);
      made.set(key, { credential, provider });
      return provider;
    },
  };
}
