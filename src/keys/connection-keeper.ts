import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { createGuardedFetch } from '@nostr-dm-agent/kit/net';
import { withoutTokens } from '@nostr-dm-agent/kit/token-text';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import type { BackendName, RunPayment } from '../backends/backend.ts';
import { readBotConfig } from '../backends/opencode-config.ts';
import type { ProviderNote } from '../runs/chosen-provider.ts';
import type { Provider } from '../runs/provider.ts';
import type { MessageGuard } from '../store/messages-table.ts';
import { createAnnouncedConnections } from './announced/announced-connections.ts';
import { isAnnounced } from './announced/announced-provider.ts';
import { type AnnouncerAddress, readAnnouncer } from './announced/announcement.ts';
import { type Found, fetchAnnouncement } from './announced/fetch-announcement.ts';
import { type Catalogue, type Connectable, createCatalogue, type KeyProvider } from './catalogue.ts';
import type { ConnectedProvider, Connection, ConnectionStatus, ConnectionStore } from './connection.ts';
import { listingConfiguration } from './connection-payment.ts';
import { createConnectionProvider, retryPauses } from './key-provider.ts';
import { createMessageKeys, type MessageKeys, withoutSealed } from './keys-in-messages.ts';
import { createRenewals, type RenewalDeps, type Renewals } from './login-renewal.ts';
import { createOldKeys, type OldKeys } from './old-keys.ts';
import type { Sealer } from './seal.ts';
import { createVault, findLocked, type Vault } from './sealed-connections.ts';
import { type KeyVerdict, verifyKey } from './verify-key.ts';

/** How long a provider may take to say whether it knows a key. */
const verifyMs = 6000;

export type ConnectionKeeperDeps = {
  readonly store: ConnectionStore;
  readonly sealer: Sealer;
  readonly clock: Clock;
  /** Where logins are renewed; absent: where opencode does. */
  readonly renewalWays?: RenewalDeps['ways'];
  /** Addresses of this machine may announce a provider (tests and the sandbox). */
  readonly allowLoopback?: boolean;
  /** `BOT_HOME`. */
  readonly home: string;
  /** What the bot was started with, and its `.env`. */
  readonly ambient: Readonly<Record<string, string>>;
  /** Keeps a secret out of the log until the returned function is called. */
  readonly protect: (secret: string) => () => void;
  /** Binds a session to a provider. */
  readonly bind: (sessionId: string, provider: string) => void;
  readonly log: Logger;
};

/** What is asked of a session to know who pays. */
export type SessionToPay = {
  readonly owner: PublicKey;
  readonly backend: BackendName;
  readonly provider: string | undefined;
};

/** What the commands for connections work with. */
export type ConnectionTools = {
  readonly catalogue: Catalogue;
  readonly store: ConnectionStore;
  readonly vault: Vault;
  readonly renewals: Renewals;
  /** Keys that are on this host already. */
  readonly oldKeys: OldKeys;
  readonly reveal: MessageKeys['reveal'];
  /** What is known of a provider of theirs: the catalogue's, or what its address announced. */
  readonly entryOf: (owner: string, provider: string) => Connectable | undefined;
  /** See `readAnnouncer`. */
  readonly announcer: (word: string) => ReturnType<typeof readAnnouncer>;
  /** `taken`: its name is one of the catalogue's, or of the bot's own configuration. */
  readonly announcement: (
    address: AnnouncerAddress,
    signal: AbortSignal,
  ) => Promise<Found | { readonly state: 'taken' }>;
  readonly verify: (provider: KeyProvider, key: string, signal: AbortSignal) => Promise<KeyVerdict>;
  readonly protect: ConnectionKeeperDeps['protect'];
};

/** Owners' own access to providers of models: who may use what, and what the commands work with. */
export type ConnectionKeeper = {
  readonly tools: ConnectionTools;
  /** Keeps keys out of the stored messages, and tokens out of those that are done with. */
  readonly guard: MessageGuard;
  /** One for each provider of the catalogue that an owner can connect. */
  readonly providers: readonly Provider[];
  /** One that an address announced to this owner; undefined: they have no such connection. */
  readonly announced: (owner: string, provider: string) => Provider | undefined;
  /**
   * Who pays for a run of this session: a name, and why it is not the one that was meant.
   * @param chosen what the owner has chosen
   */
  readonly providerFor: (
    session: SessionToPay,
    chosen: string,
  ) => { readonly name: string; readonly without?: string; readonly note: ProviderNote | undefined };
  /** The providers that an owner may choose. */
  readonly connected: (owner: string) => readonly ConnectedProvider[];
  /** To list the models of a provider; holds no key. undefined: the owner is not connected to it. */
  readonly listing: (owner: string, provider: string) => RunPayment | undefined;
  /** undefined: no key makes a connection to this provider. */
  readonly statusOf: (owner: string, provider: string) => ConnectionStatus | undefined;
  /** At start: what no longer opens, and did when it was last looked at. */
  readonly check: () => readonly Connection[];
};

