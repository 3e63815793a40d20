import { closest, distance } from 'fastest-levenshtein';
import shipped from './catalogue.json' with { type: 'json' };

/** A provider that opencode knows. */
export type CatalogueEntry = {
  readonly id: string;
  readonly name: string;
  /** The variable that opencode takes the key from. */
  readonly variable?: string;
  /** Other variables that it needs. */
  readonly needs: readonly string[];
  /** Its login by key asks for more than the key. */
  readonly asks: boolean;
  /** It takes API keys. */
  readonly keys: boolean;
  /** Labels of its logins by OAuth. */
  readonly logins: readonly string[];
  /** The SDK that speaks to it. */
  readonly npm?: string;
  /** Model of a run that names none of its own, without the provider's id. */
  readonly model?: string;
  /** Base URL of its API. */
  readonly api?: string;
};

/** One whose only credential is a key, and that has a model for an agent. */
export type KeyProvider = CatalogueEntry & { readonly variable: string; readonly model: string };

export const isKeyProvider = (found: CatalogueEntry): found is KeyProvider =>
  found.keys &&
  !found.asks &&
  found.needs.length === 0 &&
  found.variable !== undefined &&
  found.model !== undefined;

/** One that owners can have a connection of their own to: by a key, or by a login that opencode offers. */
export type Connectable = KeyProvider;
export const isConnectable = (found: CatalogueEntry): found is Connectable =>
  isKeyProvider(found) || (hasLogin(found) && found.variable !== undefined && found.model !== undefined);

/** Whether opencode offers a login to it that asks for nothing but a browser. */
export const hasLogin = ({ logins, needs, asks }: CatalogueEntry): boolean =>
  logins.length > 0 && needs.length === 0 && !asks;

/** The providers in the catalogue of the opencode that ships (`test/support/write-catalogue.ts` reads it out). */
export type Catalogue = {
  readonly get: (id: string) => CatalogueEntry | undefined;
  readonly keyProviders: readonly KeyProvider[];
  readonly connectables: readonly Connectable[];
  /** The id that was probably meant. */
  readonly nearest: (asked: string) => string | undefined;
};

export function createCatalogue(): Catalogue {
  // Written by a program and checked by the compiler: no need to read it with care at every start.
  const providers: readonly CatalogueEntry[] = shipped.providers;
  const byId = new Map(providers.map((provider) => [provider.id, provider]));
  return {
    get: (id) => byId.get(id),
    keyProviders: providers.filter(isKeyProvider),
    connectables: providers.filter(isConnectable),
    nearest: (asked) => {
      const wanted = asked.toLowerCase();
      const named = providers.find(({ name }) => name.toLowerCase() === wanted)?.id;
      if (named !== undefined) return named;
      const id = closest(wanted, [...byId.keys()]);
      return distance(wanted, id) <= Math.min(3, Math.floor(wanted.length / 2)) ? id : undefined;
    },
  };
}
