import type { Protocol } from '../nostr-types.ts';
import { paddedLength } from '../wrap/nip44.ts';

/** What an event may have at most, where it goes. Undefined: nothing is known against any size. */
export type EventRoom = {
  /** Bytes of its JSON. */
  readonly bytes: number | undefined;
  /** Characters of its content. */
  readonly content: number | undefined;
};

type Size = { readonly bytes: number; readonly content: number };

const HEX_32 = '0'.repeat(64);
/** A signed event without its content and tags: its fields, and a date of ten digits. */
const SHELL_BYTES = JSON.stringify({
  kind: 1059,
  created_at: 1_700_000_000,
  tags: [],
  content: '',
  pubkey: HEX_32,
  id: HEX_32,
  sig: HEX_32 + HEX_32,
}).length;

const base64Length = (bytes: number) => 4 * Math.ceil(bytes / 3);
/** Of a NIP-44 payload: version, nonce, length, padded text, MAC. */
const nip44Length = (bytes: number) => base64Length(1 + 32 + 2 + paddedLength(bytes) + 32);
/** Of a NIP-04 payload: whole blocks of AES, and `?iv=…`. */
const nip04Length = (bytes: number) => base64Length(16 * (Math.floor(bytes / 16) + 1)) + 28;

/**
 * How large the event will be in which a message goes out: the gift wrap around the seal around the rumor, or the kind 4.
 * It is never larger.
 */
export function eventSize(protocol: Protocol, content: string, tags: readonly (readonly string[])[]): Size {
  const tagBytes = Buffer.byteLength(JSON.stringify(tags));
  if (protocol === 'nip04') {
    const length = nip04Length(Buffer.byteLength(content));
    return { bytes: SHELL_BYTES + tagBytes + length, content: length };
  }
  const rumorBytes = SHELL_BYTES + tagBytes + Buffer.byteLength(JSON.stringify(content));
  const sealBytes = SHELL_BYTES + nip44Length(rumorBytes);
  const length = nip44Length(sealBytes);
  return { bytes: SHELL_BYTES + WRAP_TAG_BYTES + length, content: length };
}

/** `["p","<key>"]`, and a nonce. */
const WRAP_TAG_BYTES = 120;

export const fitsInto = ({ bytes, content }: EventRoom, size: Size): boolean =>
  size.bytes <= (bytes ?? Number.POSITIVE_INFINITY) && size.content <= (content ?? Number.POSITIVE_INFINITY);
