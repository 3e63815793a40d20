import { afterEach, describe, expect, test } from 'bun:test';
import { testedOpencode } from '../../src/backends/opencode-binary.ts';
import shipped from '../../src/keys/catalogue.json' with { type: 'json' };
import { createCatalogue, isKeyProvider } from '../../src/keys/catalogue.ts';
import { checkKeyForm, isKeyRefused, looksLikeKey } from '../../src/keys/key-form.ts';
import { verifyKey } from '../../src/keys/verify-key.ts';
import { newKey, startKeyProvider } from '../support/key-providers.ts';
import { readShippedCatalogue } from '../support/shipped-catalogue.ts';

const catalogue = createCatalogue();
const providerOf = (id: string) => {
  const found = catalogue.get(id);
  if (found === undefined) throw new Error(`no ${id}`);
  return found;
};

describe('the catalogue', () => {
  test('is that of the opencode that ships (bun test/support/write-catalogue.ts writes it anew)', async () => {
    expect(shipped.opencode).toBe(testedOpencode);
    const inBinary: unknown = JSON.parse(JSON.stringify(await readShippedCatalogue()));
    expect(inBinary).toEqual(shipped);
  }, 60_000);

  test('has the well-known providers with the variable, the endpoint and a model that an agent can use', () => {
    for (const [id, variable, api] of [
      ['anthropic', 'ANTHROPIC_API_KEY', 'https://api.anthropic.com/v1'],
      ['openai', 'OPENAI_API_KEY', 'https://api.openai.com/v1'],
      ['openrouter', 'OPENROUTER_API_KEY', 'https://openrouter.ai/api/v1'],
      ['google', 'GOOGLE_GENERATIVE_AI_API_KEY', 'https://generativelanguage.googleapis.com/v1beta'],
      ['groq', 'GROQ_API_KEY', 'https://api.groq.com/openai/v1'],
      ['deepseek', 'DEEPSEEK_API_KEY', 'https://api.deepseek.com'],
    ] as const) {
      // A copy: Bun puts its matchers into what it looks at, and others share the catalogue.
      expect({ ...providerOf(id) }).toMatchObject({ variable, api, model: expect.any(String) });
      expect(isKeyProvider(providerOf(id))).toBe(true);
    }
    expect(catalogue.keyProviders.length).toBeGreaterThan(150);
  });

  test('leaves out what a key alone does not open', () => {
    for (const id of [
      'azure',
      'amazon-bedrock',
      'google-vertex',
      'github-copilot',
      'cloudflare-ai-gateway',
      'gitlab',
    ])
      expect(isKeyProvider(providerOf(id))).toBe(false);
  });

  test('knows what was meant', () => {
    expect(catalogue.nearest('antropic')).toBe('anthropic');
    expect(catalogue.nearest('Open Router')).toBe('openrouter');
    expect(catalogue.nearest('Together AI')).toBe('togetherai');
    expect(catalogue.nearest('something else entirely')).toBeUndefined();
  });
});

describe('the form of a key', () => {
  test.each([
    ['anthropic', newKey('sk-ant-api03-'), undefined],
    ['openai', newKey('sk-proj-'), undefined],
    ['openai', newKey('sk-'), undefined],
    ['deepseek', newKey('sk-'), undefined],
    ['google', newKey('AQ.'), undefined],
    ['mistral', newKey(''), undefined],
    ['anthropic', '', { kind: 'missing' }],
    ['anthropic', '<key>', { kind: 'placeholder' }],
    ['anthropic', 'sk-ant-api03-ab cd', { kind: 'spaces' }],
    ['mistral', 'abcdefgh…ijklmnop', { kind: 'characters' }],
    ['mistral', 'short', { kind: 'short' }],
    ['mistral', 'x'.repeat(2000), { kind: 'long' }],
    ['anthropic', newKey('sk-proj-'), { kind: 'prefix', expected: 'sk-ant-' }],
    ['openai', newKey('sk-ant-api03-'), { kind: 'other', provider: 'anthropic' }],
    ['groq', newKey('xai-'), { kind: 'other', provider: 'xai' }],
  ] as const)('%s %s', (id, key, problem) => {
    expect(checkKeyForm({ id }, key)).toEqual(problem);
  });

  test('keys are told from other words', () => {
    for (const key of [newKey('sk-'), newKey('gsk_'), `key=${newKey('sk-or-v1-')}`, `"${newKey('AIza')}"`])
      expect(looksLikeKey(key)).toBe(true);
    for (const word of ['task-management-of-the-whole-team', 'sk-', 'npub1abcdef', 'https://example.com/sk'])
      expect(looksLikeKey(word)).toBe(false);
  });
});

