import type { Database } from 'bun:sqlite';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { withoutTokens } from '@nostr-dm-agent/kit/token-text';
import { z } from 'zod';
import type { BackendName, RunPayment } from '../backends/backend.ts';
import { readBotConfig } from '../backends/opencode-config.ts';
import type { ConnectionCommandDeps } from '../commands/connection-commands.ts';
import { insteadOfBroken, insteadOfConnection, notForBackend } from '../replies/connection-replies.ts';
import type { Provider } from '../runs/provider.ts';
import { createConnectionStore } from '../store/connections-table.ts';
import type { MessageGuard } from '../store/messages-table.ts';
import { createCatalogue, type KeyProvider } from './catalogue.ts';
import type { Connection } from './connection.ts';
import { createConnectionProvider, listingConfiguration, retryPauses } from './key-provider.ts';
import { createMessageKeys, type MessageKeys, withoutSealed } from './keys-in-messages.ts';
import type { Sealer } from './seal.ts';
import { createVault, findLocked } from './sealed-connections.ts';
import { verifyKey } from './verify-key.ts';

/** How long a provider may take to say whether it knows a key. */
const verifyMs = 6000;

export type ConnectionKeeperDeps = {
  readonly db: Database;
  readonly sealer: Sealer;
  /** `BOT_HOME`. */
  readonly home: string;
  /** Keeps a secret out of the log until the returned function is called. */
  readonly protect: (secret: string) => () => void;
  /** Binds a session to a provider. */
  readonly bind: (sessionId: string, provider: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
};

/** What is asked of a session to know who pays. */
export type SessionToPay = {
  readonly owner: string;
  readonly backend: BackendName;
  readonly provider: string | undefined;
};

/** Owners' own access to providers of models: who may use what, and what the commands work with. */
export type ConnectionKeeper = {
  readonly commands: ConnectionCommandDeps;
  /** Keeps keys out of the stored messages, and tokens out of those that are done with. */
  readonly guard: MessageGuard;
  /** One for each provider of the catalogue that takes keys. */
  readonly providers: readonly Provider[];
  /**
   * Who pays for a run of this session: a name, and what its owner is told when it is not the one that was meant.
   * @param chosen what the owner has chosen for himself
   */
  readonly providerFor: (
    session: SessionToPay,
    chosen: string,
  ) => { readonly name: string; readonly without?: string; readonly note: string | undefined };
  /** The providers that an owner may choose. */
  readonly connected: (owner: string) => readonly { readonly name: string; readonly meaning: string }[];
  /** To list the models of a provider; holds no key. undefined: the owner is not connected to it. */
  readonly listing: (owner: string, provider: string) => RunPayment | undefined;
  /** A line for the status; undefined: it is no connection. */
  readonly line: (owner: string, provider: string) => string | undefined;
  /** At start: what no longer opens, and did when it was last looked at. */
  readonly check: () => readonly Connection[];
};

export function createConnectionKeeper(deps: ConnectionKeeperDeps): ConnectionKeeper {
  const { db, sealer, protect, bind, clock } = deps;
  const log = deps.log.child({ of: 'connections' });
  const catalogue = createCatalogue();
  const store = createConnectionStore(db, clock);
  const vault = createVault(sealer);
  const concealer: MessageKeys = createMessageKeys(sealer, (id) => catalogue.get(id) !== undefined);
  const byId = new Map(catalogue.keyProviders.map((provider) => [provider.id, provider]));
  const isConnected = (owner: string, id: string) => store.get(owner, id)?.credential !== undefined;
  const isBroken = (owner: string, id: string) => store.get(owner, id)?.status !== 'connected';

  return {
    commands: {
      catalogue,
      store,
      vault,
      reveal: concealer.reveal,
      verify: async (provider, key, signal) => {
        const baseUrl = (await configuredBaseUrl(deps.home, provider)) ?? provider.api;
        return verifyKey(provider, key, { baseUrl, timeoutMs: verifyMs, pauses: retryPauses }, signal);
      },
      protect,
    },
    guard: {
      hide: concealer.hide,
      forget: (text, done) =>
        done ? withoutTokens(withoutSealed(text), '[token removed]') : withoutSealed(text),
    },
    providers: catalogue.keyProviders.map((entry) =>
      createConnectionProvider(entry, { store, vault, protect, bind, log }),
    ),
    providerFor: ({ owner, backend, provider: bound }, chosen) => {
      const wanted = bound ?? chosen;
      if (!byId.has(wanted)) return { name: wanted, note: undefined };
      if (backend !== 'opencode')
        return { name: 'local', without: wanted, note: notForBackend(wanted, backend) };
      // A conversation stays with its provider; when that is broken, its owner's later choice counts.
      if (bound !== undefined && chosen !== bound && isBroken(owner, bound)) {
        const note = insteadOfBroken(bound, chosen, !isConnected(owner, bound));
        if (!byId.has(chosen)) return { name: chosen, without: bound, note };
        if (isConnected(owner, chosen)) return { name: chosen, note };
      }
      if (isConnected(owner, wanted)) return { name: wanted, note: undefined };
      return { name: 'local', without: wanted, note: insteadOfConnection(wanted) };
    },
    connected: (owner) =>
      store.list(owner).flatMap(({ provider, credential }) => {
        const entry = credential === undefined ? undefined : byId.get(provider);
        if (entry === undefined) return [];
        const meaning = `your own key at ${entry.name} pays (${entry.id}/${entry.model}, unless you choose another model of it)`;
        return [{ name: provider, meaning }];
      }),
    listing: (owner, id) => {
      const entry = byId.get(id);
      if (entry === undefined || !isConnected(owner, id)) return undefined;
      return {
        credentials: 'provided',
        variables: { [entry.variable]: 'none-needed-to-list' },
        configuration: listingConfiguration(entry),
      };
    },
    line: (owner, id) => {
      const entry = byId.get(id);
      if (entry === undefined) return undefined;
      const connection = store.get(owner, id);
      if (connection?.credential === undefined)
        return `local (${id} is not connected: !provider connect ${id} <key>)`;
      return `${id} (your own key${connection.status === 'connected' ? '' : `: ${connection.status}, see !provider list`})`;
    },
    check: () => {
      const locked = findLocked(store, vault);
      if (locked.length > 0)
        log.warn({ connections: locked.length }, 'credentials do not open with this key of the bot');
      return locked;
    },
  };
}

const configShape = z.object({
  provider: z.record(z.string(), z.object({ options: z.object({ baseURL: z.url() }).optional() }).catch({})),
});

/** Where the bot's own `opencode.json` sends the requests of this provider; the runs use the same. */
async function configuredBaseUrl(home: string, { id }: KeyProvider): Promise<string | undefined> {
  const { bot } = await readBotConfig(home);
  const parsed = configShape.safeParse(bot);
  return parsed.success ? parsed.data.provider[id]?.options?.baseURL : undefined;
}
