import { setTimeout as sleep } from 'node:timers/promises';
import type { RunPayment } from '../backend.ts';
import { variablesOf } from '../opencode-config.ts';
import type { Client } from './client.ts';

const pausesMs = [1_000, 2_000, 4_000];

/**
 * Hands the key of a connected provider to a server by opencode's own login, where the configuration does not name the
 * variable that holds it. Before the workspace is loaded for the first time: later it would be taken only after all of it
 * is loaded anew.
 * @throws what opencode said, after the last try
 */
export const handOverCredentials = async (
  { client }: { readonly client: Client },
  { credentials, variables, configuration }: RunPayment,
  signal: AbortSignal,
  wait: (ms: number, signal: AbortSignal) => Promise<unknown> = (ms, signal) =>
    sleep(ms, undefined, { signal }),
): Promise<void> => {
  const named = new Set(variablesOf(configuration));
  const [key] = Object.entries(variables)
    .filter(([name]) => !named.has(name))
    .map(([, value]) => value);
  const providers = configuration.enabled_providers;
  const [providerID]: readonly unknown[] = Array.isArray(providers) ? providers : [];
  if (credentials === 'own' || key === undefined || typeof providerID !== 'string') return;
  for (let tries = 0; ; tries++) {
    try {
      await client.auth.set({ providerID, auth: { type: 'api', key } }, { signal, throwOnError: true });
      return;
    } catch (error) {
      const pause = pausesMs[tries];
      if (pause === undefined || signal.aborted) throw error;
      await wait(pause, signal);
    }
  }
};