describe('asking a provider about a key', () => {
  let provider: ReturnType<typeof startKeyProvider>;
  afterEach(() => provider.stop());

  const answers = (...statuses: readonly (number | readonly [number, string])[]) => {
    const left = [...statuses];
    provider = startKeyProvider((key) => {
      if (key === undefined) return new Response('who are you?', { status: 401 });
      const next = left.length > 1 ? left.shift() : left[0];
      const [status, body] = typeof next === 'object' ? next : [next ?? 200, '{}'];
      return new Response(body, {
        status,
        headers: status === 302 ? { location: `${provider.url}/elsewhere` } : {},
      });
    });
    return (id = 'openai', options: { timeoutMs?: number; baseUrl?: string | undefined } = {}) =>
      verifyKey(
        providerOf(id),
        'the-key-itself',
        { baseUrl: provider.url, timeoutMs: 5000, pauses: [1, 1, 1], ...options },
        AbortSignal.timeout(20_000),
      );
  };

  test('it is shown the key in its own way, and one that it takes is valid', async () => {
    const verify = answers(200);
    for (const id of ['anthropic', 'openai', 'google', 'openrouter', 'groq'])
      expect(await verify(id)).toEqual({ state: 'valid' });
    const shown = provider.asked.filter(({ key }) => key === 'the-key-itself').map(({ path }) => path);
    expect(shown).toEqual(['/v1/models', '/v1/models', '/v1/models', '/v1/key', '/v1/models']);
  });

  test('a key that it does not take is refused, also where that is said with a 400', async () => {
    expect(await answers(401)()).toEqual({ state: 'refused', status: 401 });
    await provider.stop();
    const google = '{"error":{"code":400,"message":"API key not valid. Please pass a valid API key."}}';
    expect(await answers([400, google])('google')).toEqual({ state: 'refused', status: 400 });
    await provider.stop();
    expect(await answers(403)()).toEqual({ state: 'forbidden' });
  });

  test('what says nothing about the key does not count as a refusal', async () => {
    for (const status of [400, 404, 405, 302]) {
      expect(await answers(status)()).toEqual({ state: 'unverified', why: 'unclear' });
      expect(provider.asked.every(({ path }) => path === '/v1/models')).toBe(true);
      await provider.stop();
    }
    expect(await answers(200)('openai', { baseUrl: undefined })).toEqual({
      state: 'unverified',
      why: 'unclear',
    });
  });

  test('faults that pass are asked again three times', async () => {
    expect(await answers(503, 429, 500, 200)()).toEqual({ state: 'valid' });
    await provider.stop();
    expect(await answers(503)()).toEqual({ state: 'unverified', why: 'unreachable' });
    expect(provider.asked).toHaveLength(4);
    expect(await answers(200)('openai', { baseUrl: 'http://127.0.0.1:9' })).toMatchObject({
      why: 'unreachable',
    });
  });

  test('one that never answers is given up', async () => {
    const verify = answers(200);
    provider.judge(() => new Promise<Response>(() => undefined));
    expect(await verify('openai', { timeoutMs: 50 })).toEqual({ state: 'unverified', why: 'unreachable' });
  });
});

test('a 400 is about the key only when it says so', () => {
  expect(isKeyRefused(400, 'Incorrect API key provided: xai-…')).toBe(true);
  expect(isKeyRefused(400, 'Invalid value for max_tokens')).toBe(false);
  expect(isKeyRefused(403, 'invalid api key')).toBe(false);
  expect(isKeyRefused(undefined, undefined)).toBe(false);
});
