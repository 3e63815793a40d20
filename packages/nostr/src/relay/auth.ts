import { backoffMs } from '@nostr-dm-agent/kit/backoff';
import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { EventId, NostrEvent, RelayUrl, Signer } from '../nostr-types.ts';
import type { RelayTimings } from './relay-timings.ts';

/** How a NIP-42 AUTH went. */
export type AuthOutcome =
  | { readonly result: 'accepted' }
  /** The relay answered OK false. */
  | { readonly result: 'refused'; readonly message: string }
  /** The signer failed or took too long, or the relay didn't answer. */
  | { readonly result: 'failed'; readonly message: string }
  /** The connection, and with it the challenge, was gone first. */
  | { readonly result: 'lost' };

export type RelayAuthOptions = {
  readonly url: RelayUrl;
  readonly sign: Signer;
  readonly send: (frame: readonly unknown[]) => boolean;
  readonly timings: RelayTimings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** An own relay: every challenge is answered, and again until it is accepted. */
  readonly own: boolean;
  /** Each time that an AUTH was accepted: what was refused before it can be asked anew. */
  readonly onAccepted: () => void;
  /** The AUTH of an own relay failed or was refused; it is tried again later. */
  readonly onUnaccepted: (message: string) => void;
};

type Attempt = { readonly challenge: string; readonly done: Promise<AuthOutcome>; settled: boolean };

/** NIP-42 on one relay, over all its connections. None of this ever rejects or throws. */
export type RelayAuth = {
  readonly onChallenge: (challenge: string) => void;
  /** True when the id was that of an AUTH of ours. */
  readonly onOk: (eventId: EventId, accepted: boolean, message: string) => boolean;
  /** The connection is gone: challenges are per connection. */
  readonly onDown: () => void;
  readonly challenged: () => boolean;
  /** Answers the last challenge: joins an attempt that is under way, or that was accepted. */
  readonly authenticate: () => Promise<AuthOutcome>;
  /** An own relay says `auth-required`, whatever it accepted before. */
  readonly onRequired: () => void;
};

export function createRelayAuth(options: RelayAuthOptions): RelayAuth {
  const { url, timings, clock, log } = options;
  let connection = new AbortController();
  let challenge: string | undefined;
  let current: Attempt | undefined;
  let timer: Timer | undefined;
  let lastStarted = Number.NEGATIVE_INFINITY;
  let repeats = 0;
  const awaitingOk = new Map<string, (outcome: AuthOutcome) => void>();

  const authenticate = (): Promise<AuthOutcome> => {
    if (challenge === undefined) return Promise.resolve({ result: 'failed', message: 'no challenge' });
    if (current?.challenge === challenge) return current.done;
    lastStarted = performance.now();
    const attempt: Attempt = { challenge, done: answer(challenge, connection.signal), settled: false };
    current = attempt;
    void attempt.done.then((outcome) => {
      attempt.settled = true;
      if (outcome.result === 'accepted') options.onAccepted();
      if (outcome.result === 'accepted' || outcome.result === 'lost') return;
      if (current === attempt) current = undefined;
      log.warn({ relay: url, outcome: outcome.result, message: outcome.message }, 'AUTH not accepted');
      if (!options.own) return;
      schedule(backoffMs(repeats++, timings.retry, options.random));
      options.onUnaccepted(`AUTH ${outcome.result}: ${outcome.message}`);
    });
    return attempt.done;
  };

  const answer = async (text: string, signal: AbortSignal): Promise<AuthOutcome> => {
    const event = await sign(text, signal);
    if (signal.aborted) return { result: 'lost' };
    if (event === undefined) return { result: 'failed', message: 'the signer failed' };
    const { promise, resolve } = Promise.withResolvers<AuthOutcome>();
    const lost = () => resolve({ result: 'lost' });
    signal.addEventListener('abort', lost, { once: true });
    const unanswered = setTimeout(
      () => resolve({ result: 'failed', message: 'the relay did not answer' }),
      timings.authOkMs,
    );
    awaitingOk.set(event.id, resolve);
    if (!options.send(['AUTH', event])) lost();
    const outcome = await promise;
    signal.removeEventListener('abort', lost);
    clearTimeout(unanswered);
    awaitingOk.delete(event.id);
    return outcome;
  };

  /** Undefined when the signer failed, or hung and ignored its signal. */
  const sign = async (text: string, connectionSignal: AbortSignal): Promise<NostrEvent | undefined> => {
    const controller = new AbortController();
    const abandon = () => controller.abort();
    connectionSignal.addEventListener('abort', abandon, { once: true });
    const timeout = setTimeout(abandon, timings.signMs);
    const abandoned = new Promise<undefined>((resolve) => {
      controller.signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    const template = {
      kind: 22242,
      created_at: unixSeconds(clock),
      content: '',
      tags: [
        ['relay', url],
        ['challenge', text],
      ],
    };
    const signed = (async () => options.sign(template, controller.signal))().catch((error: unknown) => {
      log.warn({ relay: url, error }, 'signing AUTH failed');
      return undefined;
    });
    const event = await Promise.race([signed, abandoned]);
    clearTimeout(timeout);
    connectionSignal.removeEventListener('abort', abandon);
    return event;
  };

  /** For own relays: one AUTH at most every `authSpacingMs`, for the challenge that is the last one by then. */
  const schedule = (delayMs: number) => {
    clearTimeout(timer);
    timer = undefined;
    const wait = Math.max(delayMs, lastStarted + timings.authSpacingMs - performance.now());
    if (wait <= 0) {
      void authenticate();
      return;
    }
    timer = setTimeout(() => {
      timer = undefined;
      void authenticate();
    }, wait);
  };

  return {
    authenticate,
    challenged: () => challenge !== undefined,
    onChallenge: (text) => {
      challenge = text;
      if (options.own) schedule(0);
    },
    onRequired: () => {
      // While an attempt is under way or scheduled, that one will do.
      if (!options.own || challenge === undefined || timer !== undefined || current?.settled === false)
        return;
      current = undefined;
      schedule(backoffMs(repeats++, timings.retry, options.random));
    },
    onOk: (eventId, accepted, message) => {
      const settle = awaitingOk.get(eventId);
      settle?.(accepted ? { result: 'accepted' } : { result: 'refused', message });
      return settle !== undefined;
    },
    onDown: () => {
      clearTimeout(timer);
      timer = undefined;
      challenge = undefined;
      current = undefined;
      lastStarted = Number.NEGATIVE_INFINITY;
      repeats = 0;
      connection.abort();
      connection = new AbortController();
    },
  };
}
