import type { EventId, NostrEvent } from '../nostr-types.ts';
import type { RelayAuth } from './auth.ts';
import { powIn, type RelayCapacity, refusesSize } from './capacity.ts';
import type { Link } from './link.ts';
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
  readonly settleAll: (outcome: PublishOutcome) => void;
};

type Publication = {
  readonly event: NostrEvent;
  readonly bytes: number;
  readonly waiters: Set<(outcome: PublishOutcome) => void>;
  /** `queued`: not sent on this connection. `sent`: and not answered yet. */
  state: 'queued' | 'sent' | 'answered';
  /** `needed`: the relay wants AUTH and has sent no challenge yet. `done`: we gave it on this connection. */
  auth: 'none' | 'needed' | 'running' | 'done';
  lastMessage: string | undefined;
};

const PERMANENT = ['blocked', 'invalid', 'pow', 'restricted'];
const hasPrefix = (message: string, prefix: string) => message.toLowerCase().startsWith(prefix);

export function createRelayPublishing(options: RelayPublishingOptions): RelayPublishing {
  const { capacity } = options;
  const { breakers } = capacity;
  const publications = new Map<string, Publication>();

  const settle = (publication: Publication, outcome: PublishOutcome): void => {
    publications.delete(publication.event.id);
    for (const waiter of publication.waiters) waiter(outcome);
    pump();
  };
  const isOpen = (publication: Publication) => publications.get(publication.event.id) === publication;
  const send = (publication: Publication) => {
    if (options.send(['EVENT', publication.event])) publication.state = 'sent';
  };
  const isSuspect = ({ event }: Publication) => breakers.isSuspect(event.id);
  const underway = () => [...publications.values()].filter(({ state }) => state === 'sent');
  /** Sends what is queued: one over which a connection may have broken when nothing else is under way, the others at once. */
  const pump = (): void => {
    if (underway().some(isSuspect)) return;
    const queued = [...publications.values()].filter(({ state }) => state === 'queued');
    for (const publication of queued) if (!isSuspect(publication)) send(publication);
    const most = capacity.maxEventBytes() ?? Number.POSITIVE_INFINITY;
    const tooLarge = queued.find((each) => isSuspect(each) && each.bytes > most);
    if (tooLarge !== undefined) {
      // Which looks for the next.
      settle(tooLarge, heldBack);
      return;
    }
    const suspect = queued.find(isSuspect);
    if (suspect !== undefined && underway().length === 0) send(suspect);
  };
  const authenticate = createAuthenticating(options, { isOpen, send, settle });

  const refuse = (publication: Publication, message: string) => {
    publication.lastMessage = message;
    const wantsAuth = hasPrefix(message, 'auth-required');
    if (wantsAuth && publication.auth !== 'done') {
      if (options.auth.challenged()) void authenticate(publication);
      else publication.auth = 'needed';
      return;
    }
    const permanent = wantsAuth || PERMANENT.some((prefix) => hasPrefix(message, prefix));
    settle(publication, {
      result: 'refused',
      permanent,
      message,
      ...wantedBy(message, publication, capacity),
    });
  };
  const begin = (event: NostrEvent): Publication => {
    const bytes = Buffer.byteLength(JSON.stringify(event));
    const fresh: Publication = {
      ...{ event, bytes, waiters: new Set() },
      ...{ state: 'queued', auth: 'none', lastMessage: undefined },
    };
    publications.set(event.id, fresh);
    pump();
    return fresh;
  };
  const giveUpOn = (publication: Publication): PublishOutcome => ({
    result: 'unanswered',
    message: publication.lastMessage ?? options.downReason() ?? 'the relay did not answer',
  });

  return {
    publish: async (event, timeoutMs, signal) => {
      if (signal.aborted) return { result: 'unanswered', message: 'aborted' };
      if (breakers.isHeld(event.id)) return heldBack;
      const publication = publications.get(event.id) ?? begin(event);
      const outcome = await waitFor(publication, () => giveUpOn(publication), timeoutMs, signal);
      if (publication.waiters.size === 0 && isOpen(publication)) {
        publications.delete(event.id);
        pump();
      }
      return outcome;
    },
    onOpen: () => {
      for (const publication of publications.values()) publication.auth = 'none';
      pump();
    },
    onDown: (reason) => {
      const broken = underway().sort((a, b) => b.bytes - a.bytes);
      for (const publication of publications.values()) publication.state = 'queued';
      // The WebSocket's own word for a message that is too big: it was the largest, and once is enough.
      const tooBig = /\b1009\b/.test(reason) ? broken[0] : undefined;
      for (const publication of broken) {
        const held = breakers.broke(publication.event.id, broken.length === 1);
        if (!held && publication !== tooBig) continue;
        capacity.refused(publication.bytes);
        settle(publication, heldBack);
      }
    },
    onOk: (eventId, accepted, message) => {
      const publication = publications.get(eventId);
      if (publication === undefined) return;
      publication.state = 'answered';
      breakers.forget(eventId);
      if (accepted || hasPrefix(message, 'duplicate')) {
        capacity.took(publication.bytes);
        settle(publication, { result: 'accepted', message });
      } else refuse(publication, message);
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

const heldBack: PublishOutcome = {
  result: 'refused',
  permanent: false,
  message: 'the connection ended each time that this was sent',
  wants: 'size',
};

/** AUTH for an event that is not taken without it. A lost connection leaves the event waiting for the next one. */
const createAuthenticating =
  (
    options: Pick<RelayPublishingOptions, 'auth'>,
    then: {
      readonly isOpen: (publication: Publication) => boolean;
      readonly send: (publication: Publication) => void;
      readonly settle: (publication: Publication, outcome: PublishOutcome) => void;
    },
  ) =>
  async (publication: Publication): Promise<void> => {
    publication.auth = 'running';
    const outcome = await options.auth.authenticate();
    if (!then.isOpen(publication) || publication.auth !== 'running' || outcome.result === 'lost') return;
    if (outcome.result === 'accepted') {
      publication.auth = 'done';
      then.send(publication);
      return;
    }
    const message = `AUTH ${outcome.result}: ${outcome.message}`;
    then.settle(publication, { result: 'refused', permanent: outcome.result === 'refused', message });
  };

/** Notes in the relay's capacity what a refusal tells of it. */
function wantedBy(message: string, { bytes }: Publication, capacity: RelayCapacity) {
  const bits = powIn(message);
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
