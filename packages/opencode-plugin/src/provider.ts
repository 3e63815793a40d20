import { systemClock } from '@nostr-dm-agent/kit/clock';
import {
  cheapestSmallModel,
  chooseModels,
  createAbilitySource,
  createModelCache,
  createNodeClient,
  type NodeUrl,
  opencodeModel,
  type UsableModel,
  usableModels,
} from '@nostr-dm-agent/routstr/client';
import { modelsFile } from './own-files.ts';

export const providerId = 'routstr';
export const defaultNode = 'https://api.routstr.com/v1';

/** Older, and the list is fetched again, for the next start: nobody waits for it. */
const maxAgeMs = 60 * 60_000;
/** How long a start waits for a list when there is none at all. */
const patienceMs = 4_000;
/** A node offers hundreds, and opencode looks through its configuration at every start. */
const mostModels = 60;

export type ModelsOfNode = {
  readonly models: readonly UsableModel[];
  /** Fetched again meanwhile; settles whatever comes of it. */
  readonly refreshed: Promise<unknown>;
};

/** The node's models: from the disk at once where they are there, however old; else from the node, for a moment. */
export async function modelsOf(home: string, node: NodeUrl): Promise<ModelsOfNode> {
  const cache = createModelCache(modelsFile(home), systemClock);
  const load = () => cache.load(createNodeClient(node), { maxAgeMs }, AbortSignal.timeout(patienceMs));
  const known = cache.read(node);
  // What keeps the list from being fetched keeps it from being fresh, and nothing else.
  const loading = load().catch(() => undefined);
  if (known === undefined) {
    const loaded = await loading;
    const list = loaded === undefined || loaded.state === 'none' ? [] : loaded.list.models;
    return { models: choose(list), refreshed: Promise.resolve() };
  }
  return { models: choose(known.models), refreshed: loading };
}

const choose = (list: Parameters<typeof usableModels>[0]): readonly UsableModel[] =>
  chooseModels(usableModels(list, createAbilitySource()).usable, { most: mostModels, include: [] });

/** The provider's block in opencode's configuration. What a user has written in their own wins. */
export function providerBlock(node: NodeUrl, models: readonly UsableModel[], own: unknown): object {
  const mine = isObject(own) ? own : {};
  return {
    npm: '@ai-sdk/openai-compatible',
    name: 'Routstr',
    ...mine,
    options: { baseURL: node, includeUsage: true, ...(isObject(mine.options) ? mine.options : {}) },
    models: {
      ...Object.fromEntries(models.map((model) => [model.id, opencodeModel(model)])),
      ...(isObject(mine.models) ? mine.models : {}),
    },
  };
}

/** For titles: the cheapest. */
export const smallModelOf = (models: readonly UsableModel[]): string | undefined =>
  cheapestSmallModel(models)?.id;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
