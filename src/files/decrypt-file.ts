import { createDecipheriv } from 'node:crypto';

const tagLength = 16;

/**
 * Opens a file that was encrypted with AES-GCM, its tag at the end (NIP-17, kind 15). The NIP does not say how key and nonce
 * are written: hex, base64 and base64url are met, nonces of 12 and of 16 bytes, and one client's first versions took the
 * text of the nonce itself.
 *
 * @returns undefined when none of that opens it
 */
export function decryptFile(
  body: Uint8Array,
  { key, nonce }: { readonly key: string; readonly nonce: string },
): Uint8Array | undefined {
  if (body.length < tagLength) return undefined;
  const sealed = body.subarray(0, -tagLength);
  const tag = body.subarray(-tagLength);
  for (const keyBytes of readingsOf(key).filter(({ length }) => [16, 24, 32].includes(length))) {
    for (const nonceBytes of [...readingsOf(nonce), Buffer.from(nonce, 'utf8')]) {
      if (nonceBytes.length < 8 || nonceBytes.length > 64) continue;
      const plain = open(sealed, tag, keyBytes, nonceBytes);
      if (plain !== undefined) return plain;
    }
  }
  return undefined;
}

const readingsOf = (text: string): readonly Buffer[] => [
  ...(/^(?:[0-9a-f]{2})+$/i.test(text) ? [Buffer.from(text, 'hex')] : []),
  ...(/^[A-Za-z0-9+/_-]+={0,2}$/.test(text) ? [Buffer.from(text, 'base64')] : []),
];

function open(sealed: Uint8Array, tag: Uint8Array, key: Buffer, nonce: Buffer): Uint8Array | undefined {
  const bits = key.length === 16 ? 128 : key.length === 24 ? 192 : 256;
  const cipher = createDecipheriv(`aes-${bits}-gcm`, key, nonce, { authTagLength: tagLength });
  cipher.setAuthTag(tag);
  try {
    return Buffer.concat([cipher.update(sealed), cipher.final()]);
  } catch {
    // The tag says that this was not it.
    return undefined;
  }
}
