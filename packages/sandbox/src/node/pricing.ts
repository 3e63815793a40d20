import { limitsOf, type NodeModel, satsPricing } from './node-models.ts';
import type { Profile } from './node-types.ts';

/** The node lets its estimate be this much too small. */
const tolerance = 0.99;
/** What a request costs at least, and what one without a known price reserves. In msat. */
const least = 1;
const unpriced = 1000;

type Body = Readonly<Record<string, unknown>>;

/**
 * What a request reserves, in msat: its model's most expensive request, less what the prompt and `max_tokens` show
 * that it can't cost (routstr-core `calculate_discounted_max_cost`).
 */
export function reservationOf(model: NodeModel, body: Body, usdPerSat: number, profile: Profile): number {
  const price = satsPricing(model, usdPerSat);
  if (!price) return unpriced;
  let reserve = Math.max(least, Math.trunc(price.max_cost * 1000 * tolerance));
  const { context, completion } = limitsOf(model);
  const promptLimit = context ? Math.max(0, context - (completion ?? 0)) : 0;
  const promptTokens = estimatePrompt(body, profile);
  if (promptTokens !== undefined) {
    const spare = promptLimit * price.prompt * tolerance - promptTokens * price.prompt;
    if (spare > 0) reserve -= Math.floor(spare * 1000);
  }
  const maxTokens = outputLimit(body, profile);
  if (maxTokens !== undefined) {
    const spare = price.max_completion_cost * tolerance - maxTokens * price.completion;
    if (spare > 0) reserve -= Math.floor(spare * 1000);
  }
  return Math.max(least, reserve);
}

/** Three characters are a token. 0.4.5 reads the messages' text only, `main` every string in the body. */
function estimatePrompt(body: Body, profile: Profile): number | undefined {
  if (profile === 'main') return Math.floor(charactersIn(body) / 3);
  const { messages } = body;
  if (!Array.isArray(messages) || messages.length === 0) return undefined;
  let characters = 0;
  let images = 0;
  for (const message of messages) {
    const content: unknown = isObject(message) ? message.content : undefined;
    if (typeof content === 'string') characters += content.length;
    if (!Array.isArray(content)) continue;
    for (const part of content) {
      if (!isObject(part)) continue;
      if (part.type === 'text' && typeof part.text === 'string') characters += part.text.length;
      // The real node looks at the picture's size; this is what it takes for one that it can't read.
      if (part.type === 'image_url' || part.type === 'input_image') images += 85;
    }
  }
  return Math.floor(characters / 3) + images;
}

function charactersIn(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, item) => sum + charactersIn(item), 0);
}

function outputLimit(body: Body, profile: Profile): number | undefined {
  const names =
    profile === 'main' ? ['max_tokens', 'max_completion_tokens', 'max_output_tokens'] : ['max_tokens'];
  const given = names.map((name) => body[name]).filter((value) => typeof value === 'number');
  return given.length === 0 ? undefined : Math.max(...given.map(Math.trunc));
}

/** What an answer cost, as routstr-core writes it into the answer. */
export type Cost = {
  base_msats: number;
  input_msats: number;
  output_msats: number;
  total_msats: number;
  total_usd: number;
  input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_input_tokens: number;
  cache_read_msats: number;
  cache_creation_msats: number;
};

const nothing: Cost = {
  base_msats: 0,
  input_msats: 0,
  output_msats: 0,
  total_msats: 0,
  total_usd: 0,
  input_tokens: 0,
  output_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
  cache_read_msats: 0,
  cache_creation_msats: 0,
};

/**
 * The cost of an answer by its `usage`. An answer without usage is free. Undefined: the node can't price it.
 */
