import type { RunTicket } from '@nostr-dm-agent/routstr';
import {
  expiredLoginText,
  lockedKeyText,
  notConnectedText,
  notRenewedText,
} from '../replies/connection-replies.ts';
import type { PreparedRun, Provider, RunFailure } from '../runs/provider.ts';
import type { Connectable } from './catalogue.ts';
import type { ConnectionStore } from './connection.ts';
import { connectionPayment, createStanding } from './connection-payment.ts';
import { isRefusedRun } from './key-form.ts';
import type { Renewals } from './login-renewal.ts';
import { secretOf, type Vault } from './sealed-connections.ts';

/** What opencode gives up on at once is tried again after these, when nothing was done yet (milliseconds). */
export const retryPauses: readonly number[] = [1000, 2000, 4000];

export type ConnectionProviderDeps = {
  readonly store: ConnectionStore;
  readonly vault: Vault;
  readonly renewals: Renewals;
  /** Keeps a secret out of the log until the returned function is called. */
  readonly protect: (secret: string) => () => void;
  /** From now on a session goes on with this provider, whatever its owner prefers later. */
  readonly bind: (sessionId: string, provider: string) => void;
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

/** A provider that owners reach with keys or logins of their own: what opens it is given to the one run that uses it. */
export function createConnectionProvider(entry: Connectable, deps: ConnectionProviderDeps): Provider {
  const { store, renewals } = deps;
  const { id } = entry;
  const live = new Map<
    string,
    {
      readonly owner: string;
      readonly sessionId: string;
      /** Of the connection: another one took its place when this is another. */
      readonly createdAt: number;
      readonly release: () => void;
    }
  >();

  const payment = connectionPayment(entry);
  const prepareRun = async (
    { runId, sessionId, owner }: RunTicket,
    signal: AbortSignal,
  ): Promise<PreparedRun> => {
    const fresh = await renewals.fresh(owner, id, signal);
    if (fresh.state !== 'good') return { state: 'refused', reason: refusals[fresh.state](id) };
    const { credential } = fresh;
    const createdAt = store.get(owner, id)?.createdAt ?? 0;
    live.set(runId, { owner, sessionId, createdAt, release: deps.protect(secretOf(credential)) });
    return { state: 'ready', payment: payment.ofRun(credential) };
  };

  /** What the run came to is said of the credential that it used, not of one that took its place meanwhile. */
  const ended = (runId: string, failure: RunFailure | undefined): void => {
    const run = live.get(runId);
    // A session that never got through is still free to go elsewhere.
    if (run !== undefined && (failure === undefined || !isRefusedRun(failure))) deps.bind(run.sessionId, id);
    const now = run && store.get(run.owner, id);
    if (run === undefined || now === undefined || now.createdAt !== run.createdAt) return;
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
    standing: createStanding(entry, payment.byLogin, deps),
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

const refusals = {
  none: notConnectedText,
  locked: lockedKeyText,
  expired: expiredLoginText,
  unreachable: notRenewedText,
} as const;
