import { eventHash, InvalidKeyError, isEventId, parsePublicKey, type UnsignedEvent } from '../event.ts';
import type { EventId, InboundMessage, PublicKey } from '../nostr-types.ts';
import { tagValues } from './addressed.ts';

/** A rumor whose author has signed the seal around it: what clients get wrong is put right, or was left out. */
export type Rumor = Pick<UnsignedEvent, 'kind' | 'content' | 'tags'> & {
  readonly id: EventId;
  /** Unix seconds, as stated; undefined when nothing sensible is. */
  readonly statedAt: number | undefined;
};

/** Fields of JSON; `undefined` for whatever is no object. */
const fieldsOf = (json: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof json === 'object' && json !== null && !Array.isArray(json) ? { ...json } : undefined;

/** Items that are no text are left out, and what is then no tag. */
const soundTags = (tags: unknown): string[][] =>
  (Array.isArray(tags) ? tags : [])
    .map((tag: unknown) => (Array.isArray(tag) ? tag.filter((item) => typeof item === 'string') : []))
    .filter((tag) => tag.length > 0);

/** More than that are milliseconds, more than this microseconds: they lie thousands of years ahead else. */
const MILLISECONDS_FROM = 100_000_000_000;
const MICROSECONDS_FROM = 100_000_000_000_000;

/** Whole Unix seconds of what is written as seconds, milliseconds, microseconds, with a fraction, or as text. */
function soundTime(stated: unknown): number | undefined {
  const number = typeof stated === 'string' && /^\d+(?:\.\d+)?$/.test(stated) ? Number(stated) : stated;
  if (typeof number !== 'number' || !Number.isFinite(number) || number < 0) return undefined;
  if (number >= MICROSECONDS_FROM) return Math.floor(number / 1_000_000);
  return Math.floor(number >= MILLISECONDS_FROM ? number / 1000 : number);
}

/** What is not there, as clients write it. */
const isAbsent = (value: unknown): boolean => value === undefined || value === null || value === '';

const lowerCase = (value: unknown): unknown => (typeof value === 'string' ? value.toLowerCase() : value);

/** By whom a rumor says that it is: undefined when it does not say, and the seal alone does. */
export function authorOf(json: unknown): unknown {
  const stated = fieldsOf(json)?.pubkey;
  return isAbsent(stated) ? undefined : lowerCase(stated);
}

/** A whole number, which may be written as text. */
const soundKind = (stated: unknown): number | undefined => {
  const kind = typeof stated === 'string' && /^\d{1,5}$/.test(stated) ? Number(stated) : stated;
  return typeof kind === 'number' && Number.isInteger(kind) && kind >= 0 && kind <= 65535 ? kind : undefined;
};

/**
 * Reads a rumor leniently, for its author is proven: an id that is not there is computed, odd tag items are skipped, a time
 * may be written in any way. An id that is there has to be the hash, of what was written or of what is read: it is what
 * makes a message be acted on once. A kind may be text, an id in capitals.
 *
 * @param sealedAt when its seal says that it was made: without an id and a time, the same words in another seal are another
 *   message
 */
export function readRumor(json: unknown, pubkey: PublicKey, sealedAt: number): Rumor | 'rumor' | 'rumor-id' {
  const fields = fieldsOf(json);
  if (fields === undefined) return 'rumor';
  const { content } = fields;
  const [kind, stated] = [soundKind(fields.kind), lowerCase(fields.id)];
  if (typeof content !== 'string' || kind === undefined) return 'rumor';
  const statedAt = soundTime(fields.created_at);
  const read = {
    pubkey,
    kind,
    content,
    tags: soundTags(fields.tags),
    created_at: statedAt ?? sealedAt,
  };
  const id = eventHash(read);
  const rumor = { kind: read.kind, content, tags: read.tags, statedAt };
  if (isAbsent(stated)) return { ...rumor, id };
  const asWritten = hashOf([
    0,
    fields.pubkey ?? pubkey,
    fields.created_at,
    fields.kind,
    fields.tags,
    content,
  ]);
  if (stated !== id && stated !== asWritten) return 'rumor-id';
  return { ...rumor, id: stated === id ? id : asWritten };
}

const hashOf = (serialised: readonly unknown[]): EventId =>
  new Bun.CryptoHasher('sha256').update(JSON.stringify(serialised)).digest('hex') as EventId;

/** The values of all tags called `name`; `undefined` where a tag has none. */
/**
 * The keys in `p` tags, however they are written: in capitals, as npub, with white space. What is no key at all names
 * nobody.
 */
export const keysIn = (tags: readonly string[][]): readonly string[] =>
  tagValues(tags, 'p').flatMap((text): string[] => {
    const plain = text?.trim().toLowerCase() ?? '';
    if (isEventId(plain)) return [plain];
    try {
      return [parsePublicKey(plain)];
    } catch (error) {
      if (error instanceof InvalidKeyError) return [];
      throw error;
    }
  });

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
