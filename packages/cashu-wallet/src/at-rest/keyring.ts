import { pause } from '@nostr-dm-agent/kit/abort';

/** The system's keyring: secret-service on Linux, the keychain on macOS. */
export type Keyring = {
  readonly read: (entry: string) => Promise<string | undefined>;
  readonly write: (entry: string, secret: string) => Promise<void>;
  readonly remove: (entry: string) => Promise<void>;
};

const service = 'nostr-dm-agent';
/** It may ask somebody at the screen to unlock it; where nobody is, that is waited for no longer. */
const patienceMs = 60_000;

/** By Bun's own binding (libsecret, Keychain). Each call rejects where there is no keyring. */
export const systemKeyring: Keyring = {
  read: async (name) => (await soon(Bun.secrets.get({ service, name }))) ?? undefined,
  write: async (name, value) => {
    await soon(Bun.secrets.set({ service, name, value }));
    if ((await soon(Bun.secrets.get({ service, name }))) !== value)
      throw new Error('the keyring keeps nothing');
  },
  remove: async (name) => void (await soon(Bun.secrets.delete({ service, name }))),
};

async function soon<T>(answer: Promise<T>): Promise<T> {
  const answered = new AbortController();
  const late = async (): Promise<never> => {
    await pause(patienceMs, answered.signal);
    throw new Error('the keyring does not answer');
  };
  try {
    return await Promise.race([answer, late()]);
  } finally {
    answered.abort();
  }
}
