import { join } from 'node:path';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { readFileIfThere } from '@nostr-dm-agent/kit/files';
import type { NodeUrl, RoutstrModel, SyncResult, UsableModel } from '@nostr-dm-agent/routstr';
import { usableModels, usdPerSat } from '@nostr-dm-agent/routstr';
import { configPath } from '../backends/opencode-config.ts';

/** A node's models that an agent can use, cheapest for a typical task first. */
export type NodeModels = {
  readonly node: NodeUrl;
  readonly usable: readonly UsableModel[];
  /** What a sat is worth by its prices; undefined: it has none. */
  readonly usdPerSat: number | undefined;
  /** How many more it lists that an agent cannot use. */
  readonly unusable: number;
  /** Milliseconds since the Unix epoch. */
  readonly fetchedAt: number;
  /** The node is away, and these are older than a day. */
  readonly stale: boolean;
};

/** What came of `sync-models`. */
export type SyncedModels = NodeModels & { readonly result: SyncResult };

/** The node has no models to show: it is away, and nothing of it is on disk. */
export class NodeAwayError extends Error {
  override readonly name = 'NodeAwayError';
  readonly node: NodeUrl;
  /** What the node or the network said. */
  readonly detail: string;
  constructor(node: NodeUrl, detail: string) {
    super(`${node} has no models to show: ${detail}`);
    this.node = node;
    this.detail = detail;
  }
}

/** Prices are fetched anew when they are older. */
const maxAgeMs = 24 * 3_600_000;
/** Models that go into `opencode.json`; any other of the node's is handed to the run that asks for it. */
const mostListed = 100;

export type RoutstrCode = typeof import('@nostr-dm-agent/routstr/open');

/** The models of the present node, on disk and in `BOT_HOME/opencode.json`. */
export function createNodeModels(deps: {
  readonly code: RoutstrCode;
  /** The present one. */
  readonly node: () => NodeUrl;
  /** `BOT_HOME`. */
  readonly home: string;
  /** `BOT_MODEL`. */
  readonly model: string | undefined;
  readonly clock: Clock;
}) {
  const { code, node, home, clock } = deps;
  const opencodeJson = configPath(home);
  const cache = code.createModelCache(join(home, 'routstr-models.json'), clock);
  let known: NodeModels | undefined;

  const entriesInFile = (): Readonly<Record<string, unknown>> => {
    const entries = code.valueAt(readFileIfThere(opencodeJson) ?? '{}', ['provider', 'routstr', 'models']);
    return isObject(entries) ? entries : {};
  };
  /** With the operator's own word on a model that nobody knows: `tool_call` of its entry in `opencode.json`. */
  const abilities = () =>
    code.createAbilitySource(
      Object.fromEntries(
        Object.entries(entriesInFile()).flatMap(([id, entry]) =>
          isObject(entry) && typeof entry.tool_call === 'boolean' ? [[id, { tools: entry.tool_call }]] : [],
        ),
      ),
    );
  const remember = (
    list: { readonly node: NodeUrl; readonly fetchedAt: number; readonly models: readonly RoutstrModel[] },
    stale: boolean,
  ): NodeModels => {
    const { usable, unusable } = usableModels(list.models, abilities());
    known = {
      node: list.node,
      fetchedAt: list.fetchedAt,
      stale,
      usable,
      unusable: unusable.length,
      usdPerSat: usdPerSat(list.models),
    };
    return known;
  };
  const onDisk = (): NodeModels | undefined => {
    if (known?.node === node()) return known;
    const list = cache.read(node());
    return list && remember(list, clock.now() - list.fetchedAt > maxAgeMs);
  };
  /** No older than `maxAge` (ms) if the node answers. @throws NodeAwayError */
  const load = async (signal: AbortSignal, maxAge = maxAgeMs): Promise<NodeModels> => {
    const client = code.createNodeClient(node());
    const loaded = await cache.load(client, { maxAgeMs: maxAge }, signal);
    if (loaded.state === 'none') throw new NodeAwayError(client.url, loaded.evidence.message);
    const same = known?.node === client.url && known.fetchedAt === loaded.list.fetchedAt;
    return loaded.state === 'cached' && same && known !== undefined
      ? known
      : remember(loaded.list, loaded.state === 'stale');
  };

  /** The one that a run uses when none is asked for. */
  const defaultModel = (): string | undefined => {
    const named = code.valueAt(readFileIfThere(opencodeJson) ?? '{}', ['model']);
    return ownModel(typeof named === 'string' ? named : undefined);
  };
  /** By its id at the node; undefined: the default one. */
  const find = (id: string | undefined): UsableModel | undefined => {
    const wanted = id ?? defaultModel();
    return onDisk()?.usable.find((model) => model.id === wanted);
  };
  /** A model by another provider's name for it (`anthropic/claude-sonnet-4.5`) is the node's when it has it. */
  const nameHere = (asked: string | undefined): string | undefined => {
    if (asked?.startsWith('routstr/')) return asked;
    const { canonicalId } = code;
    const same = asked && onDisk()?.usable.find(({ id }) => canonicalId(id) === canonicalId(asked))?.id;
    const id = same ?? defaultModel();
    return id === undefined ? undefined : `routstr/${id}`;
  };

  return {
    onDisk,
    load,
    find,
    nameHere,
    chosen: (asked: string | undefined) => find(ownModel(nameHere(asked))),
    /** @throws NodeAwayError, OpencodeConfigError */
    sync: async (signal: AbortSignal, maxAge = maxAgeMs): Promise<SyncedModels> => {
      const models = await load(signal, maxAge);
      const include = [...Object.keys(entriesInFile()), ownModel(deps.model)].filter(
        (id) => id !== undefined,
      );
      const chosen = code.chooseModels(models.usable, { most: mostListed, include });
      return {
        ...models,
        result: code.syncModelsFile(opencodeJson, { node: models.node, models: chosen }),
      };
    },
  };
}

const ownModel = (model: string | undefined): string | undefined =>
  model?.startsWith('routstr/') ? model.slice('routstr/'.length) : undefined;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
