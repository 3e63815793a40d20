import { pause } from '@nostr-dm-agent/kit/abort';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type {
  Meter,
  ModelTerms,
  PaidRun,
  PayingWallet,
  RoutstrProvider,
  RoutstrStatus,
  UsableModel,
} from '@nostr-dm-agent/routstr';
import { minimumBudget } from '@nostr-dm-agent/routstr';
import type { StandingPayment } from '../backends/payment.ts';
import type { Config } from '../config/config.ts';
import type { Meta } from '../store/meta-table.ts';
import { createBackground } from './background.ts';
import type { NodeChoice } from './node-choice.ts';
import { createNodeModels, NodeAwayError, type RoutstrCode } from './node-models.ts';
import type { RoutstrAccess } from './routstr-access.ts';
import { createRoutstrSettings } from './routstr-settings.ts';
import { createStandingModels, standingPayment } from './standing-models.ts';
import { NoWalletError } from './wallet-access.ts';

/** Nobody who asks for a balance waits longer for a node, or for an agent that has said its last word. */
const settledMs = 3000;
/** Prices are looked at this often; what waits on them is answered from the disk. */
const lookMs = 3_600_000;

export type RoutstrKeeperDeps = {
  readonly config: Pick<Config, 'fallbacks' | 'home' | 'model' | 'holdMs'>;
  /** Which node serves runs, and what nodes say of themselves. */
  readonly nodes: Pick<NodeChoice, 'current' | 'fetch' | 'info'>;
  readonly meta: Meta;
  readonly reached: (checkpoint: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
};

/** What one owner may spend; undefined: as much as the others may. */
export type OwnerMeans = {
  readonly dayLimit: (owner: string) => Sat | undefined;
  /** Theirs in the wallet. */
  readonly money: (owner: string) => Sat | undefined;
};

/** Provider `routstr` and all that it lives on: the meter, the settings, the node's prices. */
export type RoutstrKeeper = RoutstrAccess & {
  /**
   * Makes the provider; loads its code only now. Before the wallet recovers, so that a change that comes home is booked.
   * @param announce tells the owner of a run what became of it; durable when it returns
   */
  readonly open: (
    wallet: PayingWallet,
    owners: OwnerMeans,
    announce: (run: PaidRun) => void,
  ) => Promise<void>;
  /** What a run is to ask for when this model was chosen. @throws NoWalletError */
  readonly modelName: (chosen: string | undefined) => string | undefined;
  /**
   * How an agent server of this owner is paid run by run; `model` as their next run names it. While one has its door, a budget
   * is made ahead. @throws NoWalletError
   */
  readonly standing: (owner: string, model: string | undefined) => StandingPayment;
  /** Looks after what is owed and keeps the prices young from now on. */
  readonly start: () => void;
  /** undefined without a wallet. */
  readonly status: () => RoutstrStatus | undefined;
  readonly close: () => Promise<void>;
};

/** What there is once the provider is open. */
type Open = {
  readonly meter: Meter;
  readonly provider: RoutstrProvider;
  readonly models: ReturnType<typeof createNodeModels>;
  readonly standingModels: ReturnType<typeof createStandingModels>;
};

export function createRoutstrKeeper(deps: RoutstrKeeperDeps): RoutstrKeeper {
  const { config, nodes, clock } = deps;
  const log = deps.log.child({ of: 'routstr' });
  const settings = createRoutstrSettings(deps.meta);
  const background = createBackground(log);
  const node = nodes.current;
  const dayStart = () => new Date(clock.now()).setHours(0, 0, 0, 0);
  let opened: Open | undefined;

  const open = (): Open => {
    if (opened === undefined) throw new NoWalletError();
    return opened;
  };

  const syncQuietly = async (): Promise<void> => {
    try {
      const { node: url, result } = await open().models.sync(background.signal);
      if (result.changed) {
        log.info({ node: url, added: result.added.length, removed: result.removed.length }, 'models synced');
      }
    } catch (error) {
      if (background.signal.aborted) return;
      if (error instanceof NodeAwayError) log.info({ error }, 'the node shows no models');
      else log.warn({ error }, 'the models could not be synced');
    }
  };

  return {
    ...settings,
    provider: () => open().provider,
    ...betweenRuns(() => opened?.provider, background.signal),
    node,
    usedToday: (owner) => open().provider.usedSince(dayStart(), owner),
    usedSince: (since, owner) => open().provider.usedSince(since, owner),
    knownModels: () => opened?.models.onDisk(),
    modelOf: (chosen) => opened?.models.chosen(chosen),
    models: (signal) => open().models.load(signal),
    syncModels: (signal) => open().models.sync(signal, 0),

    open: async (wallet, owners, announce) => {
      const code = await loadCode();
      const models = createNodeModels({ code, node, home: config.home, model: config.model, clock });
      const meter = code.createMeter(log, { fetch: nodes.fetch });
      const provider = code.createRoutstrProvider({
        wallet,
        nodes: {
          current: node,
          at: (url) => code.createNodeClient(url, undefined, nodes.fetch),
          mintsOf: (url) => nodes.info.known(url)?.mints,
          fallbacks: () => config.fallbacks,
          ask: nodes.info.ask,
        },
        rules: {
          budget: settings.budget,
          dayLimit: settings.dayLimit,
          dayStart,
          ownerLimit: owners.dayLimit,
          ownMoney: owners.money,
          model: (name) => termsOf(code, models.find(name)),
        },
        meter,
        announce,
        clock,
        log,
        limits: { holdMs: config.holdMs },
        onCheckpoint: deps.reached,
      });
      opened = { meter, provider, models, standingModels: createStandingModels(code) };
    },
    start: () => {
      if (opened === undefined) return;
      opened.provider.start();
      // Asked for behind, so that the first run finds its mints.
      nodes.info.known(node());
      background.run('syncing the models', syncQuietly);
      background.repeat('syncing the models', lookMs, syncQuietly);
    },
    status: () => opened?.provider.status(),
    modelName: (chosen) => open().models.nameHere(chosen),
    standing: (owner, model) => {
      const { meter, provider, models, standingModels } = open();
      const keepBudget = () => provider.keepBudgetFor(owner);
      return standingPayment(meter, keepBudget, standingModels(models.onDisk(), models.chosen(model)));
    },
    close: async () => {
      await background.close();
      await opened?.provider.close();
      await opened?.meter.close();
      opened = undefined;
    },
  };
}

/** What becomes of money while no agent spends it. */
const betweenRuns = (
  provider: () => RoutstrProvider | undefined,
  closing: AbortSignal,
): Pick<RoutstrAccess, 'freeBudgets' | 'madeAhead' | 'settled'> => ({
  freeBudgets: async (signal) => provider()?.freeBudgets(signal),
  madeAhead: () => provider()?.madeAhead() ?? new Map(),
  settled: async () => {
    await Promise.race([provider()?.settled(), pause(settledMs, closing)]);
  },
});

/** What the provider is to know of a model before it pays for it. */
const termsOf = (code: RoutstrCode, model: UsableModel | undefined): ModelTerms | undefined =>
  model && {
    id: model.id,
    minimum: sat(minimumBudget(model)),
    price: { sat: model.sat, usd: model.usd },
    entry: code.opencodeModel(model),
  };

/** Loaded while the relays connect, and only with a wallet. */
const loadCode = (): Promise<RoutstrCode> => import('@nostr-dm-agent/routstr/open');
