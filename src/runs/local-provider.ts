import type { Provider } from './provider.ts';

/** The user's own opencode: login, configuration and API keys. Changes nothing and costs nothing here. */
export function createLocalProvider(): Provider {
  return {
    name: 'local',
    // What Routstr calls a model is no name of the user's own; their default serves then.
    model: (chosen) => (chosen?.startsWith('routstr/') ? undefined : chosen),
    prepareRun: async () => ({
      state: 'ready',
      payment: { credentials: 'own', variables: {}, configuration: {} },
    }),
    finalizeRun: async () => undefined,
    recover: async () => [],
  };
}
