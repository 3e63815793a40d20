import { untilAborted } from '@nostr-dm-agent/kit/abort';
import { backoffMs } from '@nostr-dm-agent/kit/backoff';
import { unixSeconds } from '@nostr-dm-agent/kit/clock';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import type { EventId, NostrEvent, Signer } from '../nostr-types.ts';
import { type RelayContext, timerOf } from './relay-context.ts';

/** How a NIP-42 AUTH went. */
type AuthOutcome =
  | { readonly result: 'accepted' }
  /** The relay answered OK false. */
  | { readonly result: 'refused'; readonly message: string }
  /** The signer failed or took too long, or the relay didn't answer. */
  | { readonly result: 'failed'; readonly message: string }
  /** The connection, and with it the challenge, was gone first. */
  | { readonly result: 'lost' };

type RelayAuthOptions = {
  readonly sign: Signer;
  readonly send: (frame: readonly unknown[]) => boolean;
  /** Each time that an AUTH was accepted: what was refused before it can be asked anew. */
  readonly onAccepted: () => void;
  /** The AUTH of an own relay failed or was refused; it is tried again later. */
  readonly onUnaccepted: (message: string) => void;
};

type Attempt = { readonly challenge: string; readonly done: Promise<AuthOutcome>; settled: boolean };

/**
 * NIP-42 on one relay, over all its connections. Own relays get every challenge answered, and again until it is accepted;
 * others only when an event can't be published without it. None of this ever rejects or throws.
 */
export type RelayAuth = {
  readonly onChallenge: (challenge: string) => void;
  /** True when the id was that of an AUTH of ours. */
  readonly onOk: (eventId: EventId, accepted: boolean, message: string) => boolean;
  /** The connection is gone: challenges are per connection. */
  readonly onDown: () => void;
  readonly challenged: () => boolean;
  /** Whether the relay knows on this connection who we are. */
  readonly accepted: () => boolean;
  /** Answers the last challenge: joins an attempt that is under way, or that was accepted. */
  readonly authenticate: () => Promise<AuthOutcome>;
  /** An own relay says `auth-required`, whatever it accepted before. */
  readonly onRequired: () => void;
};

export function createRelayAuth(context: RelayContext, options: RelayAuthOptions): RelayAuth {
  const { url, own, timings, log } = context;
  const answerChallenge = createChallengeAnswers(context, options);
  let connection = new AbortController();
  let challenge: string | undefined;
  let current: Attempt | undefined;
  let accepted = false;
  let scheduled: Cancel | undefined;
  let lastStarted = Number.NEGATIVE_INFINITY;
  let repeats = 0;

  const authenticate = (): Promise<AuthOutcome> => {
    if (challenge === undefined) return Promise.resolve({ result: 'failed', message: 'no challenge' });
    if (current?.challenge === challenge) return current.done;
    lastStarted = performance.now();
    const done = answerChallenge.answer(challenge, connection.signal);
    const attempt: Attempt = { challenge, done, settled: false };
    current = attempt;
    void done.then((outcome) => {
      attempt.settled = true;
      if (outcome.result === 'lost') return;
      if (outcome.result === 'accepted') {
        accepted = true;
        options.onAccepted();
        return;
      }
      if (current === attempt) current = undefined;
      log.warn({ relay: url, outcome: outcome.result, message: outcome.message }, 'AUTH not accepted');
      if (!own) return;
      scheduleRepeat();
      options.onUnaccepted(`AUTH ${outcome.result}: ${outcome.message}`);
    });
    return done;
  };
  /** One AUTH at most every `authSpacingMs`, for the challenge that is the last one by then. */
  const schedule = (delayMs: number) => {
    scheduled?.();
    const wait = Math.max(0, delayMs, lastStarted + timings.authSpacingMs - performance.now());
    const begin = () => {
      scheduled = undefined;
      void authenticate();
    };
    if (wait === 0) begin();
    else scheduled = after(wait, timerOf(context), begin);
  };
  const scheduleRepeat = () => schedule(backoffMs(repeats++, timings.retry, context.random));

  return {
    authenticate,
    challenged: () => challenge !== undefined,
    accepted: () => accepted,
    onChallenge: (text) => {
      challenge = text;
      if (own) schedule(0);
    },
    onRequired: () => {
      // While an attempt is under way or scheduled, that one will do.
      const busy = scheduled !== undefined || current?.settled === false;
      if (!own || challenge === undefined || busy) return;
      current = undefined;
      scheduleRepeat();
    },
    onOk: answerChallenge.onOk,
    onDown: () => {
      scheduled?.();
      [scheduled, challenge, current, accepted] = [undefined, undefined, undefined, false];
      [lastStarted, repeats] = [Number.NEGATIVE_INFINITY, 0];
      connection.abort();
      connection = new AbortController();
    },
  };
}

/** Signs, sends and waits for the relay's word. */
function createChallengeAnswers(
  { url, timings, clock, capacity, log }: RelayContext,
  { sign, send }: Pick<RelayAuthOptions, 'sign' | 'send'>,
) {
  const awaitingOk = new Map<string, (outcome: AuthOutcome) => void>();
  const limited = (connection: AbortSignal, ms: number) =>
    AbortSignal.any([connection, AbortSignal.timeout(ms)]);

  /** Undefined when the signer failed, or hung and ignored its signal. */
  const signed = async (challenge: string, connection: AbortSignal): Promise<NostrEvent | undefined> => {
    const tags = [
      ['relay', url],
      ['challenge', challenge],
    ];
    const signal = limited(connection, timings.signMs);
    try {
      // By the relay's clock, where it shows one: it refuses what is minutes off, and ours may be.
      const aheadS = Math.round((capacity.information()?.clockAheadMs ?? 0) / 1000);
      const template = { kind: 22242, created_at: unixSeconds(clock) - aheadS, content: '', tags };
      return await untilAborted(sign(template, signal), signal);
    } catch (error) {
      log.warn({ relay: url, error }, 'signing AUTH failed');
      return undefined;
    }
  };
  return {
    answer: async (challenge: string, connection: AbortSignal): Promise<AuthOutcome> => {
      const event = await signed(challenge, connection);
      if (connection.aborted) return { result: 'lost' };
      if (event === undefined) return { result: 'failed', message: 'the signer failed' };
      const { promise, resolve } = Promise.withResolvers<AuthOutcome>();
      awaitingOk.set(event.id, resolve);
      try {
        if (!send(['AUTH', event])) return { result: 'lost' };
        return await untilAborted(promise, limited(connection, timings.authOkMs));
      } catch {
        if (connection.aborted) return { result: 'lost' };
        return { result: 'failed', message: 'the relay did not answer' };
      } finally {
        awaitingOk.delete(event.id);
      }
    },
    onOk: (eventId: EventId, isAccepted: boolean, message: string): boolean => {
      const settle = awaitingOk.get(eventId);
      settle?.(isAccepted ? { result: 'accepted' } : { result: 'refused', message });
      return settle !== undefined;
    },
  };
}
