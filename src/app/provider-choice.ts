import type { PublicKey } from '@nostr-dm-agent/nostr';
import { presets } from '../backends/acp/presets.ts';
import type { Backend, BackendName, RunPayment } from '../backends/backend.ts';
import type { ProviderFacts } from '../commands/command-deps.ts';
import type { Config } from '../config/config.ts';
import type { ConnectionKeeper, SessionToPay } from '../keys/connection-keeper.ts';
import type { RoutstrKeeper } from '../money/routstr-keeper.ts';
import { connectionLine } from '../replies/connection-replies.ts';
import { statusLine } from '../replies/routstr/paid-run-replies.ts';
import type { ChosenProvider } from '../runs/chosen-provider.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import { createLocalProvider } from '../runs/local-provider.ts';
import type { Provider } from '../runs/provider.ts';
import type { Stores } from '../store/open-stores.ts';

/** Who pays for the model calls of a session. */
export type ProviderChoice = ProviderFacts & {
  /** By name. `routstr` is added once its wallet is open. */
  readonly providers: Map<string, Provider>;
  readonly providerFor: (session: SessionToPay) => ChosenProvider;
  /** Somebody's `routstr` is not used, because there is no wallet. */
  readonly lacksWallet: () => boolean;
};

export function createProviderChoice(
  config: Config,
  parts: {
    readonly stores: Pick<Stores, 'owners' | 'settings'>;
    readonly connections: ConnectionKeeper;
    readonly routstr: Pick<RoutstrKeeper, 'status'>;
    readonly backends: ReadonlyMap<BackendName, Backend>;
    readonly currentSessions: CurrentSessions;
  },
): ProviderChoice {
  const { stores, connections, routstr, backends, currentSessions } = parts;
  const local = createLocalProvider();
  const providers = new Map(
    [local, ...connections.providers].map((provider) => [provider.name, provider] as const),
  );
  /** Whether it asks for models in a way that nodes serve. */
  const isPayable = (backend: BackendName): boolean => {
    if (backend === 'opencode') return true;
    const agent = config.agents.find(({ name }) => name === backend);
    return agent !== undefined && (agent.preset === undefined || presets[agent.preset].api !== 'none');
  };
  const chosenBy = (owner: PublicKey): string => stores.settings.get(owner, 'provider') ?? config.provider;
  return {
    providers,
    chosenBy,
    connected: connections.connected,
    providerFor: (session) => {
      const { backend } = session;
      const { name, without, note } = connections.providerFor(session, chosenBy(session.owner));
      if (name === 'routstr' && !isPayable(backend)) {
        return { provider: withoutModelsOf(name, local), note: { why: 'backend', wanted: name, backend } };
      }
      const provider = providers.get(name) ?? connections.announced(session.owner, name);
      if (provider === undefined) return { provider: local, note: { why: 'missing', wanted: name } };
      return { provider: without === undefined ? provider : withoutModelsOf(without, provider), note };
    },
    models: async (owner, name, signal) => {
      const wanted = currentSessions.current(owner)?.provider ?? chosenBy(owner);
      const payment = name === 'opencode' ? connections.listing(owner, wanted) : undefined;
      return (await backends.get(name)?.models(payment ?? own, signal)) ?? [];
    },
    line: (owner) => {
      const chosen = chosenBy(owner);
      if (chosen === 'routstr') {
        const facts = routstr.status();
        return facts === undefined
          ? 'local (routstr is set, but there is no wallet: CASHU_MNEMONIC is missing)'
          : statusLine(facts);
      }
      const status = connections.statusOf(owner, chosen);
      return status === undefined ? 'local (the backend’s own login)' : connectionLine(chosen, status);
    },
    lacksWallet: () =>
      config.wallet === undefined &&
      stores.owners.list().some(({ publicKey }) => chosenBy(publicKey) === 'routstr'),
  };
}

/** What the backend's own login pays for. */
const own: RunPayment = { credentials: 'own', variables: {}, configuration: {} };

/** A provider that is not asked for models of another one. */
const withoutModelsOf = (other: string, provider: Provider): Provider => ({
  ...provider,
  model: (chosen) => {
    const wanted = chosen?.startsWith(`${other}/`) ? undefined : chosen;
    return provider.model === undefined ? wanted : provider.model(wanted);
  },
});
