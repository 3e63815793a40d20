import type { RunPayment } from '../backends/payment.ts';
import type { Provider } from './provider.ts';

const own: RunPayment = { credentials: 'own', variables: {}, configuration: {} };

/** The user's own opencode: login, configuration and API keys. Changes nothing and costs nothing here. */
export function createLocalProvider(): Provider {
  return {
    name: 'local',
    // What Routstr calls a model is no name of the user's own; their default serves then.
    model: (chosen) => (chosen?.startsWith('routstr/') ? undefined : chosen),
    standing: () => ({ payer: 'local', payment: () => own }),
    prepareRun: async () => ({ state: 'ready', payment: own }),
    finalizeRun: async () => undefined,
    recover: async () => [],
  };
}
