import type { EventId, NostrEvent } from '../nostr-types.ts';
import type { RelayAuth } from './auth.ts';
import { powIn, type RelayCapacity, refusesSize } from './capacity.ts';
import type { Link } from './link.ts';
import {
  createPublicationQueue,
  heldBack,
  type Publication,
  type PublicationQueue,
} from './publication-queue.ts';
import type { PublishOutcome } from './relay.ts';

type RelayPublishingOptions = Pick<Link, 'send' | 'downReason'> & {
  readonly auth: Pick<RelayAuth, 'challenged' | 'authenticate'>;
  readonly capacity: RelayCapacity;
};

/** The events that wait for an OK: sent again on every new connection, for as long as somebody waits. */
export type RelayPublishing = {
  /** Settles within `timeoutMs`; never rejects. The same event published twice at once is sent once. */
  readonly publish: (event: NostrEvent, timeoutMs: number, signal: AbortSignal) => Promise<PublishOutcome>;
  readonly onOpen: () => void;
  readonly onDown: (reason: string) => void;
  readonly onOk: (eventId: EventId, accepted: boolean, message: string) => void;
  readonly onChallenge: () => void;
  /** Some relays refuse what is too large for them by a NOTICE alone. */
  readonly onNotice: (message: string) => void;
  readonly settleAll: (outcome: PublishOutcome) => void;
};

const unanswered: PublishOutcome = {
  result: 'refused',
  permanent: false,
  message: 'it does not answer this one, but smaller ones',
  wants: 'size',
};

const PERMANENT = ['blocked', 'invalid', 'pow', 'restricted'];
const hasPrefix = (message: string, prefix: string) => message.toLowerCase().startsWith(prefix);

export function createRelayPublishing(options: RelayPublishingOptions): RelayPublishing {
  const { capacity } = options;
  const queue = createPublicationQueue(options.send, capacity);
  const authenticate = createAuthenticating(options.auth, queue);
  let lastOkAt = 0;

  const refuse = (publication: Publication, message: string) => {
    publication.lastMessage = message;
    const wantsAuth = hasPrefix(message, 'auth-required');
    if (wantsAuth && publication.auth !== 'done') {
      if (options.auth.challenged()) void authenticate(publication);
      else publication.auth = 'needed';
      return;
    }
    const permanent = wantsAuth || PERMANENT.some((prefix) => hasPrefix(message, prefix));
    const wanted = wantedBy(message, publication, capacity);
    queue.settle(publication, { result: 'refused', permanent, message, ...wanted });
  };
  /** Dropped without a word, while something smaller was answered: a second time, it was its size. */
  const isTooLarge = ({ state, bytes, event, sentAt }: Publication): boolean => {
    if (state !== 'sent' || capacity.hasTaken(bytes)) return false;
    const firstSentAt = capacity.breakers.unanswered(event.id, sentAt);
    return firstSentAt !== undefined && lastOkAt > firstSentAt;
  };
  const giveUpOn = (publication: Publication): PublishOutcome => {
    if (isTooLarge(publication)) {
      capacity.refused(publication.bytes);
      return unanswered;
    }
    const message = publication.lastMessage ?? options.downReason() ?? 'the relay did not answer';
    return { result: 'unanswered', message };
  };

  return {
    publish: async (event, timeoutMs, signal) => {
      if (signal.aborted) return { result: 'unanswered', message: 'aborted' };
      if (capacity.breakers.isHeld(event.id)) return heldBack;
      const publication = queue.find(event.id) ?? queue.add(event);
      // Sending may have settled it: then nobody waits for it any more.
      if (!queue.isOpen(publication)) return heldBack;
      const outcome = await waitFor(publication, () => giveUpOn(publication), timeoutMs, signal);
      if (publication.waiters.size === 0 && queue.isOpen(publication)) queue.drop(publication);
      return outcome;
    },
    onOpen: () => {
      for (const publication of queue.all()) publication.auth = 'none';
      queue.pump();
    },
    onDown: queue.onDown,
    onOk: (eventId, accepted, message) => {
      lastOkAt = performance.now();
      const publication = queue.find(eventId);
      if (publication === undefined) return;
      publication.state = 'answered';
      capacity.breakers.forget(eventId);
      if (accepted || hasPrefix(message, 'duplicate')) {
        capacity.took(publication.bytes);
        queue.settle(publication, { result: 'accepted', message });
      } else refuse(publication, message);
    },
    onChallenge: () => {
      for (const publication of queue.all()) {
        if (publication.auth === 'needed') void authenticate(publication);
        else if (publication.auth === 'done') publication.auth = 'none';
      }
    },
    onNotice: (message) => {
      const [largest] = queue.sent();
      if (largest === undefined || capacity.hasTaken(largest.bytes) || !refusesSize(message)) return;
      largest.state = 'answered';
      refuse(largest, message);
    },
    settleAll: (outcome) => {
      for (const publication of queue.all()) queue.settle(publication, outcome);
    },
  };
}

/** AUTH for an event that is not taken without it. A lost connection leaves the event waiting for the next one. */
const createAuthenticating =
  (auth: Pick<RelayAuth, 'authenticate'>, { isOpen, send, settle }: PublicationQueue) =>
  async (publication: Publication): Promise<void> => {
    publication.auth = 'running';
    const outcome = await auth.authenticate();
    if (!isOpen(publication) || publication.auth !== 'running' || outcome.result === 'lost') return;
    if (outcome.result === 'accepted') {
      publication.auth = 'done';
      send(publication);
      return;
    }
    const message = `AUTH ${outcome.result}: ${outcome.message}`;
    settle(publication, { result: 'refused', permanent: outcome.result === 'refused', message });
  };

/** Notes in the relay's capacity what a refusal tells of it. */
function wantedBy(message: string, { bytes }: Publication, capacity: RelayCapacity) {
  const bits = powIn(message, capacity.pow());
  if (bits !== undefined) {
    capacity.wantsPow(bits);
    return { wants: 'work' } as const;
  }
  if (!refusesSize(message)) return {};
  capacity.refused(bytes);
  return { wants: 'size' } as const;
}

async function waitFor(
  publication: Publication,
  giveUp: () => PublishOutcome,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<PublishOutcome> {
  const { promise, resolve } = Promise.withResolvers<PublishOutcome>();
  const abort = () => resolve({ result: 'unanswered', message: 'aborted' });
  const timer = setTimeout(() => resolve(giveUp()), timeoutMs);
  signal.addEventListener('abort', abort, { once: true });
  publication.waiters.add(resolve);
  const outcome = await promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', abort);
  publication.waiters.delete(resolve);
  return outcome;
}
