import { createCipheriv, createDecipheriv } from 'node:crypto';

const algorithm = 'aes-256-gcm';
const tagLength = 16;
/** Every key is used for one text. */
const nonce = Buffer.alloc(12);

/** AES-256-GCM, natively, under a key that seals nothing else, ever. @param place what it is bound to */
export function sealOnce(key: Uint8Array, place: string, text: string): Buffer<ArrayBuffer> {
  const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(place));
  return Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

/** undefined: another key, another place, or not what was sealed. */
export function openOnce(key: Uint8Array, place: string, sealed: Uint8Array): string | undefined {
  if (sealed.length < tagLength) return undefined;
  const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagLength })
    .setAAD(Buffer.from(place))
    .setAuthTag(sealed.subarray(-tagLength));
  try {
    return decipher.update(sealed.subarray(0, -tagLength), undefined, 'utf8') + decipher.final('utf8');
  } catch {
    return undefined;
  }
}
