import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { RunPayment } from '../backends/backend.ts';
import type { Config } from '../config/config.ts';
import type { ConnectionKeeper } from '../keys/connection-keeper.ts';
import type { RoutstrKeeper } from '../money/routstr-keeper.ts';
import { notForBackend } from '../replies/connection-replies.ts';
import type { ChosenProvider } from '../runs/execute-run.ts';
import { createLocalProvider } from '../runs/local-provider.ts';
import type { Provider } from '../runs/provider.ts';
import type { Session } from '../runs/run.ts';
import type { Stores } from './stores.ts';

/** Who pays for the model calls of a session. */
export type ProviderChoice = {
  /** By name. `routstr` is added once its wallet is open. */
  readonly providers: Map<string, Provider>;
  /** What an owner prefers, whether it can be had or not. */
  readonly chosenBy: (owner: PublicKey) => string;
  readonly providerFor: (session: Session) => ChosenProvider;
  /** What models an owner's next task could use; undefined: those of the backend's own login. */
  readonly listingFor: (owner: PublicKey, bound: string | undefined) => RunPayment | undefined;
  /** One line for `!status`. */
  readonly line: (owner: PublicKey) => string;
  /** Why somebody's `routstr` is not used; undefined: it is, or nobody wants it. */
  readonly unpaid: () => string | undefined;
};

export function createProviderChoice(
  config: Config,
  parts: {
    readonly stores: Pick<Stores, 'owners' | 'settings'>;
    readonly connections: ConnectionKeeper;
    readonly routstr: Pick<RoutstrKeeper, 'line'>;
  },
): ProviderChoice {
  const { stores, connections, routstr } = parts;
  const local = createLocalProvider();
  const providers = new Map(
    [local, ...connections.providers].map((provider) => [provider.name, provider] as const),
  );
  const chosenBy = (owner: PublicKey): string => stores.settings.get(owner, 'provider') ?? config.provider;
  return {
    providers,
    chosenBy,
    providerFor: (session) => {
      const { name, without, note } = connections.providerFor(session, chosenBy(session.owner));
      if (name === 'routstr' && session.backend !== 'opencode') {
        return { provider: withoutModelsOf(name, local), note: notForBackend(name, session.backend) };
      }
      const provider = providers.get(name);
      if (provider === undefined) return { provider: local, note: insteadOf(name) };
      return { provider: without === undefined ? provider : withoutModelsOf(without, provider), note };
    },
    listingFor: (owner, bound) => connections.listing(owner, bound ?? chosenBy(owner)),
    line: (owner) => {
      const chosen = chosenBy(owner);
      return chosen === 'routstr'
        ? (routstr.line() ?? `local (${noWalletForRoutstr})`)
        : (connections.line(owner, chosen) ?? 'local (the backend’s own login)');
    },
    unpaid: () =>
      config.wallet === undefined &&
      stores.owners.list().some(({ publicKey }) => chosenBy(publicKey) === 'routstr')
        ? insteadOf('routstr')
        : undefined,
  };
}

const noWalletForRoutstr = 'routstr is set, but there is no wallet: CASHU_MNEMONIC is missing';

/** The provider that was chosen is not there. */
const insteadOf = (name: string): string =>
  name === 'routstr'
    ? `Provider ${noWalletForRoutstr}. Runs use local.`
    : `Provider ${name} is not connected, so local was used.`;

/** A provider that is not asked for models of another one. */
const withoutModelsOf = (other: string, provider: Provider): Provider => ({
  ...provider,
  model: (chosen) => {
    const wanted = chosen?.startsWith(`${other}/`) ? undefined : chosen;
    return provider.model === undefined ? wanted : provider.model(wanted);
  },
});
