import type { EventId, NostrEvent } from '../nostr-types.ts';
import type { RelayAuth } from './auth.ts';
import type { Link } from './link.ts';
import type { PublishOutcome } from './relay.ts';

type RelayPublishingOptions = Pick<Link, 'send' | 'downReason'> & {
  readonly auth: Pick<RelayAuth, 'challenged' | 'authenticate'>;
};

/** The events that wait for an OK: sent again on every new connection, for as long as somebody waits. */
export type RelayPublishing = {
  /** Settles within `timeoutMs`; never rejects. The same event published twice at once is sent once. */
  readonly publish: (event: NostrEvent, timeoutMs: number, signal: AbortSignal) => Promise<PublishOutcome>;
  readonly onOpen: () => void;
  readonly onOk: (eventId: EventId, accepted: boolean, message: string) => void;
  readonly onChallenge: () => void;
  readonly settleAll: (outcome: PublishOutcome) => void;
};

type Publication = {
  readonly event: NostrEvent;
  readonly waiters: Set<(outcome: PublishOutcome) => void>;
  /** `needed`: the relay wants AUTH and has sent no challenge yet. `done`: we gave it on this connection. */
  auth: 'none' | 'needed' | 'running' | 'done';
  lastMessage: string | undefined;
};

const PERMANENT = ['blocked', 'invalid', 'pow', 'restricted'];
const hasPrefix = (message: string, prefix: string) => message.toLowerCase().startsWith(prefix);

export function createRelayPublishing(options: RelayPublishingOptions): RelayPublishing {
  const publications = new Map<string, Publication>();

  const settle = (publication: Publication, outcome: PublishOutcome) => {
    publications.delete(publication.event.id);
    for (const waiter of publication.waiters) waiter(outcome);
  };
  const isOpen = (publication: Publication) => publications.get(publication.event.id) === publication;
  const send = (publication: Publication) => options.send(['EVENT', publication.event]);

  const authenticate = async (publication: Publication) => {
    publication.auth = 'running';
    const outcome = await options.auth.authenticate();
    // A lost connection leaves the event waiting for the next one.
    if (!isOpen(publication) || publication.auth !== 'running' || outcome.result === 'lost') return;
    if (outcome.result === 'accepted') {
      publication.auth = 'done';
      send(publication);
      return;
    }
    const message = `AUTH ${outcome.result}: ${outcome.message}`;
    settle(publication, { result: 'refused', permanent: outcome.result === 'refused', message });
  };

  const refuse = (publication: Publication, message: string) => {
    publication.lastMessage = message;
    const wantsAuth = hasPrefix(message, 'auth-required');
    if (wantsAuth && publication.auth !== 'done') {
      if (options.auth.challenged()) void authenticate(publication);
      else publication.auth = 'needed';
      return;
    }
    const permanent = wantsAuth || PERMANENT.some((prefix) => hasPrefix(message, prefix));
    settle(publication, { result: 'refused', permanent, message });
  };

  const begin = (event: NostrEvent): Publication => {
    const publication: Publication = { event, waiters: new Set(), auth: 'none', lastMessage: undefined };
    publications.set(event.id, publication);
    send(publication);
    return publication;
  };

  return {
    publish: async (event, timeoutMs, signal) => {
      if (signal.aborted) return { result: 'unanswered', message: 'aborted' };
      const publication = publications.get(event.id) ?? begin(event);
      const { promise, resolve } = Promise.withResolvers<PublishOutcome>();
      const abort = () => resolve({ result: 'unanswered', message: 'aborted' });
      const giveUp = () => {
        const message = publication.lastMessage ?? options.downReason() ?? 'the relay did not answer';
        resolve({ result: 'unanswered', message });
      };
      const timer = setTimeout(giveUp, timeoutMs);
      signal.addEventListener('abort', abort, { once: true });
      publication.waiters.add(resolve);
      const outcome = await promise;
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      publication.waiters.delete(resolve);
      if (publication.waiters.size === 0 && isOpen(publication)) publications.delete(event.id);
      return outcome;
    },
    onOpen: () => {
      for (const publication of publications.values()) {
        publication.auth = 'none';
        send(publication);
      }
    },
    onOk: (eventId, accepted, message) => {
      const publication = publications.get(eventId);
      if (publication === undefined) return;
      if (accepted || hasPrefix(message, 'duplicate')) settle(publication, { result: 'accepted', message });
      else refuse(publication, message);
    },
    onChallenge: () => {
      for (const publication of publications.values()) {
        if (publication.auth === 'needed') void authenticate(publication);
        else if (publication.auth === 'done') publication.auth = 'none';
      }
    },
    settleAll: (outcome) => {
      for (const publication of publications.values()) settle(publication, outcome);
    },
  };
}
