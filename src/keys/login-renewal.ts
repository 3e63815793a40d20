import type { Clock } from '@nostr-dm-agent/kit/clock';
import { readBody } from '@nostr-dm-agent/kit/http';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { outwardFetch } from '@nostr-dm-agent/kit/net';
import { z } from 'zod';
import type { OauthCredential } from '../backends/credential.ts';
import type { ConnectionStore } from './connection.ts';
import { SealError } from './seal.ts';
import { type KeptCredential, sealedOtherwise, type Vault } from './sealed-connections.ts';

/** Where a login is renewed, and as which program: opencode's own. A test compares it with the binary. */
export const renewalWays: Readonly<Record<string, { readonly url: string; readonly clientId: string }>> = {
  openai: { url: 'https://auth.openai.com/oauth/token', clientId: 'app_EMoamEEZ73f0CkXaXp7hrann' },
  xai: { url: 'https://auth.x.ai/oauth2/token', clientId: 'b1a00492-073a-47ea-816f-4c329264a828' },
};

/** A token that is given to an agent is good for so long at the least. */
const leastMs = 15 * 60_000;
/** One that can't be renewed just now is used to this near to its end. */
const lastMs = 60_000;
const timeoutMs = 20_000;
const longestAnswer = 64_000;
const usualMs = 3_600_000;

export type Fresh =
  | { readonly state: 'good'; readonly credential: KeptCredential; readonly sealed: string }
  /** There is none; it does not open with this key of the bot. */
  | { readonly state: 'none' | 'locked' }
  /** The provider does not renew it any more, or never did. */
  | { readonly state: 'expired' }
  | { readonly state: 'unreachable' };

/** Keeps logins good: the one place where their tokens are renewed, so that none is used twice and the newest is never lost. */
export type Renewals = {
  /**
   * The credential of a connection, renewed where it would soon run out. Many may ask at once: it is done once.
   * @param always also when that is not yet necessary
   */
  readonly fresh: (owner: string, provider: string, signal: AbortSignal, always?: boolean) => Promise<Fresh>;
};

export type RenewalDeps = {
  readonly store: ConnectionStore;
  readonly vault: Vault;
  readonly protect: (secret: string) => () => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ways?: typeof renewalWays;
};

export function createRenewals(deps: RenewalDeps): Renewals {
  const { store, vault, clock, log, ways = renewalWays } = deps;
  const underWay = new Map<string, Promise<Fresh>>();

  const look = (owner: string, provider: string): Fresh => {
    const sealed = store.get(owner, provider)?.credential;
    if (sealed === undefined) return { state: 'none' };
    try {
      return { state: 'good', credential: vault.read(owner, provider, sealed), sealed };
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      store.mark(owner, provider, 'error', sealedOtherwise);
      log.warn({ provider, owner, reason: error.reason }, 'a credential does not open');
      return { state: 'locked' };
    }
  };

  const expire = (owner: string, provider: string, sealed: string, error: string): Fresh => {
    if (store.get(owner, provider)?.credential === sealed) store.mark(owner, provider, 'expired', error);
    return { state: 'expired' };
  };

  const renew = async (
    owner: string,
    provider: string,
    { credential, sealed }: { readonly credential: OauthCredential; readonly sealed: string },
  ): Promise<Fresh> => {
    const left = credential.expires - clock.now();
    const way = ways[provider];
    if (way === undefined || credential.refresh === '') {
      return left > 0
        ? { state: 'good', credential, sealed }
        : expire(owner, provider, sealed, 'the login has run out');
    }
    const release = [credential.access, credential.refresh].map(deps.protect);
    try {
      const answer = await askAnew(way, credential.refresh);
      if (answer.state === 'refused')
        return expire(owner, provider, sealed, `${answer.status}: the login is not renewed any more`);
      if (answer.state === 'unreachable')
        return left > lastMs ? { state: 'good', credential, sealed } : answer;
      const { access, refresh = credential.refresh, lifeMs } = answer;
      const renewed = { ...credential, access, refresh, expires: clock.now() + lifeMs };
      const to = vault.seal(owner, provider, renewed);
      // On the disk before anybody uses it. Where the connection is another by now, this is nobody's any more.
      if (!store.renew(owner, provider, sealed, to)) return look(owner, provider);
      if (store.get(owner, provider)?.status === 'expired')
        store.mark(owner, provider, 'connected', undefined);
      return { state: 'good', credential: renewed, sealed: to };
    } finally {
      for (const each of release) each();
    }
  };

  return {
    fresh: async (owner, provider, signal, always = false) => {
      const key = JSON.stringify([owner, provider]);
      const found = look(owner, provider);
      if (found.state !== 'good' || found.credential.type !== 'oauth') return found;
      const { credential, sealed } = found;
      const lasts = credential.expires === 0 || credential.expires - clock.now() > leastMs;
      if (lasts && !always) return found;
      if (credential.expires === 0 && ways[provider] === undefined) return found;
      let renewing = underWay.get(key);
      if (renewing === undefined) {
        renewing = renew(owner, provider, { credential, sealed }).finally(() => underWay.delete(key));
        underWay.set(key, renewing);
      }
      // Whoever stops waiting does not end what others wait for: a renewed token must be stored.
      const fresh = await renewing;
      signal.throwIfAborted();
      return fresh;
    },
  };
}

const answerShape = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1).optional(),
  expires_in: z.number().positive().optional(),
});

type Answer =
  | {
      readonly state: 'renewed';
      readonly access: string;
      readonly refresh: string | undefined;
      readonly lifeMs: number;
    }
  | { readonly state: 'refused'; readonly status: number }
  | { readonly state: 'unreachable' };

/** Asks once: what was asked, and not heard, may have been done. */
async function askAnew(
  way: { readonly url: string; readonly clientId: string },
  token: string,
): Promise<Answer> {
  try {
    const response = await outwardFetch(way.url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: new URLSearchParams({
        ...{ grant_type: 'refresh_token', refresh_token: token, client_id: way.clientId },
      }).toString(),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const body = await readBody(response, longestAnswer);
    if (body.end === 'broken') return { state: 'unreachable' };
    const { status } = response;
    if ([400, 401, 403].includes(status)) return { state: 'refused', status };
    const parsed = response.ok ? answerShape.safeParse(JSON.parse(body.text)) : undefined;
    if (parsed?.success !== true) return { state: 'unreachable' };
    const { access_token: access, refresh_token: refresh, expires_in: seconds } = parsed.data;
    return { state: 'renewed', access, refresh, lifeMs: seconds === undefined ? usualMs : seconds * 1000 };
  } catch (error) {
    // Refused, cut, timed out, no JSON: fetch tells them apart in words only.
    if (error instanceof Error) return { state: 'unreachable' };
    throw error;
  }
}
