import { type ModelList, parseModelList } from '../../src/models/model-list.ts';

/** One entry of a node's `/v1/models`, at 3 and 15 USD per million tokens and 100,000 USD per bitcoin. */
export const entry = (id: string, facts: object = {}) => ({
  id,
  name: `${id} (name)`,
  created: 1,
  description: 'long',
  context_length: 200_000,
  architecture: {
    modality: 'text->text',
    input_modalities: ['text'],
    output_modalities: ['text'],
    tokenizer: 'x',
    instruct_type: null,
  },
  pricing: { prompt: 3e-6, completion: 15e-6, request: 0, image: 0, input_cache_read: 0 },
  sats_pricing: { prompt: 0.003, completion: 0.015, request: 0, image: 0, input_cache_read: 0 },
  top_provider: { context_length: 200_000, max_completion_tokens: 64_000, is_moderated: false },
  enabled: true,
  upstream_provider_id: 'openrouter',
  canonical_slug: null,
  alias_ids: null,
  ...facts,
});

export function listOf(...entries: readonly object[]): ModelList {
  const list = parseModelList({ data: entries });
  if (!list) throw new Error('no list');
  return list;
}
