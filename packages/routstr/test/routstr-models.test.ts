import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalId, createAbilitySource } from '../src/models/ability.ts';
import { chooseModels } from '../src/models/choose-models.ts';
import { createModelCache } from '../src/models/model-cache.ts';
import { parseModelList } from '../src/models/model-list.ts';
import {
  cheapestSmallModel,
  minimumBudget,
  opencodeModel,
  typicalTaskSat,
  usableModels,
} from '../src/models/usable-models.ts';
import { createNodeClient } from '../src/node/node-client.ts';
import { parseNodeUrl } from '../src/node/node-url.ts';
import { entry, listOf } from './support/node-models.ts';
import { startScriptedNode } from './support/scripted-node.ts';

const node = startScriptedNode();
const folder = mkdtempSync(join(tmpdir(), 'routstr-models-'));
afterAll(async () => {
  await node.close();
  rmSync(folder, { recursive: true, force: true });
});
const signal = new AbortController().signal;
const ability = createAbilitySource();
const usable = (...entries: readonly object[]) => usableModels(listOf(...entries).models, ability);

describe('A node’s list of models', () => {
  test('is read as the nodes write it: strings for prices, missing fields, rubbish in between', () => {
    const list = parseModelList({
      data: [
        entry('claude-sonnet-4.5', { sats_pricing: { prompt: '0.003', completion: '1.5e-2' } }),
        { id: 'bare' },
        'rubbish',
        null,
        { name: 'without an id' },
        entry('gpt-5-mini', { sats_pricing: { prompt: -1, completion: -1 }, top_provider: null }),
      ],
    });
    expect(list?.unreadable).toBe(3);
    expect(list?.models.map(({ id, sat }) => [id, sat?.completion])).toEqual([
      ['claude-sonnet-4.5', 0.015],
      ['bare', undefined],
      ['gpt-5-mini', undefined],
    ]);
    expect(parseModelList({ models: [] })).toBeUndefined();
    expect(parseModelList('<html>')).toBeUndefined();
  });

  test('keeps what an agent can use, and says why not of the rest', () => {
    const { usable: models, unusable } = usable(
      entry('claude-sonnet-4.5'),
      entry('off', { enabled: false }),
      entry('~anthropic/claude-opus-latest'),
      entry('glm-4.6', { sats_pricing: null }),
      entry('text-embedding-3', { architecture: { output_modalities: ['embeddings'] } }),
      entry('gpt-4-32', { context_length: 8191, top_provider: null }),
      entry('sonar-pro'),
      entry('never-heard-of'),
    );
    expect(models.map(({ id }) => id)).toEqual(['claude-sonnet-4.5']);
    expect(unusable).toEqual([
      { id: 'off', reason: 'disabled' },
      { id: '~anthropic/claude-opus-latest', reason: 'alias' },
      { id: 'glm-4.6', reason: 'no_sat_price' },
      { id: 'text-embedding-3', reason: 'no_text' },
      { id: 'gpt-4-32', reason: 'small_context' },
      { id: 'sonar-pro', reason: 'no_tools' },
      { id: 'never-heard-of', reason: 'no_tools' },
    ]);
  });

  test.each([
    ['claude-sonnet-4.5', true],
    ['anthropic/claude-sonnet-4-5-20250929', true],
    ['openai/gpt-5-mini:free', true],
    ['gpt-9-sol', true],
    ['claude-something-7', true],
    ['gpt-5-image', false],
    ['gemini-9-flash-image', false],
    ['llama-guard-4-12b', false],
    ['unheard-of', undefined],
  ])('%s calls tools: %p', (id, tools) => {
    expect(ability(id)?.tools).toBe(tools as boolean);
  });

  test('the operator knows better', () => {
    const told = createAbilitySource({ 'house-model': { tools: true }, 'gpt-5-mini': { tools: false } });
    expect(told('house-model')).toEqual({ tools: true, reasoning: false });
    expect(told('openai/gpt-5-mini')?.tools).toBe(false);
  });

  test('one name for each way of writing an id', () => {
    expect(canonicalId('Anthropic/Claude-Sonnet-4.5-20250929')).toBe('claude-sonnet-4-5');
    expect(canonicalId('openai/gpt-4o-2024-08-06:free')).toBe('gpt-4o');
  });
});

