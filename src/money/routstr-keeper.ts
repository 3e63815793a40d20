import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CashuWallet } from '@nostr-dm-agent/cashu-wallet';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { parseSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { Meter, NodeUrl, PaidRun, RoutstrProvider } from '@nostr-dm-agent/routstr';
import { configPath } from '../backends/opencode-config.ts';
import { statusLine } from '../replies/routstr/paid-run-replies.ts';
import { NoWalletError } from '../replies/wallet-error-replies.ts';
import { createPaidProvider } from '../runs/paid-provider.ts';
import type { Provider } from '../runs/provider.ts';
import type { Meta } from '../store/meta-table.ts';
import type { NodeChoice } from './node-choice.ts';
import { NodeAwayError, type NodeModels, type RoutstrAccess, type SyncedModels } from './routstr-access.ts';

/** What one run may spend until the owner says otherwise. */
const defaultBudget = sat(2000);
/** Prices are fetched anew when they are older, and looked at this often; what waits on them is answered from the disk. */
const maxAgeMs = 24 * 3_600_000;
const lookMs = 3_600_000;
/** Models that go into `opencode.json`; any other of the node's is handed to the run that asks for it. */
const mostListed = 100;

import { minimumBudget, usableModels } from '@nostr-dm-agent/routstr';
export type RoutstrKeeperDeps = {
  /** Which node serves runs, and what nodes say of themselves. */
  readonly nodes: Pick<NodeChoice, 'current' | 'info'>;
  /** `ROUTSTR_FALLBACKS`. */
  readonly fallbacks: readonly NodeUrl[];
  /** `BOT_HOME`. */
  readonly home: string;
  /** `BOT_MODEL`. */
  readonly model: string | undefined;
  /** `BOT_HOLD_MINUTES`, in ms. */
  readonly holdMs: number;
  /** What this owner may spend per day, and what is his to spend; undefined: as much as the others may. */
  readonly ownerLimit: (owner: string) => Sat | undefined;
  readonly ownMoney: (owner: string) => Sat | undefined;
  readonly meta: Meta;
  /** Durable when it returns. */
  readonly announce: (run: PaidRun) => void;
  readonly reached: (checkpoint: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
};

/** Provider `routstr` and all that it lives on: the meter, the settings, the node's prices. */
export type RoutstrKeeper = RoutstrAccess & {
  /** Makes the provider; loads its code only now. Before the wallet recovers, so that a change that comes home is booked. */
  readonly open: (wallet: CashuWallet) => Promise<Provider>;
  /** Looks after what is owed and keeps the prices young from now on. */
  readonly start: () => void;
  /** One line for `!status`; undefined without a wallet. */
  readonly line: () => string | undefined;
  readonly close: () => Promise<void>;
};

/** What there is once the provider is open. */
type Open = {
  readonly meter: Meter;
  readonly provider: RoutstrProvider;
  readonly code: Awaited<ReturnType<typeof loadCode>>;
};

export function createRoutstrKeeper(deps: RoutstrKeeperDeps): RoutstrKeeper {
  const { meta, clock } = deps;
  const log = deps.log.child({ of: 'routstr' });
  const opencodeJson = configPath(deps.home);
  const ending = new AbortController();
  let opened: Open | undefined;
  let known: NodeModels | undefined;
  let timer: Timer | undefined;
  let work: Promise<void> = Promise.resolve();

  const open = (): Open => {
    if (opened === undefined) throw new NoWalletError();
    return opened;
  };
  const node = deps.nodes.current;
  const amount = (key: string): Sat | undefined => parseSat(meta.get(key) ?? '');
  const budget = (): Sat => amount('routstr_budget') ?? defaultBudget;
  const dayLimit = (): Sat | undefined => amount('routstr_day_limit');
  const dayStart = (): number => new Date(clock.now()).setHours(0, 0, 0, 0);

  /** The operator's own word on a model that nobody knows: `tool_call` of its entry in `opencode.json`. */
  const entriesInFile = (): Readonly<Record<string, unknown>> => {
    const entries = open().code.valueAt(readText(opencodeJson), ['provider', 'routstr', 'models']);
    return isObject(entries) ? entries : {};
  };
  const abilities = () =>
    open().code.createAbilitySource(
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
    known = { node: list.node, usable, unusable: unusable.length, fetchedAt: list.fetchedAt, stale };
    return known;
  };
  const cache = () => open().code.createModelCache(join(deps.home, 'routstr-models.json'), clock);
  const knownModels = (): NodeModels | undefined => {
    if (opened === undefined) return undefined;
    if (known?.node === node()) return known;
    const list = cache().read(node());
    return list && remember(list, clock.now() - list.fetchedAt > maxAgeMs);
  };
  const load = async (maxAge: number, signal: AbortSignal): Promise<NodeModels> => {
    const client = open().code.createNodeClient(node());
    const loaded = await cache().load(client, { maxAgeMs: maxAge }, signal);
    if (loaded.state === 'none') throw new NodeAwayError(client.url, loaded.evidence.message);
    if (
      loaded.state === 'cached' &&
      known?.fetchedAt === loaded.list.fetchedAt &&
      known.node === client.url
    ) {
      return known;
    }
    return remember(loaded.list, loaded.state === 'stale');
  };
  const sync = async (maxAge: number, signal: AbortSignal): Promise<SyncedModels> => {
    const models = await load(maxAge, signal);
    const { code } = open();
    const asked = [...Object.keys(entriesInFile()), ownModel(deps.model)].filter((id) => id !== undefined);
    const chosen = code.chooseModels(models.usable, { most: mostListed, include: asked });
    const result = code.syncModelsFile(opencodeJson, { node: models.node, models: chosen });
    return { ...models, result };
  };

  /** The one that a run uses when none is asked for. */
  const defaultModel = (): string | undefined => {
    const named = open().code.valueAt(readText(opencodeJson), ['model']);
    return ownModel(typeof named === 'string' ? named : undefined);
  };
  const find = (asked: string | undefined): UsableModel | undefined => {
    const id = asked ?? defaultModel();
    return knownModels()?.usable.find((model) => model.id === id);
  };
  /** A model by another provider's name for it (`anthropic/claude-sonnet-4.5`) is the node's when it has it. */
  const modelFor = (asked: string | undefined): string | undefined => {
    if (asked?.startsWith('routstr/')) return asked;
    const { canonicalId } = open().code;
    const same = asked && knownModels()?.usable.find(({ id }) => canonicalId(id) === canonicalId(asked))?.id;
    const id = same ?? defaultModel();
    return id === undefined ? undefined : `routstr/${id}`;
  };

  const tick = (): void => {
    work = look().finally(() => {
      if (!ending.signal.aborted) timer = setTimeout(tick, lookMs);
    });
  };
  const look = async (): Promise<void> => {
    try {
      const { node: url, result } = await sync(maxAgeMs, ending.signal);
      if (result.changed) {
        log.info({ node: url, added: result.added.length, removed: result.removed.length }, 'models synced');
      }
    } catch (error) {
      if (ending.signal.aborted) return;
      if (error instanceof NodeAwayError) log.info({ error }, 'the node shows no models');
      else log.warn({ error }, 'the models could not be synced');
    }
  };

  return {
    provider: () => open().provider,
    node,
    budget,
    setBudget: (sats) => meta.set('routstr_budget', String(sats)),
    dayLimit,
    setDayLimit: (sats) => meta.set('routstr_day_limit', sats === undefined ? '' : String(sats)),
    usedToday: (owner) => open().provider.usedToday(owner),
    usedSince: (since, owner) => open().provider.usedSince(since, owner),
    knownModels,
    modelOf: (chosen) => (opened === undefined ? undefined : find(ownModel(modelFor(chosen)))),
    models: (signal) => load(maxAgeMs, signal),
    syncModels: (signal) => sync(0, signal),

    open: async (wallet) => {
      const code = await loadCode();
      const meter = code.createMeter(log);
      const provider = code.createRoutstrProvider({
        wallet,
        nodeUrl: node,
        fallbacks: { nodes: () => deps.fallbacks, ask: deps.nodes.info.ask },
        rules: {
          mintsOf: (url) => deps.nodes.info.known(url)?.mints,
          budget,
          dayLimit,
          dayStart,
          ownerLimit: deps.ownerLimit,
          ownMoney: deps.ownMoney,
          terms: (asked) => {
            const model = find(asked);
            return model && { id: model.id, minimum: sat(minimumBudget(model)) };
          },
          price: (asked) => {
            const model = find(asked);
            return model && { sat: model.sat, usd: model.usd };
          },
          entry: (asked) => {
            const model = find(asked);
            return model && code.opencodeModel(model);
          },
        },
        meter,
        announce: deps.announce,
        clock,
        log,
        limits: { holdMs: deps.holdMs },
        onCheckpoint: deps.reached,
      });
      opened = { meter, provider, code };
      return createPaidProvider(provider, modelFor);
    },
    start: () => {
      opened?.provider.start();
      // Asked for behind, so that the first run finds its mints.
      if (opened !== undefined) deps.nodes.info.known(node());
      if (opened !== undefined) tick();
    },
    line: () => opened && statusLine(opened.provider.status()),
    close: async () => {
      ending.abort();
      clearTimeout(timer);
      await work;
      await opened?.provider.close();
      await opened?.meter.close();
      opened = undefined;
    },
  };
}

type UsableModel = NodeModels['usable'][number];
type RoutstrModel = import('@nostr-dm-agent/routstr').RoutstrModel;

/** Loaded while the relays connect, and only with a wallet. */
const loadCode = () => import('@nostr-dm-agent/routstr/open');

const ownModel = (model: string | undefined): string | undefined =>
  model?.startsWith('routstr/') ? model.slice('routstr/'.length) : undefined;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The owner's file; when it is not there, nothing of it is. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '{}';
    throw error;
  }
}
