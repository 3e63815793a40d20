/* The node's models in the bot's opencode.json, kept young without anybody asking. */
import { afterEach, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createBench, quiet } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { parseNodeUrl, usableModels } from '@nostr-dm-agent/routstr';
import {
  chooseModels,
  createAbilitySource,
  opencodeModel,
  syncModelsFile,
} from '@nostr-dm-agent/routstr/open';
import { entry, listOf } from '@nostr-dm-agent/routstr/testing/node-models';
import { startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { parse } from 'jsonc-parser';
import type { NodeModels } from '../../src/money/node-models.ts';
import { createRoutstrKeeper, type RoutstrKeeper } from '../../src/money/routstr-keeper.ts';
import { createStandingModels } from '../../src/money/standing-models.ts';
import type { Meta } from '../../src/store/meta-table.ts';

const day = 24 * 3_600_000;
const bench = createBench();
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await bench.end();
});

test('models are fetched at the start when they are older than a day, and used from the disk when the node is away', async () => {
  const mint = bench.mint();
  const node = startSandboxNode({ mints: [mint.url], upstream: { baseUrl: mint.url } });
  ends.push(node.stop);
  const home = bench.folder();
  const file = join(home, 'opencode.json');
  const comment = '// mine, and to stay';
  writeFileSync(file, `{\n  ${comment}\n  "model": "routstr/claude-sonnet-4.5"\n}\n`);
  const clock = { offset: 0, now: () => Date.now() + clock.offset };
  const settings = new Map<string, string>();
  const meta: Meta = {
    get: (key) => settings.get(key),
    set: (key, value) => void settings.set(key, value),
  };
  const url = parseNodeUrl(node.url);
  /** A life of the bot; `work` is done when the prices are young, if they ever are. */
  const live = async (work: (service: RoutstrKeeper) => unknown): Promise<void> => {
    const service = createRoutstrKeeper({
      nodes: {
        fetch,
        current: () => url,
        info: {
          known: () => undefined,
          ask: () => Promise.reject(new Error('nobody is to be asked')),
          close: () => Promise.resolve(),
        },
      },
      config: { fallbacks: [], home, model: undefined, holdMs: 1000 },
      meta,
      reached: () => undefined,
      clock,
      log: quiet,
    });
    const wallet = bench.wallet(mint, { clock });
    await service.open(wallet, { dayLimit: () => undefined, money: () => undefined }, () => undefined);
    service.start();
    try {
      await work(service);
    } finally {
      // Waits for what was begun.
      await service.close();
      wallet.close();
    }
  };
  const fetched = (): number => node.requests.filter((line) => line === 'GET /v1/models').length;
  const text = (): string => readFileSync(file, 'utf8');

  await live(() => until(() => text().includes('qwen3-coder'), 'the models are in the file'));
  expect(fetched()).toBe(1);
  expect(text()).toContain(comment);
  expect(text()).toMatch(/"small_model": "routstr\//);

  clock.offset = day - 60_000;
  await live((service) => {
    expect(service.knownModels()?.stale).toBe(false);
    const standing = service.standing('ada', 'routstr/claude-sonnet-4.5');
    const door = standing.openDoor?.('spare');
    // No money is behind it: what its servers know is the door.
    expect(standing.payment(door)).toMatchObject({
      credentials: 'provided',
      variables: { ROUTSTR_API_KEY: door?.key },
      configuration: { provider: { routstr: { options: { baseURL: door?.baseUrl } } } },
    });
    expect(service.standing('ada', undefined).payer).toBe(standing.payer);
  });
  expect(fetched()).toBe(1);

  clock.offset = day + 60_000;
  await live(() => until(() => fetched() === 2, 'the models are fetched again'));

  // Two days without the node: the prices are those of then, and said to be.
  clock.offset += 2 * day;
  node.crash();
  const before = text();
  await live((service) => {
    expect(service.knownModels()).toMatchObject({ stale: true });
    expect(service.modelOf('routstr/claude-sonnet-4.5')?.id).toBe('claude-sonnet-4.5');
  });
  expect(text()).toBe(before);
});

test('the configuration that ships takes a node’s models', async () => {
  const shipped = readFileSync(join(import.meta.dir, '../../opencode.json'), 'utf8');
  const file = join(bench.folder(), 'opencode.json');
  writeFileSync(file, shipped);
  const cheap = { sats_pricing: { prompt: 0.0001, completion: 0.0004 } };
  const { models } = listOf(entry('claude-sonnet-4.5'), entry('gpt-4o-mini', cheap));
  syncModelsFile(file, {
    node: parseNodeUrl('https://node.example'),
    models: usableModels(models, createAbilitySource()).usable,
  });
  const { provider: _, small_model, ...rest } = parse(readFileSync(file, 'utf8'));
  const { provider: __, small_model: ___, ...old } = parse(shipped);
  expect(rest).toEqual(old);
  expect(small_model).toBe('routstr/gpt-4o-mini');
});

test('a server is started anew when the node’s models can do other things, and not when they cost something else', () => {
  const standing = createStandingModels({ chooseModels, opencodeModel });
  const known = (models: readonly object[]): NodeModels => ({
    node: parseNodeUrl('https://node.example'),
    usable: usableModels(listOf(...models).models, createAbilitySource()).usable,
    usdPerSat: undefined,
    unusable: 0,
    fetchedAt: 0,
    stale: false,
  });
  const dearer = { sats_pricing: { prompt: 0.01, completion: 0.04 } };
  const nameOf = (...models: readonly object[]): string => standing(known(models), undefined).name;
  const before = nameOf(entry('claude-sonnet-4.5'));
  expect(nameOf(entry('claude-sonnet-4.5', dearer))).toBe(before);
  expect(nameOf(entry('claude-sonnet-4.5'), entry('gpt-4o-mini'))).not.toBe(before);
  expect(nameOf(entry('claude-sonnet-4.5', { top_provider: { context_length: 50_000 } }))).not.toBe(before);
  // One that is not listed is, for the run that asks for it.
  const [other] = known([entry('gpt-4o-mini')]).usable;
  const both = standing(known([entry('claude-sonnet-4.5')]), other);
  expect(Object.keys(both.models)).toEqual(['claude-sonnet-4.5', 'gpt-4o-mini']);
  expect(both.name).not.toBe(before);
});
