import type { NostrEvent } from '../nostr-types.ts';
import type { RelayCapacity } from './capacity.ts';
import type { Link } from './link.ts';
import type { PublishOutcome } from './relay.ts';

/** An event that somebody waits for. */
export type Publication = {
  readonly event: NostrEvent;
  readonly bytes: number;
  readonly waiters: Set<(outcome: PublishOutcome) => void>;
  /** `queued`: not sent on this connection. `sent`: and not answered yet. */
  state: 'queued' | 'sent' | 'answered';
  /** `needed`: the relay wants AUTH and has sent no challenge yet. `done`: we gave it on this connection. */
  auth: 'none' | 'needed' | 'running' | 'done';
  lastMessage: string | undefined;
  /** Monotonic ms, on this connection. */
  sentAt: number;
};

/** Which events are under way to one relay, and which wait because a connection may have broken over them. */
export type PublicationQueue = {
  readonly all: () => readonly Publication[];
  /** Those that have no answer yet, the largest first. */
  readonly sent: () => readonly Publication[];
  readonly find: (eventId: string) => Publication | undefined;
  readonly isOpen: (publication: Publication) => boolean;
  readonly add: (event: NostrEvent) => Publication;
  /** Nobody waits for it any more. */
  readonly drop: (publication: Publication) => void;
  readonly settle: (publication: Publication, outcome: PublishOutcome) => void;
  readonly send: (publication: Publication) => void;
  /** Sends what is queued: one over which a connection may have broken when nothing else is under way, the others at once. */
  readonly pump: () => void;
  readonly onDown: (reason: string) => void;
};

export const heldBack: PublishOutcome = {
  result: 'refused',
  permanent: false,
  message: 'the connection ended each time that this was sent',
  wants: 'size',
};

export function createPublicationQueue(
  sendFrame: Link['send'],
  { breakers, maxEventBytes, refused }: Pick<RelayCapacity, 'breakers' | 'maxEventBytes' | 'refused'>,
): PublicationQueue {
  const publications = new Map<string, Publication>();
  const isOpen = (publication: Publication) => publications.get(publication.event.id) === publication;
  const isSuspect = ({ event }: Publication) => breakers.isSuspect(event.id);
  const inState = (state: Publication['state']) =>
    [...publications.values()].filter((publication) => publication.state === state);

  const sent = () => inState('sent').sort((a, b) => b.bytes - a.bytes);

  const drop = (publication: Publication): void => {
    if (isOpen(publication)) publications.delete(publication.event.id);
    pump();
  };
  const settle = (publication: Publication, outcome: PublishOutcome): void => {
    publications.delete(publication.event.id);
    for (const waiter of publication.waiters) waiter(outcome);
    pump();
  };
  const send = (publication: Publication) => {
    if (!sendFrame(['EVENT', publication.event])) return;
    publication.state = 'sent';
    publication.sentAt = performance.now();
  };
  const pump = (): void => {
    if (inState('sent').some(isSuspect)) return;
    const queued = inState('queued');
    for (const publication of queued) if (!isSuspect(publication)) send(publication);
    const most = maxEventBytes() ?? Number.POSITIVE_INFINITY;
    const tooLarge = queued.find((each) => isSuspect(each) && each.bytes > most);
    const suspect = queued.find(isSuspect);
    // Settling looks for the next.
    if (tooLarge !== undefined) settle(tooLarge, heldBack);
    else if (suspect !== undefined && inState('sent').length === 0) send(suspect);
  };

  return {
    all: () => [...publications.values()],
    find: (eventId) => publications.get(eventId),
    isOpen,
    add: (event) => {
      const added: Publication = {
        event,
        bytes: Buffer.byteLength(JSON.stringify(event)),
        waiters: new Set(),
        state: 'queued',
        auth: 'none',
        lastMessage: undefined,
        sentAt: 0,
      };
      publications.set(event.id, added);
      pump();
      return added;
    },
    sent,
    drop,
    settle,
    send,
    pump,
    onDown: (reason) => {
      const broken = sent();
      for (const publication of publications.values()) publication.state = 'queued';
      // The WebSocket's own word for a message that is too big: it was the largest, and once is enough.
      const tooBig = /\b1009\b/.test(reason) ? broken[0] : undefined;
      for (const publication of broken) {
        const held = breakers.broke(publication.event.id, broken.length === 1);
        if (!held && publication !== tooBig) continue;
        refused(publication.bytes);
        settle(publication, heldBack);
      }
    },
  };
}
