import type { Provider } from './types.ts';

/** The user's own opencode: his login, his configuration, his API keys. Changes nothing and costs nothing here. */
export function createLocalProvider(): Provider {
  return {
    name: 'local',
    prepareRun: async () => ({
      state: 'ready',
      payment: { credentials: 'own', variables: {}, configuration: {} },
    }),
    finalizeRun: async () => undefined,
    recover: async () => [],
    getStatus: async () => ({ name: 'local', line: 'local (the backend’s own login)' }),
  };
}
