import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Login, Renewal } from '../payment.ts';
import type { Client } from './client.ts';

const pausesMs = [1_000, 2_000, 4_000];
/** A token is replaced so long before it runs out. */
const aheadMs = 2 * 60_000;
/** The longest that a timer can wait. */
const longestWaitMs = 2 ** 31 - 1;

/** What a server is logged in with by now. */
export type HeldLogin = { now: Login | undefined };
type Wait = (ms: number, signal: AbortSignal) => Promise<unknown>;
const waitFor: Wait = (ms, signal) => sleep(ms, undefined, { signal });

/**
 * Gives a server what opens its provider, also one that is at work. A token it takes with its next call, from a file that its
 * agents can read, too. A key is taken out of that file again once the workspace is loaded with it (about a second where
 * it was loaded before): for when no run is in hand. Nothing is done where it has it already.
 * @throws what opencode said, after the last try
 */
export const giveLogin = async (
  { client, login: held }: { readonly client: Client; readonly login: HeldLogin },
  login: Login | undefined,
  signal: AbortSignal,
  wait: Wait = waitFor,
): Promise<void> => {
  if (login === undefined || JSON.stringify(held.now) === JSON.stringify(login)) return;
  const { provider: providerID, auth } = login;
  const asked = { signal, throwOnError: true } as const;
  for (let tries = 0; ; tries++) {
    try {
      await client.auth.set({ providerID, auth: plain(auth) }, asked);
      if (auth.type === 'api') {
        if (held.now !== undefined) await client.instance.dispose({}, asked);
        await client.config.providers({}, asked);
        await client.auth.remove({ providerID }, asked);
      }
      held.now = login;
      return;
    } catch (error) {
      const pause = pausesMs[tries];
      if (pause === undefined || signal.aborted) throw error;
      await wait(pause, signal);
    }
  }
};

/** Without what is undefined, as it goes over the wire. */
const plain = (auth: Login['auth']) => {
  if (auth.type === 'api') return auth;
  const { accountId, enterpriseUrl, ...rest } = auth;
  return {
    ...rest,
    ...(accountId === undefined ? {} : { accountId }),
    ...(enterpriseUrl === undefined ? {} : { enterpriseUrl }),
  };
};

/** While a run goes on: its server gets the next token before the present one runs out. Returns what ends that. */
export const keepLoggedIn = (
  server: { readonly client: Client; readonly login: HeldLogin },
  renewal: Renewal | undefined,
  log: Logger,
  wait: Wait = waitFor,
): (() => void) => {
  const ending = new AbortController();
  const { signal } = ending;
  const keep = async (): Promise<void> => {
    let due = renewal?.due;
    while (due !== undefined && renewal !== undefined) {
      await wait(Math.min(longestWaitMs, Math.max(1_000, due - aheadMs - Date.now())), signal);
      const next = due - aheadMs > Date.now() ? { due, login: undefined } : await renewal.again(signal);
      await giveLogin(server, next?.login, signal, wait);
      // One that is not renewed any more: the provider says so to the run.
      due = next?.due;
    }
  };
  keep().catch((cause: unknown) => {
    if (!signal.aborted) log.warn({ cause }, 'a server could not be given the next token of a login');
  });
  return () => ending.abort();
};
