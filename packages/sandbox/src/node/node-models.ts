/** USD or sat for one token; `max_*` are totals for one request. */
export type Pricing = {
  readonly prompt: number;
  readonly completion: number;
  readonly request: number;
  readonly image: number;
  readonly web_search: number;
  readonly internal_reasoning: number;
  readonly input_cache_read: number;
  readonly input_cache_write: number;
  readonly max_prompt_cost: number;
  readonly max_completion_cost: number;
  readonly max_cost: number;
};

/** A model as the node's operator sets it up. Prices are in USD for one token, the node's fee included. */
export type NodeModel = {
  /** As the upstream calls it, with its vendor: `anthropic/claude-sonnet-4.5`. */
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly contextLength: number;
  readonly price: {
    readonly prompt: number;
    readonly completion: number;
    readonly cacheRead?: number;
    readonly cacheWrite?: number;
  };
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  /** Undefined: `top_provider` is null. */
  readonly top?: { readonly contextLength: number | null; readonly maxCompletionTokens: number | null };
  /** The node has no price in sat for it. */
  readonly withoutSatsPrice?: true;
  /** Prices in the list are strings, as old nodes and proxies have them. */
  readonly pricesAsText?: true;
};

/** The token limits by which a model's most expensive request is computed. */
export type Limits = { readonly context: number | null; readonly completion: number | null };

export const limitsOf = (model: NodeModel): Limits =>
  model.top && (model.top.contextLength || model.top.maxCompletionTokens)
    ? { context: model.top.contextLength, completion: model.top.maxCompletionTokens }
    : { context: model.contextLength, completion: null };

/** The id in the list and in answers: without the vendor. */
const advertisedId = (model: NodeModel): string => model.id.slice(model.id.indexOf('/') + 1);

/** A model by any name it answers to: with or without vendor, in any case, with a date behind. */
export function findModel(models: readonly NodeModel[], name: string): NodeModel | undefined {
  const exact = (wanted: string) =>
    models.find((model) => [model.id, advertisedId(model)].some((id) => id.toLowerCase() === wanted));
  const wanted = name.toLowerCase();
  return exact(wanted) ?? exact(wanted.replace(/-\d{8}$/, ''));
}

/** Largest costs of one request, in the unit of the prices. */
function maxCosts(model: NodeModel): { prompt: number; completion: number; total: number } {
  const { prompt: p, completion: c } = model.price;
  const { context, completion } = limitsOf(model);
  if (context && completion) {
    return context <= completion
      ? { prompt: context * p, completion: context * c, total: context * Math.max(p, c) }
      : {
          prompt: context * p,
          completion: completion * c,
          total: (context - completion) * p + completion * c,
        };
  }
  if (context) return { prompt: context * p, completion: context * c, total: context * Math.max(p, c) };
  if (completion) return { prompt: completion * p, completion: completion * c, total: completion * c };
  return { prompt: p * 1_000_000, completion: c * 32_000, total: p * 1_000_000 + c * 32_000 };
}

function usdPricing(model: NodeModel): Pricing {
  const { price } = model;
  const most = maxCosts(model);
  return {
    prompt: price.prompt,
    completion: price.completion,
    request: 0,
    image: 0,
    web_search: 0,
    internal_reasoning: 0,
    input_cache_read: price.cacheRead ?? 0,
    input_cache_write: price.cacheWrite ?? 0,
    max_prompt_cost: most.prompt,
    max_completion_cost: most.completion,
    max_cost: most.total,
  };
}

/** Prices in sat; a request is never free: 1 msat at least. Undefined when the node can't price it. */
export function satsPricing(model: NodeModel, usdPerSat: number): Pricing | undefined {
  if (model.withoutSatsPrice) return undefined;
  const usd = usdPricing(model);
  return {
    prompt: usd.prompt / usdPerSat,
    completion: usd.completion / usdPerSat,
    request: 0.001,
    image: 0,
    web_search: 0,
    internal_reasoning: 0,
    input_cache_read: usd.input_cache_read / usdPerSat,
    input_cache_write: usd.input_cache_write / usdPerSat,
    max_prompt_cost: usd.max_prompt_cost / usdPerSat,
    max_completion_cost: usd.max_completion_cost / usdPerSat,
    max_cost: Math.max(usd.max_cost / usdPerSat, 0.001),
  };
}

