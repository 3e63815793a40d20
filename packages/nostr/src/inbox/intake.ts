import type { Logger } from '@nostr-dm-agent/kit/log';
import type { EventId, InboundMessage, NostrEvent } from '../nostr-types.ts';
import { isJunk } from '../wrap/rejection.ts';
import type { Refusal, Unwrap } from '../wrap/unwrap.ts';
import type { InboxCounts } from './inbox-counts.ts';
import type { InboxLimits } from './inbox-limits.ts';
import type { Lane, Urgency } from './lane.ts';
import type { InboxStore, StoredMessage } from './message-store.ts';
import { createReorder } from './reorder.ts';
import type { SeenWraps } from './seen-wraps.ts';

type IntakeOptions = {
  readonly unwrap: Unwrap;
  readonly seen: SeenWraps;
  readonly store: InboxStore;
  readonly limits: Pick<InboxLimits, 'holdMs' | 'heldMessages'>;
  readonly counts: InboxCounts;
  readonly log: Logger;
  readonly onMessage: (message: StoredMessage) => void;
  /** An owner sent something that nobody acts on. */
  readonly onRefused: (refusal: Refusal) => void;
  /** A message could not be stored: nothing of it will be on disk until the relay is asked for it again. */
  readonly onUnstored: (message: InboundMessage, error: unknown) => void;
  /** Nothing that was written before is acted on (Unix ms): another home of the bot may have. */
  readonly actsSince: () => number;
  /** Somebody who has the bot's key wrote something, at that time (Unix seconds). */
  readonly onOwnCopy: (writtenAt: number) => void;
};

/** What becomes of an event: judged, held until earlier ones have come, stored, handed on. */
export type Intake = {
  /** Takes an event out of a lane. Never throws. */
  readonly open: (lane: Lane, event: NostrEvent, urgency: Urgency) => void;
  /** Stores what is held and hands it on, in the order of sending. */
  readonly release: () => void;
  /** Drops what is held: it is not stored yet, so the relays deliver it again. */
  readonly drop: () => void;
};

/** How far senders' clocks may be off, ms. */
const GRACE_MS = 15 * 60_000;

/** Whether a message is from before this database was made, or an earlier home of the bot: history, no order. */
export const isOlderThanHome = (
  { createdAt }: Pick<InboundMessage, 'createdAt'>,
  homeMadeAt: number,
  graceMs = GRACE_MS,
): boolean => createdAt * 1000 < homeMadeAt - graceMs;

export function createIntake(options: IntakeOptions): Intake {
  const { unwrap, seen, store, limits, counts, log, onMessage, onRefused } = options;

  const judge = (lane: Lane, event: NostrEvent, wrapId: EventId, urgency: Urgency) => {
    if (seen.has(wrapId)) {
      counts.duplicates += 1;
      return;
    }
    const judged = unwrap(event, lane.relay.url);
    if (judged.verdict === 'message') {
      seen.hold(wrapId);
      held.add({ lane, wrapId, urgency, message: judged.message });
      return;
    }
    counts.rejected[judged.reason] += 1;
    log.debug({ relay: lane.relay.url, event: wrapId, reason: judged.reason }, 'rejected an event');
    if (isJunk(judged.reason)) spendFor(lane, event);
    // The id does not cover the signature: another relay may have this event with the right one.
    if (judged.reason !== 'signature') seen.add(wrapId);
    if (judged.refusal !== undefined) tellRefusal(judged.refusal);
    if (judged.ownCopyAt !== undefined) options.onOwnCopy(judged.ownCopyAt);
  };

  const tellRefusal = (refusal: Refusal) => {
    log.info({ ...refusal }, 'an owner sent what is not acted on');
    try {
      onRefused(refusal);
    } catch (error) {
      counts.failed += 1;
      log.error({ error, reason: refusal.reason }, 'an owner could not be told of what is not acted on');
    }
  };

  const tellUnstored = (message: InboundMessage, cause: unknown) => {
    try {
      options.onUnstored(message, cause);
    } catch (error) {
      log.error({ error }, 'nobody could be told of a message that was not stored');
    }
  };

  const accept = (one: Held) => {
    const { lane, wrapId, urgency } = one;
    const message = dated(one, options);
    // What comes only now, however old, is for those who act on messages: its sender waits for a word.
    const isHistory = urgency === 'backlog' && isOlderThanHome(message, store.createdAt);
    let stored: StoredMessage | undefined;
    try {
      stored = store.insert(message, wrapId, isHistory ? 'missed' : 'received');
    } catch (error) {
      counts.failed += 1;
      log.error(
        { error, message: message.id },
        'a message could not be stored; the relay is asked for it again',
      );
      seen.release(wrapId);
      lane.incomplete = true;
      tellUnstored(message, error);
      return;
    }
    if (stored === undefined) counts.duplicates += 1;
    else if (isHistory) counts.beforeDatabase += 1;
    else handOn(stored);
  };

  const handOn = (message: StoredMessage) => {
    counts.accepted += 1;
    const { id, sender, protocol, kind, relay } = message;
    // What comes of it is logged by whoever acts on it.
    log.debug({ message: id, sender, protocol, kind, relay }, 'message received');
    try {
      onMessage(message);
    } catch (error) {
      counts.failed += 1;
      log.error({ error, message: id }, 'a message could not be acted on; it stays open');
    }
  };

  const held = createReorder<Held>({
    holdMs: limits.holdMs,
    capacity: limits.heldMessages,
    // Of the same second: what ends or likes a message comes after it, though relays deliver the newest first.
    sentAt: ({ message: { createdAt, kind } }) => createdAt + (kind === 5 || kind === 7 ? 0.5 : 0),
    release: accept,
  });
  return {
    open: (lane, event, urgency) => {
      const wrapId = event.id as EventId;
      try {
        judge(lane, event, wrapId, urgency);
      } catch (error) {
        // A fault of this program that a stranger's event brought out must not end it.
        counts.failed += 1;
        log.error({ relay: lane.relay.url, event: wrapId, error }, 'an event could not be judged');
        lane.bucket.spend();
        seen.add(wrapId);
      }
    },
    release: held.release,
    drop: held.clear,
  };
}

/**
 * What a relay had stored before this home has read it once, and what says nothing of its time, may have been acted on by an
 * earlier home, or one that this is a copy of: it is from before.
 */
function dated(
  { lane, urgency, message }: Held,
  { store, actsSince }: Pick<IntakeOptions, 'store' | 'actsSince'>,
): InboundMessage {
  if (urgency !== 'backlog' || !message.isDatedNow) return message;
  const homeAt = Math.max(store.createdAt, actsSince());
  if ((store.caughtUpAt(lane.relay.url) ?? 0) >= homeAt) return message;
  return { ...message, createdAt: Math.floor(homeAt / 1000) - 1 };
}

/** What it costs to look at junk: a large one as much as many small ones. */
function spendFor(lane: Lane, { content }: NostrEvent): void {
  for (let spent = 0; spent <= content.length; spent += BYTES_PER_TOKEN) lane.bucket.spend();
}

const BYTES_PER_TOKEN = 16 * 1024;

type Held = {
  readonly lane: Lane;
  readonly wrapId: EventId;
  readonly urgency: Urgency;
  readonly message: InboundMessage;
};
