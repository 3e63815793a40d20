import type { AbilitySource } from './ability.ts';
import type { RoutstrModel, TokenPrices } from './model-list.ts';

/** A model that an agent can work with, with what the bot needs to estimate its cost. */
export type UsableModel = {
  readonly id: string;
  readonly name: string;
  readonly created: number | undefined;
  readonly limit: { readonly context: number; readonly output: number };
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly reasoning: boolean;
  readonly usd: TokenPrices | undefined;
  readonly sat: TokenPrices;
  readonly maxOutput: number | undefined;
};

/** Why a model of the node's list cannot be used by an agent. */
export type Unusable = 'disabled' | 'no_sat_price' | 'no_text' | 'alias' | 'small_context' | 'no_tools';

/** opencode's system prompt, its tools and one file need about this much. */
const leastContext = 32_768;
/**
 * `limit.output` is what opencode asks for as `max_tokens`, and a node reserves for it: a high limit would make small
 * budgets useless.
 */
const outputCap = 16_384;
const outputDefault = 8192;

/** Whether an agent can work with this model (docs/node-protocol.md#models), and how. */
function usableModel(model: RoutstrModel, ability: AbilitySource): UsableModel | Unusable {
  if (!model.enabled) return 'disabled';
  if (model.id.startsWith('~')) return 'alias';
  if (!model.sat) return 'no_sat_price';
  if (!model.outputs.includes('text')) return 'no_text';
  const context = model.context ?? 0;
  if (context < leastContext) return 'small_context';
  const can =
    ability(model.id) ?? (model.canonicalSlug === undefined ? undefined : ability(model.canonicalSlug));
  if (!can?.tools) return 'no_tools';
  const output = Math.min(model.maxOutput ?? outputDefault, outputCap, Math.floor(context / 2));
  return {
    id: model.id,
    name: model.name,
    created: model.created,
    limit: { context, output },
    inputs: model.inputs,
    outputs: model.outputs,
    reasoning: can.reasoning,
    usd: model.usd,
    sat: model.sat,
    maxOutput: model.maxOutput,
  };
}

export type Selection = {
  readonly usable: readonly UsableModel[];
  readonly unusable: readonly { readonly id: string; readonly reason: Unusable }[];
};

/** The models of a node's list that an agent can use, cheapest for a typical task first. */
export function usableModels(models: readonly RoutstrModel[], ability: AbilitySource): Selection {
  const usable: UsableModel[] = [];
  const unusable: { id: string; reason: Unusable }[] = [];
  for (const model of models) {
    const result = usableModel(model, ability);
    if (typeof result === 'string') unusable.push({ id: model.id, reason: result });
    else usable.push(result);
  }
  usable.sort((a, b) => typicalTaskSat(a) - typicalTaskSat(b) || a.id.localeCompare(b.id));
  return { usable, unusable };
}

/** A model's entry in `opencode.json`: `provider.routstr.models.<id>`. `cost` is in USD per million tokens. */
export type OpencodeModel = {
  readonly name: string;
  readonly attachment: boolean;
  readonly reasoning: boolean;
  readonly tool_call: true;
  readonly limit: { readonly context: number; readonly output: number };
  readonly modalities: { readonly input: readonly string[]; readonly output: readonly string[] };
  readonly cost?: {
    readonly input: number;
    readonly output: number;
    readonly cache_read?: number;
    readonly cache_write?: number;
  };
};

/** The words that opencode's schema knows; it refuses a configuration with any other. */
const modalities = ['text', 'audio', 'image', 'video', 'pdf'];
const modalitiesOf = (words: readonly string[]): readonly string[] => {
  const named = new Set(words.map((word) => (word === 'file' ? 'pdf' : word)));
  const known = modalities.filter((word) => named.has(word));
  return known.includes('text') ? known : ['text', ...known];
};

export function opencodeModel(model: UsableModel): OpencodeModel {
  const input = modalitiesOf(model.inputs);
  const { usd } = model;
  return {
    name: model.name,
    attachment: input.some((word) => word === 'image' || word === 'pdf'),
    reasoning: model.reasoning,
    tool_call: true,
    limit: model.limit,
    modalities: { input, output: modalitiesOf(model.outputs) },
    ...(usd && {
      cost: {
        input: perMillion(usd.prompt),
        output: perMillion(usd.completion),
        ...(usd.cacheRead === undefined ? {} : { cache_read: perMillion(usd.cacheRead) }),
        ...(usd.cacheWrite === undefined ? {} : { cache_write: perMillion(usd.cacheWrite) }),
      },
    }),
  };
}

/** Without the dust of binary fractions: 3e-7 · 1e6 is 0.3. */
const perMillion = (usd: number): number => Number((usd * 1e6).toPrecision(6));

/** A typical small task: ten requests with a prompt of 20,000 tokens each, four fifths of it seen before. */
const typical = { requests: 10, prompt: 20_000, cached: 16_000, completion: 600 };

/** What a typical small task costs, in sat (a fraction; round up for people). */
export function typicalTaskSat(model: Pick<UsableModel, 'sat'>): number {
  const { prompt, completion, cacheRead, request } = model.sat;
  const perRequest =
    (typical.prompt - typical.cached) * prompt +
    typical.cached * (cacheRead ?? prompt) +
    typical.completion * completion +
    request;
  return typical.requests * perRequest;
}

/** Prompts below this are not worth counting: opencode's first one is 10,000 tokens. */
const leastPrompt = 30_000;

/**
 * What a node reserves for one request (docs/node-protocol.md#what-a-call-costs), in msat. Parallel requests add up.
 */
export const reservationMsat = (prices: TokenPrices, promptTokens: number, maxTokens: number): number =>
  Math.ceil((promptTokens * prices.prompt + maxTokens * prices.completion + prices.request) * 1000);

/** The smallest budget, in sat, with which a run of this model can be expected to get somewhere: two reservations. */
export const minimumBudget = (
  model: Pick<UsableModel, 'sat' | 'limit'>,
  promptTokens = leastPrompt,
): number =>
  Math.ceil((2 * reservationMsat(model.sat, Math.max(promptTokens, leastPrompt), model.limit.output)) / 1000);

/** What a title costs: a short prompt and a line of text; a reasoning model thinks before it writes one. */
const titleSat = (model: UsableModel): number =>
  2000 * model.sat.prompt + (model.reasoning ? 1000 : 100) * model.sat.completion + model.sat.request;

/**
 * The cheapest model for opencode's titles. Free ones are passed over while there is another: they are rate-limited,
 * and a title that is retried holds the run up.
 */
export function cheapestSmallModel(models: readonly UsableModel[]): UsableModel | undefined {
  const priced = models.filter((model) => titleSat(model) > 0);
  return [...(priced.length > 0 ? priced : models)].sort(
    (a, b) => titleSat(a) - titleSat(b) || a.id.localeCompare(b.id),
  )[0];
}
