import type { Identity } from '@nostr-dm-agent/nostr';
import { InvalidKeyError, publicKeyOf } from '@nostr-dm-agent/nostr/keys';
import { decode } from 'nostr-tools/nip19';

/** A secret key that can't be used. Keeps no cause: the libraries' messages quote what they were given. */
export class BotKeyError extends Error {
  override readonly name = 'BotKeyError';
  /**
   * `format`: neither hex nor nsec nor ncryptsec. `public`: an npub where the secret key belongs. `curve`: no key of
   * secp256k1. `locked`: an ncryptsec without a password. `password`: the password does not open it.
   */
  readonly reason: 'format' | 'public' | 'curve' | 'locked' | 'password';
  constructor(reason: BotKeyError['reason']) {
    super(`bot key: ${reason}`);
    this.reason = reason;
  }
}

/** Whether the key is encrypted (NIP-49) and `readBotKey` will need its password. */
export const isEncryptedKey = (text: string): boolean => /^ncryptsec1/i.test(text.trim());

/**
 * Reads a secret key: 64 hex characters, `nsec1…` (NIP-19) or `ncryptsec1…` (NIP-49, opened with `password`, which
 * takes about a second by design).
 * @throws BotKeyError
 */
export async function readBotKey(text: string, password: string | undefined): Promise<Identity> {
  const secretKey = await readSecret(text.trim(), password);
  try {
    return { publicKey: publicKeyOf(secretKey), secretKey };
  } catch (error) {
    if (error instanceof InvalidKeyError) throw new BotKeyError('curve');
    throw error;
  }
}

async function readSecret(text: string, password: string | undefined): Promise<Uint8Array> {
  if (/^[0-9a-f]{64}$/i.test(text)) return Uint8Array.from(Buffer.from(text, 'hex'));
  if (/^(npub|nprofile)1/i.test(text)) throw new BotKeyError('public');
  if (isEncryptedKey(text)) return decrypt(text.toLowerCase(), password);
  return decodeNsec(text.toLowerCase());
}

async function decrypt(text: string, password: string | undefined): Promise<Uint8Array> {
  if (password === undefined) throw new BotKeyError('locked');
  const nip49 = await import('nostr-tools/nip49');
  try {
    return nip49.decrypt(text, password);
  } catch {
    throw new BotKeyError('password');
  }
}

function decodeNsec(text: string): Uint8Array {
  let decoded: ReturnType<typeof decode>;
  try {
    decoded = decode(text);
  } catch {
    throw new BotKeyError('format');
  }
  if (decoded.type !== 'nsec') throw new BotKeyError('format');
  return decoded.data;
}
