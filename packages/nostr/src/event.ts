import { randomBytes } from 'node:crypto';
import { decode } from 'nostr-tools/nip19';
import * as secp256k1 from 'tiny-secp256k1';
import type { EventId, EventTemplate, NostrEvent, PublicKey } from './nostr-types.ts';

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

const isTags = (value: unknown): value is string[][] =>
  Array.isArray(value) &&
  value.every((tag) => Array.isArray(tag) && tag.every((item) => typeof item === 'string'));

const isUpTo = (value: unknown, most: number): boolean =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= most;

/** Whether `value` has the fields of an unsigned event in NIP-01's form. Its id is not looked at. */
export function isUnsignedEvent(value: unknown): value is UnsignedEvent & { readonly id?: unknown } {
  if (typeof value !== 'object' || value === null) return false;
  const event: Partial<Record<keyof UnsignedEvent, unknown>> = value;
  return (
    typeof event.pubkey === 'string' &&
    HEX_32.test(event.pubkey) &&
    isUpTo(event.created_at, Number.MAX_SAFE_INTEGER) &&
    isUpTo(event.kind, 65535) &&
    isTags(event.tags) &&
    typeof event.content === 'string'
  );
}

/** Whether `value` has every field of a signed event in NIP-01's form. Neither id nor signature are checked. */
export function isEvent(value: unknown): value is NostrEvent {
  if (!isUnsignedEvent(value)) return false;
  const { id, sig }: { id?: unknown; sig?: unknown } = value;
  return isEventId(id) && typeof sig === 'string' && HEX_64.test(sig);
}

// Digest, signature and public key are not nostr-tools': Bun's hash is 6 times as fast, and libsecp256k1 verifies 2.5 and
// signs 3 times as fast as noble, whose curves are 20 ms of loading at start besides (bench/unwrap.ts).

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

/** A fresh 32-byte secret key. */
export function generateSecretKey(): Uint8Array {
  const candidate = new Uint8Array(randomBytes(32));
  return secp256k1.isPrivate(candidate) ? candidate : generateSecretKey();
}

/**
 * Reads a public key as people write it: npub, nprofile or hex, with or without `nostr:` before it.
 * @throws InvalidKeyError
 */
export function parsePublicKey(text: string): PublicKey {
  const trimmed = text.trim().replace(/^nostr:/i, '');
  const lowerCase = trimmed.toLowerCase();
  const hex = HEX_32.test(lowerCase) ? lowerCase : fromBech32(trimmed);
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
