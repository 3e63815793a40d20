import { closest, distance } from 'fastest-levenshtein';
import { z } from 'zod';
import shipped from './catalogue.json' with { type: 'json' };

const entry = z.object({
  id: z.string(),
  name: z.string(),
  /** The variable that opencode takes the key from. */
  variable: z.string().optional(),
  /** Other variables that it needs. */
  needs: z.array(z.string()),
  /** Its login by key asks for more than the key. */
  asks: z.boolean(),
  /** It takes API keys. */
  keys: z.boolean(),
  /** Labels of its logins by OAuth. */
  logins: z.array(z.string()),
  /** The SDK that speaks to it. */
  npm: z.string().optional(),
  /** Model of a run that names none of its own, without the provider's id. */
  model: z.string().optional(),
  /** Base URL of its API. */
  api: z.string().optional(),
});
/** A provider that opencode knows. */
export type CatalogueEntry = z.infer<typeof entry>;

/** One whose only credential is a key, and that has a model for an agent. */
export type KeyProvider = CatalogueEntry & { readonly variable: string; readonly model: string };

export const isKeyProvider = (found: CatalogueEntry): found is KeyProvider =>
  found.keys &&
  !found.asks &&
  found.needs.length === 0 &&
  found.variable !== undefined &&
  found.model !== undefined;

/** The providers in the catalogue of the opencode that ships (`test/support/write-catalogue.ts` reads it out). */
export type Catalogue = {
  readonly get: (id: string) => CatalogueEntry | undefined;
  readonly keyProviders: readonly KeyProvider[];
  /** The id that was probably meant. */
  readonly nearest: (asked: string) => string | undefined;
};

export function createCatalogue(): Catalogue {
  const { providers } = z.object({ providers: z.array(entry) }).parse(shipped);
  const byId = new Map(providers.map((provider) => [provider.id, provider]));
  return {
    get: (id) => byId.get(id),
    keyProviders: providers.filter(isKeyProvider),
    nearest: (asked) => {
      const wanted = asked.toLowerCase();
      const named = providers.find(({ name }) => name.toLowerCase() === wanted)?.id;
      if (named !== undefined) return named;
      const id = closest(wanted, [...byId.keys()]);
      return distance(wanted, id) <= Math.min(3, Math.floor(wanted.length / 2)) ? id : undefined;
    },
  };
}