describe('A model becomes one of opencode’s', () => {
  test('with limits, prices per million, what it reads and what it can', () => {
    const { usable: models } = usable(
      entry('claude-sonnet-4.5', {
        architecture: { input_modalities: ['text', 'image', 'file', 'smell'], output_modalities: ['text'] },
        pricing: { prompt: 3e-6, completion: 15e-6, input_cache_read: 3e-7, input_cache_write: 0 },
      }),
    );
    expect(models.map(opencodeModel)).toEqual([
      {
        name: 'claude-sonnet-4.5 (name)',
        attachment: true,
        reasoning: true,
        tool_call: true,
        limit: { context: 200_000, output: 16_384 },
        modalities: { input: ['text', 'image', 'pdf'], output: ['text'] },
        cost: { input: 3, output: 15, cache_read: 0.3 },
      },
    ]);
  });

  test('whose output is what a node will reserve for', () => {
    const output = (facts: object) => usable(entry('gpt-5-mini', facts)).usable[0]?.limit.output;
    expect(output({ top_provider: { context_length: 40_000, max_completion_tokens: 64_000 } })).toBe(16_384);
    expect(output({ top_provider: { context_length: 32_768, max_completion_tokens: 64_000 } })).toBe(16_384);
    expect(output({ top_provider: { context_length: 40_000, max_completion_tokens: 4096 } })).toBe(4096);
    expect(output({ top_provider: null, context_length: 100_000 })).toBe(8192);
  });

  test('the smallest budget is two reservations, as the reference counts them', () => {
    // 3 and 15 USD per million at 100,000 USD: 30k·0.003 + 16,384·0.015 = 335.76 sat.
    const [model] = usable(entry('claude-sonnet-4.5')).usable;
    if (!model) throw new Error('not usable');
    expect(minimumBudget(model)).toBe(672);
    expect(minimumBudget(model, 100_000)).toBe(1092);
    expect(typicalTaskSat(model)).toBeCloseTo(690);
  });

  test('titles go to the cheapest that costs anything', () => {
    const sat = (prompt: number, completion: number) => ({ sats_pricing: { prompt, completion } });
    const { usable: models } = usable(
      entry('claude-sonnet-4.5'),
      entry('gpt-4o-mini', sat(0.0002, 0.0006)),
      entry('gpt-5-nano', sat(0.00015, 0.0006)),
      entry('qwen3-coder:free', sat(0, 0)),
    );
    expect(cheapestSmallModel(models)?.id).toBe('gpt-4o-mini');
    expect(cheapestSmallModel([])).toBeUndefined();
  });

  test('and of hundreds the wanted ones are taken, with those in use', () => {
    const names = Array.from({ length: 60 }, (_, i) => entry(`aion-${i}.0`, { created: i }));
    const told = createAbilitySource(Object.fromEntries(names.map(({ id }) => [id, { tools: true }])));
    const { usable: models } = usableModels(
      listOf(...names, entry('claude-sonnet-4.5', { created: 1 }), entry('kimi-k2', { created: 1 })).models,
      told,
    );
    const chosen = chooseModels(models, { most: 4, include: ['aion-7.0'] }).map(({ id }) => id);
    expect(chosen.toSorted()).toEqual(['aion-59.0', 'aion-7.0', 'claude-sonnet-4.5', 'kimi-k2']);
    expect(chooseModels(models, { most: 100, include: [] })).toHaveLength(62);
  });
});

describe('The list is kept on disk', () => {
  const client = createNodeClient(parseNodeUrl(node.url));
  const list = { data: [entry('claude-sonnet-4.5'), entry('off', { sats_pricing: null, pricing: null })] };

  test('for a day, and for longer when the node is away', async () => {
    let now = 1_000_000;
    const path = join(folder, 'deep', 'models.json');
    const cache = createModelCache(path, { now: () => now });
    node.answer({ status: 502, body: '<html>' });
    expect((await cache.load(client, { maxAgeMs: 1000 }, signal)).state).toBe('none');

    node.answer({ path: '/v1/models', status: 200, body: list });
    const fresh = await cache.load(client, { maxAgeMs: 1000 }, signal);
    expect(fresh.state).toBe('fresh');
    expect(statSync(path).mode & 0o777).toBe(0o600);

    now += 999;
    const cached = await createModelCache(path, { now: () => now }).load(client, { maxAgeMs: 1000 }, signal);
    expect(cached.state).toBe('cached');
    expect('list' in cached && cached.list).toEqual('list' in fresh && fresh.list);

    now += 1;
    const stale = await cache.load(client, { maxAgeMs: 1000 }, signal);
    expect(stale).toMatchObject({
      state: 'stale',
      list: { fetchedAt: 1_000_000 },
      evidence: { status: 404 },
    });

    node.answer({ path: '/v1/models', status: 200, body: { data: [] } });
    expect((await cache.load(client, { maxAgeMs: 1000 }, signal)).state).toBe('stale');
    expect(cache.read(parseNodeUrl('https://elsewhere.example'))).toBeUndefined();
  });

  test('and counts as absent when it is damaged', () => {
    const path = join(folder, 'damaged.json');
    for (const text of ['', '{', '{"version":1}', '[]']) {
      writeFileSync(path, text);
      expect(createModelCache(path, { now: () => 0 }).read(client.url)).toBeUndefined();
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
  });
});
