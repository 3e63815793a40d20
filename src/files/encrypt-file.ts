import { createCipheriv, createHash, randomBytes } from 'node:crypto';

/** A file as a server gets it, and what opens it: all in hex. */
export type EncryptedFile = {
  readonly body: Uint8Array;
  readonly key: string;
  readonly nonce: string;
  /** Of the body, and of what is in it. */
  readonly sha256: string;
  readonly plainSha256: string;
};

/** Encrypts with AES-256-GCM under a key of its own, the tag at the end (NIP-17, kind 15); 12 bytes of nonce are read everywhere. */
export function encryptFile(plain: Uint8Array): EncryptedFile {
  const key = randomBytes(32);
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const body = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return {
    body,
    key: key.toString('hex'),
    nonce: nonce.toString('hex'),
    sha256: sha256(body),
    plainSha256: sha256(plain),
  };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
