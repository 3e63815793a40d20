import { randomBytes } from 'node:crypto';
import { decode } from 'nostr-tools/nip19';
import * as secp256k1 from 'tiny-secp256k1';
import type { EventId, EventTemplate, NostrEvent, PublicKey } from './types.ts';

/** What the id of an event is computed from (NIP-01). */
export type UnsignedEvent = EventTemplate & Pick<NostrEvent, 'pubkey'>;

/**
 * A key that can't be used. Holds no part of the text it was read from: that may have been a secret.
 * `reason`: `format` is neither npub, nprofile nor 64 hex characters; `secret` is an nsec where a public key
 * belongs; `curve` is no point (or scalar) of secp256k1.
 */
export class InvalidKeyError extends Error {
  override readonly name = 'InvalidKeyError';
  readonly reason: 'format' | 'secret' | 'curve';
  constructor(reason: 'format' | 'secret' | 'curve') {
    super(`not a usable key: ${reason}`);
    this.reason = reason;
  }
}

const HEX_32 = /^[0-9a-f]{64}$/;
const HEX_64 = /^[0-9a-f]{128}$/;

/** Whether `text` has the form of an event id: 64 lower-case hex characters. */
export const isEventId = (text: unknown): text is EventId => typeof text === 'string' && HEX_32.test(text);

/** Whether `value` is a list of lists of strings, as NIP-01 has tags. */
export const isTags = (value: unknown): value is string[][] =>
  Array.isArray(value) &&
  value.every((tag) => Array.isArray(tag) && tag.every((item) => typeof item === 'string'));

/** Whether `value` is a whole number that NIP-01 allows as a time in Unix seconds. */
export const isTimestamp = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;

/** Whether `value` is a kind: 0 to 65535 (NIP-01). */
export const isKind = (value: unknown): value is number => isTimestamp(value) && value <= 65535;

/** Whether `value` has every field of a signed event in NIP-01's form. Neither id nor signature are checked. */
export function isEvent(value: unknown): value is NostrEvent {
  if (typeof value !== 'object' || value === null) return false;
  const event: Partial<Record<keyof NostrEvent, unknown>> = value;
  return (
    isEventId(event.id) &&
    typeof event.pubkey === 'string' &&
    HEX_32.test(event.pubkey) &&
    typeof event.sig === 'string' &&
    HEX_64.test(event.sig) &&
    isKind(event.kind) &&
    isTimestamp(event.created_at) &&
    typeof event.content === 'string' &&
    isTags(event.tags)
  );
}

function eventDigest(event: UnsignedEvent): Uint8Array {
  const serialized = JSON.stringify([
    0,
    event.pubkey,
    event.created_at,
    event.kind,
    event.tags,
    event.content,
  ]);
  return new Bun.CryptoHasher('sha256').update(serialized).digest();
}

/** The id of an event: sha256 of its NIP-01 serialisation, in hex. */
export const eventHash = (event: UnsignedEvent): EventId =>
  Buffer.from(eventDigest(event)).toString('hex') as EventId;

/** Whether shape, id and BIP340 signature of a signed event are right. Never throws, whatever it is given. */
export function verifyEvent(event: NostrEvent): boolean {
  if (!isEvent(event)) return false;
  const digest = eventDigest(event);
  if (Buffer.from(digest).toString('hex') !== event.id) return false;
  try {
    return secp256k1.verifySchnorr(digest, Buffer.from(event.pubkey, 'hex'), Buffer.from(event.sig, 'hex'));
  } catch {
    // tiny-secp256k1 throws for a pubkey or signature outside its range, which is one more way to be invalid.
    return false;
  }
}

/**
 * Signs an event: adds pubkey, id and a BIP340 signature with fresh auxiliary randomness.
 * @throws InvalidKeyError when `secretKey` is not a secp256k1 secret key
 */
export function signEvent(template: EventTemplate, secretKey: Uint8Array): NostrEvent {
  const unsigned = {
    kind: template.kind,
    created_at: template.created_at,
    tags: template.tags,
    content: template.content,
    pubkey: publicKeyOf(secretKey),
  };
  const digest = eventDigest(unsigned);
  const signature = secp256k1.signSchnorr(digest, secretKey, randomBytes(32));
  return {
    ...unsigned,
    id: Buffer.from(digest).toString('hex'),
    sig: Buffer.from(signature).toString('hex'),
  };
}

/**
 * The x-only public key of a 32-byte secret key.
 * @throws InvalidKeyError when `secretKey` is not a secp256k1 secret key
 */
export function publicKeyOf(secretKey: Uint8Array): PublicKey {
  if (!secp256k1.isPrivate(secretKey)) throw new InvalidKeyError('curve');
  return Buffer.from(secp256k1.xOnlyPointFromScalar(secretKey)).toString('hex') as PublicKey;
}

/** A fresh 32-byte secret key. `random` yields that many random bytes; the system's generator by default. */
export function generateSecretKey(random: (size: number) => Uint8Array = randomBytes): Uint8Array {
  for (;;) {
    const candidate = new Uint8Array(random(32));
    if (secp256k1.isPrivate(candidate)) return candidate;
  }
}

/**
 * Reads a public key as people write it: npub, nprofile or hex, with or without `nostr:` before it.
 * @throws InvalidKeyError
 */
export function parsePublicKey(text: string): PublicKey {
  const trimmed = text.trim().replace(/^nostr:/i, '');
  const hex = /^[0-9a-f]{64}$/i.test(trimmed) ? trimmed.toLowerCase() : fromBech32(trimmed);
  if (!secp256k1.isXOnlyPoint(Buffer.from(hex, 'hex'))) throw new InvalidKeyError('curve');
  return hex as PublicKey;
}

function fromBech32(text: string): string {
  if (/^(nsec|ncryptsec)1/i.test(text)) throw new InvalidKeyError('secret');
  let decoded: ReturnType<typeof decode>;
  try {
    decoded = decode(text.toLowerCase());
  } catch {
    // The library's message quotes the text; it may be a mistyped secret, so it goes no further.
    throw new InvalidKeyError('format');
  }
  if (decoded.type === 'npub') return decoded.data;
  if (decoded.type === 'nprofile') return decoded.data.pubkey;
  throw new InvalidKeyError('format');
}
