import { createHash } from 'node:crypto';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { RunTicket } from '@nostr-dm-agent/routstr';
import type { RunPayment, StandingPayment } from '../backends/payment.ts';
import { lockedKeyText, notConnectedText } from '../replies/connection-replies.ts';
import type { PreparedRun, Provider, RunFailure } from '../runs/provider.ts';
import type { KeyProvider } from './catalogue.ts';
import type { ConnectionStore } from './connection.ts';
import { isRefusedRun } from './key-form.ts';
import { SealError } from './seal.ts';
import { sealedOtherwise, type Vault } from './sealed-connections.ts';

/** What opencode gives up on at once is tried again after these, when nothing was done yet (milliseconds). */
export const retryPauses: readonly number[] = [1000, 2000, 4000];

export type ConnectionProviderDeps = {
  readonly store: ConnectionStore;
  readonly vault: Vault;
  /** Keeps a secret out of the log until the returned function is called. */
  readonly protect: (secret: string) => () => void;
  /** From now on a session goes on with this provider, whatever its owner prefers later. */
  readonly bind: (sessionId: string, provider: string) => void;
  readonly log: Logger;
};

/** Faults of the provider, or of the access to it. What the agent did wrong is no word on the connection. */
const ofTheProvider = new Set([
  'unauthorized',
  'budget_exhausted',
  'bad_request',
  'rate_limited',
  'provider_down',
  'provider_nonsense',
]);

/** A provider that owners reach with API keys of their own: the key is opened into the one run that uses it. */
export function createConnectionProvider(entry: KeyProvider, deps: ConnectionProviderDeps): Provider {
  const { store, vault, log } = deps;
  const { id, variable } = entry;
  const live = new Map<
    string,
    {
      readonly owner: string;
      readonly sessionId: string;
      readonly credential: string;
      readonly release: () => void;
    }
  >();

  const paymentWith = (key: string): RunPayment => ({
    credentials: 'provided',
    variables: { [variable]: key },
    configuration: listingConfiguration(entry),
  });
  /** Servers keep their key as long as they live, so it stays out of the log as long as the bot does. */
  const handedOver = new Set<string>();
  const standing = (owner: string): StandingPayment | undefined => {
    const credential = store.get(owner, id)?.credential;
    const key = credential && opened(owner, credential);
    if (credential === undefined || key === undefined) return undefined;
    if (!handedOver.has(key)) deps.protect(key);
    handedOver.add(key);
    const payer = `key:${id}:${createHash('sha256').update(credential).digest('hex').slice(0, 12)}`;
    return { payer, payment: () => paymentWith(key) };
  };
  /** undefined: it does not open with this key of the bot, which the run itself says. */
  const opened = (owner: string, credential: string): string | undefined => {
    try {
      return vault.open(owner, id, credential);
    } catch (error) {
      if (error instanceof SealError) return undefined;
      throw error;
    }
  };

  const prepareRun = async ({ runId, sessionId, owner }: RunTicket): Promise<PreparedRun> => {
    const credential = store.get(owner, id)?.credential;
    if (credential === undefined) {
      return { state: 'refused', reason: notConnectedText(id) };
    }
    let key: string;
    try {
      key = vault.open(owner, id, credential);
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      store.mark(owner, id, 'error', sealedOtherwise);
      log.warn({ provider: id, owner, reason: error.reason }, 'a credential does not open');
      return { state: 'refused', reason: lockedKeyText(id) };
    }
    live.set(runId, { owner, sessionId, credential, release: deps.protect(key) });
    return { state: 'ready', payment: paymentWith(key) };
  };

  /** What the run came to is said of the credential that it used, not of one that took its place meanwhile. */
  const ended = (runId: string, failure: RunFailure | undefined): void => {
    const run = live.get(runId);
    // A session that never got through is still free to go elsewhere.
    if (run !== undefined && (failure === undefined || !isRefusedRun(failure))) deps.bind(run.sessionId, id);
    const now = run && store.get(run.owner, id);
    if (run === undefined || now === undefined || now.credential !== run.credential) return;
    if (failure === undefined) {
      if (now.status !== 'connected' || now.error !== undefined)
        store.mark(run.owner, id, 'connected', undefined);
      return;
    }
    if (!ofTheProvider.has(failure.kind)) return;
    const status = failure.kind === 'unauthorized' || isRefusedRun(failure) ? 'error' : now.status;
    if (status === 'revoked') return;
    const said = [failure.status, failure.detail ?? failure.kind.replaceAll('_', ' ')]
      .filter(Boolean)
      .join(' ');
    store.mark(run.owner, id, status, said);
  };

  return {
    name: id,
    retryPauses,
    model: (asked) => (asked?.startsWith(`${id}/`) ? asked : `${id}/${entry.model}`),
    standing,
    prepareRun,
    ended,
    finalizeRun: async (runId) => {
      const run = live.get(runId);
      live.delete(runId);
      if (run === undefined) return undefined;
      run.release();
      store.used(run.owner, id);
      return undefined;
    },
    recover: async () => [],
  };
}

/** The agent's configuration, without anything secret: the key is in the variable that it names. */
export const listingConfiguration = ({ id, variable, model }: KeyProvider) => ({
  enabled_providers: [id],
  model: `${id}/${model}`,
  provider: { [id]: { options: { apiKey: `{env:${variable}}` } } },
});
