import type { Login, RunPayment, StandingPayment } from '../backends/payment.ts';
import { announcedProvider, isAnnounced } from './announced/announced-provider.ts';
import type { Connectable } from './catalogue.ts';
import type { ConnectionStore } from './connection.ts';
import type { Renewals } from './login-renewal.ts';
import { SealError } from './seal.ts';
import { type KeptCredential, secretOf, type Vault } from './sealed-connections.ts';

/** What is known of the one that a credential opens: an address's own word is kept with the key for it. */
export const entryFor = (entry: Connectable, credential: KeptCredential): Connectable =>
  credential.type === 'wellknown' ? announcedProvider(entry.id, credential.announced) : entry;

/** How an agent is given what opens a provider. */
export function connectionPayment(known: Connectable) {
  /** By a variable, where a key is all that it takes: a process has it from its start to its end. */
  const ofRun = (credential: KeptCredential): RunPayment => {
    if (credential.type === 'oauth') return byLogin(credential);
    const entry = entryFor(known, credential);
    return {
      credentials: 'provided',
      variables: { [entry.variable]: secretOf(credential) },
      configuration: listingConfiguration(entry),
    };
  };
  /** By opencode's own login: a server that is at work can be given another one. */
  const byLogin = (credential: KeptCredential): RunPayment => {
    const entry = entryFor(known, credential);
    const { id, model } = entry;
    return {
      ...{ credentials: 'provided', variables: {}, login: loginOf(id, credential) },
      configuration: {
        ...{ enabled_providers: [id], model: `${id}/${model}` },
        ...(isAnnounced(entry) && { provider: { [id]: entry.settings } }),
      },
    };
  };
  return { ofRun, byLogin };
}

export type StandingDeps = {
  readonly store: ConnectionStore;
  readonly vault: Vault;
  readonly renewals: Renewals;
  readonly protect: (secret: string) => () => void;
};

/** For servers, which outlive keys and tokens: each is asked for anew before a run, and given to the server that is there. */
export function createStanding(
  known: Connectable,
  byLogin: (credential: KeptCredential) => RunPayment,
  { store, vault, renewals, protect }: StandingDeps,
) {
  const { id } = known;
  /** Servers keep their key as long as they live, so it stays out of the log as long as the bot does. */
  const handedOver = new Set<string>();
  const standing = (owner: string): StandingPayment | undefined => {
    const found = store.get(owner, id);
    const credential = found?.credential && opened(owner, found.credential);
    if (found === undefined || credential === undefined || credential === '') return undefined;
    const keep = (secret: string) => {
      if (!handedOver.has(secret)) protect(secret);
      handedOver.add(secret);
    };
    keep(secretOf(credential));
    const entry = entryFor(known, credential);
    return {
      payer: `${payers[credential.type]}:${id}${isAnnounced(entry) ? `:${entry.stamp}` : ''}`,
      payment: () => byLogin(credential),
      isOpen: () => store.get(owner, id)?.credential !== undefined,
      ...(credential.type !== 'oauth' || credential.expires === 0
        ? {}
        : {
            renewal: {
              due: credential.expires,
              again: async (signal) => {
                const fresh = await renewals.fresh(owner, id, signal);
                if (fresh.state !== 'good' || fresh.credential.type !== 'oauth') return undefined;
                keep(fresh.credential.access);
                return { login: loginOf(id, fresh.credential), due: fresh.credential.expires };
              },
            },
          }),
    };
  };
  /** undefined: it does not open with this key of the bot, which the run itself says. */
  const opened = (owner: string, credential: string): KeptCredential | undefined => {
    try {
      return vault.read(owner, id, credential);
    } catch (error) {
      if (error instanceof SealError) return undefined;
      throw error;
    }
  };

  return standing;
}

/** What a server is started anew for. */
const payers = { api: 'key', oauth: 'login', wellknown: 'announced' } as const;

/** So far off that opencode never renews it: the bot does. */
const neverMs = 4_000_000_000_000;

/**
 * What an agent is given of a login: the token of the hour. What renews it stays with the bot, also because one that two
 * agents renew at once is taken for stolen by the provider.
 */
const loginOf = (provider: string, credential: KeptCredential): Login => ({
  provider,
  auth:
    credential.type === 'oauth'
      ? { ...credential, refresh: credential.access, expires: neverMs }
      : { type: 'api', key: secretOf(credential) },
});

/** The agent's configuration, without anything secret: the key is in the variable that it names. */
export const listingConfiguration = (entry: Connectable) => {
  const { id, variable, model } = entry;
  return {
    enabled_providers: [id],
    model: `${id}/${model}`,
    provider: {
      [id]: { ...(isAnnounced(entry) ? entry.settings : {}), options: { apiKey: `{env:${variable}}` } },
    },
  };
};
