import type { Logger } from '@nostr-dm-agent/kit/log';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { Credential } from '../backends/credential.ts';
import type { BeginLogin, LoginEnd, LoginRefused, LoginUnderWay } from '../backends/login.ts';

/** So long a login waits for its owner. */
export const loginMs = 15 * 60_000;
/** Each is a server of half a gigabyte. */
const mostLogins = 3;

/** What an owner has to do for it; nothing in it is a secret of the login. */
export type LoginFacts = Pick<LoginUnderWay, 'label' | 'url' | 'instructions' | 'wantsCode'> & {
  readonly provider: string;
};
export type LoginBegun =
  | ({ readonly state: 'begun' } & LoginFacts)
  | LoginRefused
  /** `crowded`: too many are under way. `unavailable`: no server could be started for it. */
  | { readonly state: 'refused'; readonly why: 'crowded' | 'unavailable' };
/** `late`: its owner did nothing in time. */
export type LoginOutcome = LoginEnd['state'] | 'late';

/** Logins that wait for their owners, one each. They end with the bot: nothing of one is on the disk. */
export type LoginKeeper = {
  /** In place of one that the owner has begun before. */
  readonly begin: (owner: PublicKey, provider: string, signal: AbortSignal) => Promise<LoginBegun>;
  readonly pending: (owner: PublicKey) => LoginFacts | undefined;
  /** What the owner was given there, for a login that wants it. undefined: it does not wait for one. */
  readonly enterCode: (
    owner: PublicKey,
    provider: string,
    code: string,
  ) => Promise<LoginOutcome | 'ended'> | undefined;
  /** False: there was none. */
  readonly cancel: (owner: PublicKey, provider: string) => boolean;
  readonly close: () => Promise<void>;
};

type Pending = {
  readonly facts: LoginFacts;
  readonly way: LoginUnderWay;
  readonly ending: AbortController;
};

export function createLoginKeeper(deps: {
  /** Absent: there is no opencode that could. */
  readonly begin: BeginLogin | undefined;
  /** Seals and stores what it came to. */
  readonly keep: (owner: PublicKey, provider: string, credential: Credential) => void;
  /** An owner's login is over, and nobody waits for that. */
  readonly over: (owner: PublicKey, provider: string, outcome: LoginOutcome) => void;
  readonly log: Logger;
}): LoginKeeper {
  const { keep, over, log } = deps;
  const waiting = new Map<PublicKey, Pending>();
  const endings = new Set<Promise<unknown>>();
  let starting = 0;

  const end = (owner: PublicKey, pending: Pending): void => {
    if (waiting.get(owner) === pending) waiting.delete(owner);
    pending.ending.abort();
    const ended = pending.way
      .end()
      .catch((cause: unknown) => log.warn({ cause }, 'a login’s server could not be ended'))
      .finally(() => endings.delete(ended));
    endings.add(ended);
  };

  const finish = async (
    owner: PublicKey,
    pending: Pending,
    code: string | undefined,
  ): Promise<LoginOutcome | 'ended'> => {
    const { provider } = pending.facts;
    const patience = AbortSignal.any([pending.ending.signal, AbortSignal.timeout(loginMs)]);
    try {
      const done = await pending.way.finish(code, patience);
      // One that was given up, or begun anew, connects nobody.
      if (pending.ending.signal.aborted) return 'ended';
      if (done.state === 'connected') keep(owner, provider, done.credential);
      return done.state;
    } catch (cause) {
      if (pending.ending.signal.aborted) return 'ended';
      if (patience.aborted) return 'late';
      log.warn({ cause, provider }, 'a login failed');
      return 'failed';
    } finally {
      end(owner, pending);
    }
  };

  return {
    begin: async (owner, provider, signal) => {
      const { begin } = deps;
      if (begin === undefined) return { state: 'refused', why: 'unavailable' };
      const old = waiting.get(owner);
      if (old !== undefined) end(owner, old);
      if (waiting.size + starting >= mostLogins) return { state: 'refused', why: 'crowded' };
      starting += 1;
      let way: Awaited<ReturnType<BeginLogin>>;
      try {
        way = await begin(provider, signal);
      } catch (cause) {
        signal.throwIfAborted();
        log.warn({ cause, provider }, 'a login could not be begun');
        return { state: 'refused', why: 'unavailable' };
      } finally {
        starting -= 1;
      }
      if (way.state === 'refused') return way;
      const { label, url, instructions, wantsCode } = way;
      const facts = { provider, label, url, instructions, wantsCode };
      const pending: Pending = { facts, way, ending: new AbortController() };
      const other = waiting.get(owner);
      if (other !== undefined) end(owner, other);
      waiting.set(owner, pending);
      if (wantsCode) {
        const timer = setTimeout(() => {
          if (waiting.get(owner) !== pending) return;
          end(owner, pending);
          over(owner, provider, 'late');
        }, loginMs);
        pending.ending.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
      } else {
        const done = finish(owner, pending, undefined)
          .then((outcome) => outcome !== 'ended' && over(owner, provider, outcome))
          .finally(() => endings.delete(done));
        endings.add(done);
      }
      return { state: 'begun', ...facts };
    },
    pending: (owner) => waiting.get(owner)?.facts,
    enterCode: (owner, provider, code) => {
      const pending = waiting.get(owner);
      if (pending?.facts.provider !== provider || !pending.facts.wantsCode) return undefined;
      return finish(owner, pending, code);
    },
    cancel: (owner, provider) => {
      const pending = waiting.get(owner);
      if (pending?.facts.provider !== provider) return false;
      end(owner, pending);
      return true;
    },
    close: async () => {
      for (const [owner, pending] of [...waiting]) end(owner, pending);
      await Promise.all(endings);
    },
  };
}
