import { z } from 'zod';
import { numeric, price } from '../node/numeric.ts';

/** Prices per token; USD or sat, as the field that holds them says. */
export type TokenPrices = {
  readonly prompt: number;
  readonly completion: number;
  /** undefined: cached tokens cost what others cost. */
  readonly cacheRead: number | undefined;
  readonly cacheWrite: number | undefined;
  /** Per request. */
  readonly request: number;
};

/** One model as a node offers it (`/v1/models`, routstr-core payment/models.py), without what nobody here reads. */
export type RoutstrModel = {
  readonly id: string;
  readonly name: string;
  readonly created: number | undefined;
  readonly context: number | undefined;
  /** The upstream's most output tokens: what a request without `max_tokens` reserves. */
  readonly maxOutput: number | undefined;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly enabled: boolean;
  readonly usd: TokenPrices | undefined;
  /** undefined: the node has no bitcoin price and cannot charge for it. */
  readonly sat: TokenPrices | undefined;
  readonly canonicalSlug: string | undefined;
};

export type ModelList = {
  readonly models: readonly RoutstrModel[];
  /** Entries that no schema knew; the rest of the list is used all the same. */
  readonly unreadable: number;
};

const optionalPrice = price.nullish().catch(undefined);
const pricesSchema = z
  .object({
    prompt: price,
    completion: price,
    input_cache_read: optionalPrice,
    input_cache_write: optionalPrice,
    request: optionalPrice,
  })
  .transform(
    (prices): TokenPrices => ({
      prompt: prices.prompt,
      completion: prices.completion,
      // 0 is what nodes say when they do not know: never a reason to count cached tokens as free.
      cacheRead: prices.input_cache_read || undefined,
      cacheWrite: prices.input_cache_write || undefined,
      request: prices.request ?? 0,
    }),
  );
const prices = pricesSchema.nullish().catch(undefined);
const tokens = numeric.pipe(z.number().int().positive()).nullish().catch(undefined);
const words = z.array(z.string()).nullish().catch(undefined);

const modelSchema = z
  .object({
    id: z.string().min(1),
    name: z.string().nullish().catch(undefined),
    created: numeric.nullish().catch(undefined),
    context_length: tokens,
    architecture: z
      .object({
        modality: z.string().nullish().catch(undefined),
        input_modalities: words,
        output_modalities: words,
      })
      .nullish()
      .catch(undefined),
    pricing: prices,
    sats_pricing: prices,
    top_provider: z
      .object({ context_length: tokens, max_completion_tokens: tokens })
      .nullish()
      .catch(undefined),
    enabled: z.boolean().nullish().catch(undefined),
    canonical_slug: z.string().nullish().catch(undefined),
  })
  .transform((model): RoutstrModel => {
    // "text+image->text"
    const [from = 'text', to = 'text'] = (model.architecture?.modality ?? 'text->text').split('->');
    return {
      id: model.id,
      name: model.name || model.id,
      created: model.created ?? undefined,
      context: model.top_provider?.context_length ?? model.context_length ?? undefined,
      maxOutput: model.top_provider?.max_completion_tokens ?? undefined,
      inputs: model.architecture?.input_modalities ?? from.split('+'),
      outputs: model.architecture?.output_modalities ?? to.split('+'),
      enabled: model.enabled !== false,
      usd: model.pricing ?? undefined,
      sat: model.sats_pricing ?? undefined,
      canonicalSlug: model.canonical_slug ?? undefined,
    };
  });
const listSchema = z.object({ data: z.array(z.unknown()) });

/** Reads the body of `/v1/models`. Undefined when it is no list at all; a bad entry costs itself only. */
export function parseModelList(json: unknown): ModelList | undefined {
  const list = listSchema.safeParse(json).data;
  if (!list) return undefined;
  const models: RoutstrModel[] = [];
  let unreadable = 0;
  for (const entry of list.data) {
    const model = modelSchema.safeParse(entry).data;
    if (model) models.push(model);
    else unreadable += 1;
  }
  return { models, unreadable };
}
