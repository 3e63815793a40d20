import type { EventId, NostrEvent } from '../nostr-types.ts';
import type { RelayAuth } from './auth.ts';
import type { PublishOutcome } from './relay.ts';

export type RelayPublishingOptions = {
  readonly send: (frame: readonly unknown[]) => boolean;
  readonly auth: Pick<RelayAuth, 'challenged' | 'authenticate'>;
  /** Why there is no connection now, for the message of a publish that was never answered. */
  readonly downReason: () => string | undefined;
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
    settle(publication, {
      result: 'refused',
      permanent: outcome.result === 'refused',
      message: `AUTH ${outcome.result}: ${outcome.message}`,
    });
  };

  const refuse = (publication: Publication, message: string) => {
    publication.lastMessage = message;
    if (!hasPrefix(message, 'auth-required')) {
      const permanent = PERMANENT.some((prefix) => hasPrefix(message, prefix));
      settle(publication, { result: 'refused', permanent, message });
    } else if (publication.auth === 'done') {
      settle(publication, { result: 'refused', permanent: true, message });
    } else if (options.auth.challenged()) {
      void authenticate(publication);
    } else {
      publication.auth = 'needed';
    }
  };

  return {
    publish: (event, timeoutMs, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) {
          resolve({ result: 'unanswered', message: 'aborted' });
          return;
        }
        let publication = publications.get(event.id);
        if (publication === undefined) {
          publication = { event, waiters: new Set(), auth: 'none', lastMessage: undefined };
          publications.set(event.id, publication);
          send(publication);
        }
        const joined = publication;
        const finish = (outcome: PublishOutcome) => {
          clearTimeout(timer);
          signal.removeEventListener('abort', abort);
          joined.waiters.delete(finish);
          if (joined.waiters.size === 0 && isOpen(joined)) publications.delete(event.id);
          resolve(outcome);
        };
        const abort = () => finish({ result: 'unanswered', message: 'aborted' });
        const timer = setTimeout(() => {
          const message = joined.lastMessage ?? options.downReason() ?? 'the relay did not answer';
          finish({ result: 'unanswered', message });
        }, timeoutMs);
        signal.addEventListener('abort', abort, { once: true });
        joined.waiters.add(finish);
      }),
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
