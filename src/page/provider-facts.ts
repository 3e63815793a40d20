import type { ConnectableFacts, ProviderFacts, ProvidersFacts, Visitor } from '@nostr-dm-agent/page';
import type { CommandDeps } from '../commands/command-deps.ts';
import { hasLogin, isKeyProvider } from '../keys/catalogue.ts';
import type { Connection } from '../keys/connection.ts';
import { offeredTo } from '../keys/offer-old-keys.ts';
import type { Stores } from '../store/open-stores.ts';

export type ProviderFactsDeps = Pick<Stores, 'keys' | 'owners' | 'meta'> & {
  readonly connections: Pick<
    CommandDeps['connections'],
    'catalogue' | 'store' | 'oldKeys' | 'entryOf' | 'announcer'
  >;
  readonly logins: Pick<CommandDeps['logins'], 'pending'>;
  readonly providers: Pick<CommandDeps['providers'], 'chosenBy'>;
  readonly currentSessions: Pick<CommandDeps['currentSessions'], 'current'>;
  readonly runs: Pick<Stores['runs'], 'lastUses'>;
  readonly money: Pick<CommandDeps['money'], 'wallet'>;
};

/** So many of those that were found are shown. */
const mostFound = 12;
/** Shown while nobody looks for any. */
const wellKnown = ['anthropic', 'openai', 'openrouter', 'google', 'github-copilot'];

/** The payers of the visitor's tasks, and what they could connect. No key, sealed or open, is in it. */
export function providersFacts(
  deps: ProviderFactsDeps,
  { publicKey }: Visitor,
  find: string,
): ProvidersFacts {
  const { catalogue, store } = deps.connections;
  const connections = store.list(publicKey);
  const isConnected = new Set(connections.filter(isThere).map(({ provider }) => provider));
  const session = deps.currentSessions.current(publicKey);
  const uses = new Map(deps.runs.lastUses(publicKey).map(({ provider, at }) => [provider, at]));
  return {
    preferred: deps.providers.chosenBy(publicKey),
    session: session && { id: session.id, provider: session.provider },
    providers: [
      {
        ...{ id: 'local', builtIn: true, status: 'connected', fact: 'the agent’s own login on the host' },
        ...{ usedAt: uses.get('local'), error: undefined },
      },
      routstr(deps, uses.get('routstr')),
      ...connections.map((connection) => connectionFacts(deps, connection)),
    ],
    login: deps.logins.pending(publicKey),
    found: [
      ...searched(catalogue.connectables, find).map(
        (entry): ConnectableFacts => ({
          ...{ id: entry.id, name: entry.name, connected: isConnected.has(entry.id) },
          takesKey: isKeyProvider(entry),
          logsIn: hasLogin(entry),
          announces: false,
        }),
      ),
      ...announcers(deps, find, isConnected),
    ],
    oldKeys: offeredTo({ oldKeys: deps.connections.oldKeys, stores: deps }, publicKey).map(
      ({ provider: { id, name }, from }) => ({ id, name, from }),
    ),
    known: catalogue.connectables.length,
  };
}

const routstr = ({ money }: ProviderFactsDeps, usedAt: number | undefined): ProviderFacts => {
  const hasWallet = money.wallet.opened() !== undefined;
  return {
    ...{ id: 'routstr', builtIn: true, usedAt, error: undefined },
    status: hasWallet ? 'connected' : 'absent',
    fact: hasWallet ? 'ecash from the wallet, run by run' : 'there is no wallet (CASHU_MNEMONIC)',
  };
};

const connectionFacts = (
  { connections }: ProviderFactsDeps,
  { owner, provider, status, usedAt, error }: Connection,
): ProviderFacts => ({
  ...{ id: provider, status, usedAt, error, builtIn: false },
  fact: connections.entryOf(owner, provider)?.name ?? provider,
});

/** An address is no name to be searched for: what is there may announce a provider. */
function announcers(
  { connections: { catalogue, announcer } }: ProviderFactsDeps,
  find: string,
  isConnected: ReadonlySet<string>,
): readonly ConnectableFacts[] {
  const address = announcer(find.trim());
  if (address === undefined || 'refused' in address || catalogue.get(address.id) !== undefined) return [];
  const { id } = address;
  return [{ id, name: id, connected: isConnected.has(id), takesKey: true, logsIn: false, announces: true }];
}

const isThere = ({ status }: Connection): boolean => status !== 'revoked';

/** By name or id: those that begin so first. */
function searched<Entry extends { readonly id: string; readonly name: string }>(
  all: readonly Entry[],
  find: string,
): readonly Entry[] {
  const asked = find.trim().toLowerCase();
  if (asked === '') return all.filter(({ id }) => wellKnown.includes(id));
  const places = all.map((entry) => ({
    entry,
    at: Math.min(...[entry.id, entry.name.toLowerCase()].map((text) => place(text, asked))),
  }));
  return places
    .filter(({ at }) => at < Number.POSITIVE_INFINITY)
    .sort((a, b) => a.at - b.at)
    .slice(0, mostFound)
    .map(({ entry }) => entry);
}

const place = (text: string, asked: string): number => {
  const at = text.indexOf(asked);
  return at < 0 ? Number.POSITIVE_INFINITY : at * 1000 + text.length;
};