/** An entry of `GET /v1/models`, with every field that routstr-core writes. */
export function listEntry(model: NodeModel, usdPerSat: number): Record<string, unknown> {
  const inputs = model.inputs ?? ['text'];
  const outputs = model.outputs ?? ['text'];
  const written = (pricing: Pricing | undefined) =>
    pricing === undefined
      ? null
      : model.pricesAsText
        ? Object.fromEntries(Object.entries(pricing).map(([key, value]) => [key, String(value)]))
        : pricing;
  return {
    id: advertisedId(model),
    name: model.name,
    created: 1_758_067_200,
    description: model.description ?? `${model.name}, as the sandbox has it.`,
    context_length: model.contextLength,
    architecture: {
      modality: `${inputs.join('+')}->${outputs.join('+')}`,
      input_modalities: inputs,
      output_modalities: outputs,
      tokenizer: 'Other',
      instruct_type: null,
    },
    pricing: written(usdPricing(model)),
    sats_pricing: written(satsPricing(model, usdPerSat)),
    per_request_limits: null,
    top_provider: model.top
      ? {
          context_length: model.top.contextLength,
          max_completion_tokens: model.top.maxCompletionTokens,
          is_moderated: false,
        }
      : null,
    enabled: true,
    upstream_provider_id: 'base',
    canonical_slug: null,
    alias_ids: null,
    forwarded_model_id: null,
  };
}

const perMillion = (usd: number): number => usd / 1e6;

/** The shapes that a client meets in real lists, at prices of 2026. */
export const sandboxModels: readonly NodeModel[] = [
  {
    id: 'anthropic/claude-sonnet-4.5',
    name: 'Anthropic: Claude Sonnet 4.5',
    contextLength: 200_000,
    inputs: ['text', 'image', 'file'],
    price: {
      prompt: perMillion(3),
      completion: perMillion(15),
      cacheRead: perMillion(0.3),
      cacheWrite: perMillion(3.75),
    },
    top: { contextLength: 200_000, maxCompletionTokens: 64_000 },
  },
  {
    id: 'anthropic/claude-opus-4.1',
    name: 'Anthropic: Claude Opus 4.1',
    contextLength: 200_000,
    inputs: ['text', 'image'],
    price: { prompt: perMillion(15), completion: perMillion(75) },
    top: { contextLength: 200_000, maxCompletionTokens: 32_000 },
  },
  {
    id: 'minimax/minimax-m2.5',
    name: 'MiniMax: MiniMax M2.5',
    contextLength: 196_608,
    price: { prompt: perMillion(0.3), completion: perMillion(1.2) },
    top: { contextLength: 196_608, maxCompletionTokens: 65_536 },
  },
  {
    id: 'qwen/qwen3-coder',
    name: 'Qwen: Qwen3 Coder',
    contextLength: 262_144,
    price: { prompt: perMillion(0.22), completion: perMillion(0.95) },
  },
  {
    id: 'deepseek/deepseek-v3.2',
    name: 'DeepSeek: DeepSeek V3.2',
    contextLength: 163_840,
    price: { prompt: perMillion(0.27), completion: perMillion(0.4) },
    top: { contextLength: 163_840, maxCompletionTokens: null },
    pricesAsText: true,
  },
  {
    id: 'openai/gpt-unpriced',
    name: 'OpenAI: without a price in sat',
    contextLength: 128_000,
    price: { prompt: perMillion(2), completion: perMillion(8) },
    top: { contextLength: 128_000, maxCompletionTokens: 16_384 },
    withoutSatsPrice: true,
  },
  {
    id: 'openai/text-embedding-3-small',
    name: 'OpenAI: Text Embedding 3 Small',
    contextLength: 8_192,
    outputs: ['embeddings'],
    price: { prompt: perMillion(0.02), completion: 0 },
    top: { contextLength: 8_192, maxCompletionTokens: null },
  },
];
