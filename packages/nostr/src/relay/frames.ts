import { isEvent, isEventId } from '../event.ts';
import type { EventId, NostrEvent } from '../nostr-types.ts';

/** One message of a relay (NIP-01, NIP-42), checked. */
type RelayFrame =
  /** Of NIP-01's shape; whether `id` is its hash and `sig` its signature is not checked here. */
  | { readonly type: 'EVENT'; readonly subscriptionId: string; readonly event: NostrEvent }
  | { readonly type: 'EOSE'; readonly subscriptionId: string }
  | { readonly type: 'CLOSED'; readonly subscriptionId: string; readonly message: string }
  | { readonly type: 'OK'; readonly eventId: EventId; readonly accepted: boolean; readonly message: string }
  | { readonly type: 'AUTH'; readonly challenge: string }
  | { readonly type: 'NOTICE'; readonly message: string }
  /** Not JSON, not a known message, or one with parts missing or of the wrong type. */
  | { readonly type: 'malformed' };

const MALFORMED: RelayFrame = { type: 'malformed' };
const MAX_CHALLENGE_LENGTH = 1024;

/**
 * Reads one text frame. Tolerates what relays get wrong in practice: a `CLOSED` or `OK` without its last item,
 * further items, a message that is no string. Never throws. `message` is already {@link relayText}.
 */
export function parseRelayFrame(text: string): RelayFrame {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    // A relay may send anything: the caller counts it.
    return MALFORMED;
  }
  if (!Array.isArray(frame)) return MALFORMED;
  const [type, first, second, third]: unknown[] = frame;
  if (typeof first !== 'string') return MALFORMED;
  switch (type) {
    case 'EVENT':
      return isEvent(second) ? { type, subscriptionId: first, event: withoutExtras(second) } : MALFORMED;
    case 'EOSE':
      return { type, subscriptionId: first };
    case 'CLOSED':
      return { type, subscriptionId: first, message: relayText(second) };
    case 'OK':
      return isEventId(first) && typeof second === 'boolean'
        ? { type, eventId: first, accepted: second, message: relayText(third) }
        : MALFORMED;
    case 'AUTH':
      return first.length <= MAX_CHALLENGE_LENGTH ? { type, challenge: first } : MALFORMED;
    case 'NOTICE':
      return { type, message: relayText(first) };
    default:
      return MALFORMED;
  }
}

/** The seven fields alone: what a relay adds is not stored and not published again. */
const withoutExtras = ({ id, pubkey, created_at, kind, tags, content, sig }: NostrEvent): NostrEvent => ({
  id,
  pubkey,
  created_at,
  kind,
  tags,
  content,
  sig,
});

/** What can be told of an EVENT frame without parsing it. */
type EventFramePeek = { readonly subscriptionId: string; readonly eventId: string | undefined };

const EVENT_PREFIX = '["EVENT","';
// A quote inside a JSON string is escaped, so neither the content nor a tag can look like this key.
const ID_FIELD = /"id"\s*:\s*"([0-9a-f]{64})"/;

/**
 * Subscription and event id of a frame that begins as relays write EVENT frames; undefined for any other, which is
 * for {@link parseRelayFrame} to judge. `eventId` is a slice of the frame: look it up, don't keep it (it would keep
 * the whole frame in memory). A relay can lie here, and gains no more than by not sending the event.
 */
export function peekEventFrame(text: string): EventFramePeek | undefined {
  if (!text.startsWith(EVENT_PREFIX)) return undefined;
  const end = text.indexOf('"', EVENT_PREFIX.length);
  if (end === -1 || end - EVENT_PREFIX.length > 64) return undefined;
  return {
    subscriptionId: text.slice(EVENT_PREFIX.length, end),
    eventId: ID_FIELD.exec(text)?.[1],
  };
}

const MAX_MESSAGE_LENGTH = 200;
// Control and format characters (direction overrides, zero-width), lone surrogates and line ends: what could disturb
// a terminal, a log line or a chat.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\s]+/gu;

/** Text of a relay made fit to be logged and shown: one line of at most 200 characters; '' when it is no text. */
export function relayText(value: unknown): string {
  if (typeof value !== 'string') return '';
  // The first cut keeps a huge text cheap; the second one may halve a surrogate pair.
  const line = value
    .slice(0, 4 * MAX_MESSAGE_LENGTH)
    .replace(UNPRINTABLE, ' ')
    .trim();
  return line.slice(0, MAX_MESSAGE_LENGTH).toWellFormed();
}