export function costOf(
  model: NodeModel,
  usage: unknown,
  reservedMsat: number,
  usdPerSat: number,
): Cost | undefined {
  if (!isObject(usage)) return { ...nothing };
  const price = satsPricing(model, usdPerSat);
  if (!price) return undefined;
  const details = isObject(usage.prompt_tokens_details) ? usage.prompt_tokens_details : {};
  const read = firstCount(
    usage.cache_read_input_tokens,
    details.cached_tokens,
    usage.prompt_cache_hit_tokens,
  );
  const write = firstCount(
    usage.cache_creation_input_tokens,
    details.cache_creation_tokens,
    details.cache_write_tokens,
  );
  // `prompt_tokens` includes what came from or went to the cache; `input_tokens` doesn't.
  const input =
    'prompt_tokens' in usage
      ? Math.max(0, count(usage.prompt_tokens) - read - write)
      : count(usage.input_tokens);
  const output = firstCount(usage.completion_tokens, usage.output_tokens);
  const tokens = {
    input_tokens: input,
    output_tokens: output,
    cache_read_input_tokens: read,
    cache_creation_input_tokens: write,
  };
  if (!price.prompt || !price.completion) {
    return { ...nothing, ...tokens, base_msats: reservedMsat, total_msats: reservedMsat };
  }
  const msat = (n: number, satPerToken: number) => Math.round(n * satPerToken * 1e6) / 1000;
  const readMsat = msat(read, price.input_cache_read || price.prompt);
  const writeMsat = msat(write, price.input_cache_write || price.prompt);
  const outputMsat = msat(output, price.completion);
  const total = Math.ceil(msat(input, price.prompt) + outputMsat + readMsat + writeMsat);
  return {
    ...tokens,
    base_msats: 0,
    input_msats: total - Math.trunc(outputMsat),
    output_msats: Math.trunc(outputMsat),
    total_msats: total,
    total_usd: (total / 1000) * usdPerSat,
    cache_read_msats: Math.trunc(readMsat),
    cache_creation_msats: Math.trunc(writeMsat),
  };
}

function count(value: unknown): number {
  const number = typeof value === 'string' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? Math.max(0, Math.trunc(number)) : 0;
}

const firstCount = (...values: readonly unknown[]): number => values.map(count).find((n) => n > 0) ?? 0;

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The `cost` object for `usage.cost`, which leaves the token counts of the cost out. */
function usageCost(cost: Cost): Record<string, number> {
  return {
    base_msats: cost.base_msats,
    input_msats: cost.input_msats,
    output_msats: cost.output_msats,
    total_msats: cost.total_msats,
    cache_read_input_tokens: cost.cache_read_input_tokens,
    cache_creation_input_tokens: cost.cache_creation_input_tokens,
    cache_read_msats: cost.cache_read_msats,
    cache_creation_msats: cost.cache_creation_msats,
    ...(cost.total_usd ? { total_usd: cost.total_usd } : {}),
  };
}

/** Writes the cost into an answer's `usage`, over whatever upstream said there. */
export function costIntoUsage(answer: Record<string, unknown>, cost: Cost): void {
  if (!isObject(answer.usage)) return;
  answer.usage.cost = usageCost(cost);
  answer.usage.cost_sats = Math.floor(cost.total_msats / 1000);
}

/**
 * Writes the cost and what is left of the balance (reserved money included) into an answer, or into the last chunk of
 * one. Where the sums stand in `metadata` differs between the two.
 */
export function costIntoAnswer(
  answer: Record<string, unknown>,
  cost: Cost,
  balanceMsat: number,
  form: 'whole' | 'stream',
): void {
  costIntoUsage(answer, cost);
  if (isObject(answer.usage)) answer.usage.remaining_balance_msats = balanceMsat;
  const sums = { sats_cost: Math.floor(cost.total_msats / 1000), remaining_balance_msats: balanceMsat };
  const metadata = isObject(answer.metadata) ? answer.metadata : {};
  const routstr = form === 'whole' ? { cost: { ...cost, ...sums } } : { cost, ...sums };
  answer.metadata = { ...metadata, routstr };
  answer.cost = { ...cost, ...sums };
}

/** Headers of an answer that doesn't stream. */
export function costHeaders(cost: Cost): Record<string, string> {
  return {
    'x-routstr-cost-msats': String(cost.total_msats),
    'x-routstr-input-cost-msats': String(cost.input_msats),
    'x-routstr-output-cost-msats': String(cost.output_msats),
    ...(cost.total_usd ? { 'x-routstr-cost-usd': String(cost.total_usd) } : {}),
  };
}