export function createConnectionKeeper(deps: ConnectionKeeperDeps): ConnectionKeeper {
  const { store, sealer, protect, bind, allowLoopback = false } = deps;
  const log = deps.log.child({ of: 'connections' });
  const catalogue = createCatalogue();
  const vault = createVault(sealer);
  const messageKeys = createMessageKeys(sealer, (id) => catalogue.get(id) !== undefined);
  const { renewalWays } = deps;
  const renewals = createRenewals({
    ...{ store, vault, protect, clock: deps.clock, log },
    ...(renewalWays && { ways: renewalWays }),
  });
  const byId = new Map(catalogue.connectables.map((provider) => [provider.id, provider]));
  const isConnected = (owner: string, id: string) => store.get(owner, id)?.credential !== undefined;
  const isKnown = (owner: string, id: string) => byId.has(id) || store.get(owner, id)?.kind === 'wellknown';
  const announced = createAnnouncedConnections({ store, vault, renewals, protect, bind });
  const entryOf = (owner: string, id: string): Connectable | undefined =>
    byId.get(id) ?? announced.entryOf(owner, id);

  return {
    tools: {
      catalogue,
      store,
      vault,
      renewals,
      oldKeys: createOldKeys(catalogue, deps.ambient),
      reveal: messageKeys.reveal,
      entryOf,
      announcer: (word) => readAnnouncer(word, allowLoopback),
      ...createQuestions(deps.home, catalogue, allowLoopback),
      protect,
    },
    guard: {
      hide: messageKeys.hide,
      forget: (text, done) =>
        done ? withoutTokens(withoutSealed(text), '[token removed]') : withoutSealed(text),
    },
    providers: catalogue.connectables.map((entry) =>
      createConnectionProvider(entry, { store, vault, renewals, protect, bind }),
    ),
    announced: announced.providerOf,
    providerFor: ({ owner, backend, provider: bound }, chosen) => {
      const wanted = bound ?? chosen;
      const local = (note: ProviderNote) => ({ name: 'local', without: wanted, note });
      if (!isKnown(owner, wanted)) return { name: wanted, note: undefined };
      if (backend !== 'opencode') return local({ why: 'backend', wanted, backend });
      // A conversation stays with its provider; when that is broken, its owner's later choice counts.
      if (bound !== undefined && chosen !== bound && store.get(owner, bound)?.status !== 'connected') {
        const gone = !isConnected(owner, bound);
        const note: ProviderNote = { why: 'broken', wanted: bound, used: chosen, gone };
        if (!isKnown(owner, chosen)) return { name: chosen, without: bound, note };
        if (isConnected(owner, chosen)) return { name: chosen, note };
      }
      return isConnected(owner, wanted)
        ? { name: wanted, note: undefined }
        : local({ why: 'not-connected', wanted });
    },
    connected: (owner) =>
      store.list(owner).flatMap(({ provider, credential }) => {
        const entry = credential === undefined ? undefined : entryOf(owner, provider);
        return entry === undefined
          ? []
          : [{ name: provider, title: entry.name, model: `${entry.id}/${entry.model}` }];
      }),
    listing: (owner, id) => {
      const entry = entryOf(owner, id);
      if (entry === undefined || !isConnected(owner, id)) return undefined;
      return {
        credentials: 'provided',
        variables: { [entry.variable]: 'none-needed-to-list' },
        configuration: listingConfiguration(entry),
      };
    },
    statusOf: (owner, id) => (isKnown(owner, id) ? (store.get(owner, id)?.status ?? 'revoked') : undefined),
    check: () => {
      const locked = findLocked(store, vault);
      if (locked.length > 0)
        log.warn({ connections: locked.length }, 'credentials do not open with this key of the bot');
      return locked;
    },
  };
}

/** What is asked of those who may know better: the addresses that announce, and the providers themselves. */
function createQuestions(
  home: string,
  catalogue: Catalogue,
  allowLoopback: boolean,
): Pick<ConnectionTools, 'announcement' | 'verify'> {
  const guarded = createGuardedFetch({ allowLoopback });
  const usual = { timeoutMs: verifyMs, pauses: retryPauses };
  return {
    announcement: async ({ url, id }, signal) => {
      const { bot } = await readBotConfig(home);
      const configured = configShape.safeParse(bot).data?.provider ?? {};
      return catalogue.get(id) !== undefined || Object.hasOwn(configured, id)
        ? { state: 'taken' }
        : fetchAnnouncement(url, { catalogue, allowLoopback }, signal);
    },
    verify: async (provider, key, signal) => {
      // Where a stranger's word leads to.
      if (isAnnounced(provider))
        return verifyKey(provider, key, { ...usual, baseUrl: provider.api, fetch: guarded }, signal);
      const baseUrl = (await configuredBaseUrl(home, provider)) ?? provider.api;
      return verifyKey(provider, key, { ...usual, baseUrl }, signal);
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
