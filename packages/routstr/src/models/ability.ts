import catalogue from './model-catalogue.json' with { type: 'json' };

/** What a node does not tell about a model (`/v1/models` has no `supported_parameters`) and an agent must know. */
export type ModelAbility = { readonly tools: boolean; readonly reasoning: boolean };

/** `undefined`: it does not know this model. */
export type AbilitySource = (id: string) => ModelAbility | undefined;

/**
 * One name for the ways in which nodes write a model's id: no vendor, no variant, no date, `-` for `.` and `_`
 * (`anthropic/claude-sonnet-4.5-20250929` and `claude-sonnet-4-5` are the same).
 */
export const canonicalId = (id: string): string =>
  id
    .toLowerCase()
    .replace(/^.*\//, '')
    .replace(/:.*$/, '')
    .replace(/-(?:\d{8}|\d{4}-\d{2}-\d{2})$/, '')
    .replace(/[._]/g, '-');

const known = new Map<string, ModelAbility>([
  ...catalogue.noTools.map((id) => [id, { tools: false, reasoning: false }] as const),
  ...catalogue.tools.map((id) => [id, { tools: true, reasoning: false }] as const),
  ...catalogue.toolsAndReasoning.map((id) => [id, { tools: true, reasoning: true }] as const),
]);

/**
 * The models that opencode 1.18.33 ships knowledge of (models.dev, its lists of OpenRouter, OpenAI and Anthropic), by
 * canonical id. Made from `opencode models --verbose`.
 */
const catalogueAbility: AbilitySource = (id) => known.get(canonicalId(id));

/** Families whose members have called tools since these versions; for models that are younger than the catalogue. */
const toolFamilies =
  /^(?:claude-|gpt-(?:4o|4-1|[5-9])|o[3-9](?:-|$)|gemini-(?:2-5|[3-9])|grok-(?:[3-9]|code)|deepseek-(?:chat|v[3-9])|qwen-?3|qwen3|kimi-k|glm-(?:4-[5-9]|[5-9])|minimax-m[2-9]|mistral-(?:large|medium|small)|devstral|codestral|gpt-oss)/;
/** Members of these families that are something else than a model for agents. */
const noAgent =
  /embed|image|audio|tts|whisper|guard|moderation|rerank|ocr|video|base$|safety|search|realtime|transcribe/;
const reasoningFamilies =
  /thinking|reason|^(?:claude-(?:opus|sonnet|haiku)-(?:4-[5-9]|[5-9])|gpt-[5-9]|o\d|gemini-(?:2-5|[3-9])|deepseek-(?:r|v[4-9])|glm-[5-9]|minimax-m|grok-[4-9])/;

/** A guess by family. Says `undefined`, never `tools: false`, about what it does not know. */
const familyAbility: AbilitySource = (id) => {
  const name = canonicalId(id);
  if (noAgent.test(name)) return { tools: false, reasoning: false };
  return toolFamilies.test(name) ? { tools: true, reasoning: reasoningFamilies.test(name) } : undefined;
};

/** What the operator says wins over the catalogue, and the catalogue over the guess. */
export function createAbilitySource(
  overrides: Readonly<Record<string, Partial<ModelAbility>>> = {},
): AbilitySource {
  const said = new Map(Object.entries(overrides).map(([id, ability]) => [canonicalId(id), ability]));
  return (id) => {
    const found = catalogueAbility(id) ?? familyAbility(id);
    const override = said.get(canonicalId(id));
    if (!override) return found;
    return { tools: false, reasoning: false, ...found, ...override };
  };
}
