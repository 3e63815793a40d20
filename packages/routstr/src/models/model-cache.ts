import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { readFileIfThere, writeFileAtomically } from '@nostr-dm-agent/kit/files';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { z } from 'zod';
import type { NodeClient } from '../node/node-client.ts';
import type { NodeUrl } from '../node/node-url.ts';
import type { Evidence } from '../node/outcomes.ts';
import type { RoutstrModel } from './model-list.ts';

/** A node's models as they were at a time. */
export type CachedModels = {
  readonly node: NodeUrl;
  /** Milliseconds since the Unix epoch. */
  readonly fetchedAt: number;
  readonly models: readonly RoutstrModel[];
};

export type LoadedModels =
  /** `fresh`: from the node just now; `cached`: from the disk, younger than the limit. */
  | { readonly state: 'fresh' | 'cached'; readonly list: CachedModels }
  /** From the disk, older than the limit: the node is away. */
  | { readonly state: 'stale'; readonly list: CachedModels; readonly evidence: Evidence }
  | { readonly state: 'none'; readonly evidence: Evidence };

export type ModelCache = {
  readonly read: (node: NodeUrl) => CachedModels | undefined;
  /** From the disk when young enough, else from the node, else from the disk however old. */
  readonly load: (
    client: Pick<NodeClient, 'url' | 'models'>,
    options: { readonly maxAgeMs: number },
    signal: AbortSignal,
  ) => Promise<LoadedModels>;
};

const optionalNumber = z.number().optional();
const pricesSchema = z.object({
  prompt: z.number(),
  completion: z.number(),
  cacheRead: optionalNumber,
  cacheWrite: optionalNumber,
  request: z.number(),
});
const fileSchema = z.object({
  version: z.literal(1),
  node: z.string(),
  fetchedAt: z.number(),
  models: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      created: optionalNumber,
      context: optionalNumber,
      maxOutput: optionalNumber,
      inputs: z.array(z.string()),
      outputs: z.array(z.string()),
      enabled: z.boolean(),
      usd: pricesSchema.optional(),
      sat: pricesSchema.optional(),
      canonicalSlug: z.string().optional(),
    }),
  ),
});

/** The models of one node on disk, at `path`. A file that is damaged or of another node counts as absent. */
export function createModelCache(path: string, clock: Clock): ModelCache {
  const read = (node: NodeUrl): CachedModels | undefined => {
    const file = fileSchema.safeParse(parseJson(readFileIfThere(path) ?? '')).data;
    if (file?.node !== node) return undefined;
    return { node, fetchedAt: file.fetchedAt, models: file.models.map(complete) };
  };

  return {
    read,
    load: async (client, { maxAgeMs }, signal) => {
      const old = read(client.url);
      const age = old === undefined ? undefined : clock.now() - old.fetchedAt;
      // A clock that was set back makes ages negative: then the file is not young, it is unknown.
      if (old && age !== undefined && age >= 0 && age < maxAgeMs) return { state: 'cached', list: old };
      const answer = await client.models(signal);
      if (answer.state === 'unavailable' || answer.value.models.length === 0) {
        const evidence: Evidence =
          answer.state === 'unavailable'
            ? answer.evidence
            : { status: 200, code: undefined, message: 'the node lists no model', requestId: undefined };
        return old ? { state: 'stale', list: old, evidence } : { state: 'none', evidence };
      }
      const list = { node: client.url, fetchedAt: clock.now(), models: answer.value.models };
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileAtomically(path, `${JSON.stringify({ version: 1, ...list })}\n`);
      return { state: 'fresh', list };
    },
  };
}

type FileModel = z.infer<typeof fileSchema>['models'][number];
type FilePrices = z.infer<typeof pricesSchema>;

/** JSON has no `undefined`: what was left out is put back. */
const complete = (model: FileModel): RoutstrModel => ({
  ...model,
  created: model.created,
  context: model.context,
  maxOutput: model.maxOutput,
  usd: model.usd && completePrices(model.usd),
  sat: model.sat && completePrices(model.sat),
  canonicalSlug: model.canonicalSlug,
});
const completePrices = (prices: FilePrices): NonNullable<RoutstrModel['sat']> => ({
  ...prices,
  cacheRead: prices.cacheRead,
  cacheWrite: prices.cacheWrite,
});
