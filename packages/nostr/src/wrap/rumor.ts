import { eventHash, isEventId, type UnsignedEvent } from '../event.ts';
import type { EventId, InboundMessage } from '../nostr-types.ts';

/** Whether the stated id is there and is the hash: the id is what makes a message be acted on once. */
export const hasOwnId = (
  event: UnsignedEvent & { readonly id?: unknown },
): event is UnsignedEvent & { readonly id: EventId } => event.id === eventHash(event);

/** The values of all tags called `name`; `undefined` where a tag has none. */
export const tagValues = (tags: readonly string[][], name: string): readonly (string | undefined)[] =>
  tags.filter((tag) => tag[0] === name).map((tag) => tag[1]);

/** Whether a NIP-40 `expiration` tag (Unix seconds) has passed. One that is no number does not count. */
export const isExpired = (tags: readonly string[][], nowSeconds: number): boolean =>
  tagValues(tags, 'expiration').some(
    (value) => value !== undefined && /^\d+$/.test(value) && Number(value) <= nowSeconds,
  );

/** The distinct event ids in `e` tags. */
export const referencesIn = (tags: readonly string[][]): readonly EventId[] => [
  ...new Set(tagValues(tags, 'e').filter(isEventId)),
];

const MESSAGE_KINDS: ReadonlySet<number> = new Set([14, 15, 7, 5] satisfies InboundMessage['kind'][]);

/** Whether a rumor of this kind is a message. Other kinds share the wrap: 444 is a Marmot welcome. */
export const isMessageKind = (kind: number): kind is Exclude<InboundMessage['kind'], 4> =>
  MESSAGE_KINDS.has(kind);

const LEADING_INVISIBLE = /^[\u00AD\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u2069\uFEFF]+/;
const NIP18_LINE = /^\[\/\/\]: # \(nip18\)[ \t]*(?:\r?\n|$)/;

/**
 * What the sender typed. Amethyst puts `[//]: # (nip18)` on a line before it, and some keyboards and
 * clipboards leave zero-width characters there; either would hide the `!` of a command.
 */
export const typedText = (content: string): string =>
  content.replace(LEADING_INVISIBLE, '').replace(NIP18_LINE, '').replace(LEADING_INVISIBLE, '');
