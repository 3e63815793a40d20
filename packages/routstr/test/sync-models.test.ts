import { afterAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { parse } from 'jsonc-parser';
import { createAbilitySource } from '../src/models/ability.ts';
import { mergeModels, OpencodeConfigError, syncModelsFile } from '../src/models/sync-models.ts';
import { usableModels } from '../src/models/usable-models.ts';
import { parseNodeUrl } from '../src/node/node-url.ts';
import { entry, listOf } from './support/node-models.ts';

const folder = mkdtempSync(join(tmpdir(), 'sync-models-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cheap = { sats_pricing: { prompt: 0.0001, completion: 0.0004 } };
const models = (...entries: readonly object[]) =>
  usableModels(listOf(...entries).models, createAbilitySource()).usable;
const request = {
  node: parseNodeUrl('https://node.example'),
  models: models(entry('claude-sonnet-4.5'), entry('gpt-4o-mini', cheap)),
};

describe('The models of a node come into opencode.json', () => {
  test('into an empty file', () => {
    const { text, added, smallModel } = mergeModels('', request);
    expect(parse(text)).toMatchObject({
      small_model: 'routstr/gpt-4o-mini',
      provider: {
        routstr: {
          npm: '@ai-sdk/openai-compatible',
          name: 'Routstr',
          options: {
            baseURL: 'https://node.example/v1',
            apiKey: '{env:ROUTSTR_API_KEY}',
            includeUsage: true,
          },
          models: { 'claude-sonnet-4.5': { tool_call: true, cost: { input: 3, output: 15 } } },
        },
      },
    });
    expect([...added].sort()).toEqual(['claude-sonnet-4.5', 'gpt-4o-mini']);
    expect(smallModel).toBe('routstr/gpt-4o-mini');
  });

  test('a second time without a change', () => {
    const once = mergeModels('{}', request);
    const twice = mergeModels(once.text, request);
    expect(twice).toMatchObject({ text: once.text, changed: false, added: [], removed: [] });
  });

  test('and leave comments, order, other providers and the owner’s additions alone', () => {
    const before = `{
  // who pays
  "model": "anthropic/claude", /* not ours */
  "provider": {
    "anthropic": { "options": {} }, // mine
    "routstr": {
      "name": "My node",
      "options": { "apiKey": "{file:/x}", "timeout": 9 },
      "models": {
        "claude-sonnet-4.5": { "name": "old", "options": { "thinking": 1 }, "cost": { "input": 99, "cache_read": 5 } },
        "gone": { "name": "gone" }
      }
    },
  },
  "small_model": "anthropic/haiku", // stays
}
`;
    const { text, removed, added } = mergeModels(before, request);
    const ours = text.indexOf('"routstr": {');
    expect(text.slice(0, ours)).toBe(before.slice(0, ours));
    const rest = before.slice(before.indexOf('    },\n  },\n  "small_model"'));
    expect(text).toEndWith(rest);
    const config = parse(text, [], { allowTrailingComma: true });
    expect(config.provider.routstr).toMatchObject({
      name: 'My node',
      options: { apiKey: '{file:/x}', timeout: 9, baseURL: 'https://node.example/v1' },
    });
    expect(config.provider.routstr.models['claude-sonnet-4.5']).toMatchObject({
      name: 'claude-sonnet-4.5 (name)',
      options: { thinking: 1 },
      cost: { input: 3, output: 15 },
    });
    expect(config.provider.routstr.models['claude-sonnet-4.5'].cost.cache_read).toBeUndefined();
    expect(removed).toEqual(['gone']);
    expect(added).toEqual(['gpt-4o-mini']);
  });

  test('but an entry that the file refers to is not taken away', () => {
    const { text, missing, removed } = mergeModels(
      JSON.stringify({
        model: 'routstr/gone',
        agent: { plan: { model: 'routstr/never-there' } },
        provider: { routstr: { models: { gone: { name: 'Gone' }, other: {} } } },
      }),
      request,
    );
    expect(parse(text).provider.routstr.models.gone).toEqual({ name: 'Gone' });
    expect(missing).toEqual(['gone', 'never-there']);
    expect(removed).toEqual(['other']);
  });

  test.each([
    ['routstr/claude-sonnet-4.5', 'routstr/claude-sonnet-4.5'],
    ['routstr/gone', 'routstr/gpt-4o-mini'],
    ['openai/gpt-4o-mini', 'openai/gpt-4o-mini'],
  ])('small_model %s becomes %s', (before, after) => {
    const { text } = mergeModels(JSON.stringify({ small_model: before }), request);
    expect(parse(text).small_model).toBe(after);
  });

  test.each([
    ['{', 1],
    ['{\n  "a": 1\n  "b" 2\n}', 3],
    ['[]', undefined],
    ['{"provider": []}', undefined],
    ['{"provider": {"routstr": {"models": "all"}}}', undefined],
  ])('%j is refused, with the place', (text, line) => {
    try {
      mergeModels(text, request);
      throw new Error('was taken');
    } catch (error) {
      if (!(error instanceof OpencodeConfigError)) throw error;
      expect(error.line).toBe(line);
    }
  });
});

describe('Everything else in the file stays, byte for byte', () => {
  /** A property that is not ours, as somebody would write it. */
  const key = fc
    .stringMatching(/^[a-z$_]{1,8}$/)
    .filter((name) => !['provider', 'small_model'].includes(name));
  const comment = fc.constantFrom('', ' // note\n', ' /* "provider": { } */ ', '\n\n');
  const property = fc.record({ value: fc.jsonValue({ maxDepth: 2 }), before: comment, after: comment });
  const file = fc.record({
    properties: fc.dictionary(key, property, { maxKeys: 5, noNullPrototype: true }),
    ours: fc.constantFrom('none', 'empty', 'filled'),
    other: fc.boolean(),
    newline: fc.constantFrom('\n', '\r\n'),
    indent: fc.constantFrom('  ', '    ', '\t'),
    trailingComma: fc.boolean(),
    bom: fc.constantFrom('', '\uFEFF'),
  });

  /** Whether `text` is `before` with things put in, and nothing taken out. */
  const isWithin = (before: string, text: string): boolean => {
    let at = 0;
    for (const character of text.split('')) if (character === before[at]) at += 1;
    return at === before.length;
  };

  test('whatever it is', () => {
    fc.assert(
      fc.property(file, ({ properties, ours, other, newline, indent, trailingComma, bom }) => {
        const foreign = Object.entries(properties).map(([name, { value, before, after }]) => ({
          text: `${before}${newline}${indent}${JSON.stringify(name)}: ${JSON.stringify(value)}`,
          after,
        }));
        const blocks = [
          ...(other ? ['"anthropic": { /* mine */ "options": {"x": 1,} }'] : []),
          ...(ours === 'none' ? [] : [`"routstr": ${ours === 'empty' ? '{}' : '{"models": {"old": {}}}'}`]),
        ];
        const provider =
          blocks.length === 0 ? [] : [`${newline}${indent}"provider": { ${blocks.join(', ')} }`];
        const parts = [...foreign.map(({ text, after }) => text + after), ...provider];
        const comma = trailingComma && parts.length > 0 ? ',' : '';
        const before = `${bom}{${parts.join(',')}${comma}${newline}} // end${newline}`;
        const { text } = mergeModels(before, request);

        const all = parse(text.replace(/^\uFEFF/, ''), [], { allowTrailingComma: true });
        const old = parse(before.replace(/^\uFEFF/, ''), [], { allowTrailingComma: true });
        const { provider: newProvider, small_model: _, ...rest } = all;
        const { provider: oldProvider, ...oldRest } = old;
        expect(rest).toEqual(oldRest);
        expect(newProvider.anthropic).toEqual(oldProvider?.anthropic);
        expect(Object.keys(newProvider.routstr.models).sort()).toEqual(['claude-sonnet-4.5', 'gpt-4o-mini']);
        // Nothing foreign was written anew: each piece is there as it was.
        for (const piece of foreign) {
          expect(text).toContain(piece.text);
          expect(text).toContain(piece.after.trim());
        }
        if (ours !== 'filled') expect(isWithin(before, text)).toBe(true);
        if (other) expect(text).toContain('"anthropic": { /* mine */ "options": {"x": 1,} }');
        expect(text.startsWith(bom)).toBe(true);
        expect(text).toEndWith(`} // end${newline}`);
        expect(mergeModels(text, request).changed).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});

describe('The file', () => {
  test('keeps its permissions and its link, and nothing is left beside it', () => {
    const real = join(folder, 'real.json');
    const link = join(folder, 'opencode.json');
    writeFileSync(real, '{ "theme": "x" }\n');
    chmodSync(real, 0o640);
    symlinkSync(real, link);
    expect(syncModelsFile(link, request).changed).toBe(true);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(statSync(real).mode & 0o777).toBe(0o640);
    expect(readFileSync(real, 'utf8')).toStartWith('{ "theme": "x"');
    expect(syncModelsFile(link, request).changed).toBe(false);
    expect(readdirSync(folder).sort()).toEqual(['opencode.json', 'real.json']);
  });

  test('is made for its owner only when it is absent', () => {
    const path = join(folder, 'new.json');
    syncModelsFile(path, request);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('that is broken is left as it is', () => {
    const path = join(folder, 'broken.json');
    writeFileSync(path, '{ "a": ');
    expect(() => syncModelsFile(path, request)).toThrow(OpencodeConfigError);
    expect(readFileSync(path, 'utf8')).toBe('{ "a": ');
  });
});
