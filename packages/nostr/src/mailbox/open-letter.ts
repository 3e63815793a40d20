import { InvalidKeyError, isEvent, isUnsignedEvent, verifyEvent } from '../event.ts';
import type { Identity, NostrEvent, PublicKey } from '../nostr-types.ts';
import { DecryptionError } from '../wrap/decryption.ts';
import * as nip44 from '../wrap/nip44.ts';

/** What somebody has written to a mailbox. */
export type Letter = {
  readonly mailbox: PublicKey;
  /** Who signed it: mostly a key that was made for this. */
  readonly sender: PublicKey;
  readonly content: string;
};

/**
 * Opens a gift wrap (NIP-17, NIP-59), whose own signature is good, to a mailbox. As strict as the inbox about who wrote it, and no stricter about what
 * nobody acts on: a letter is not a command, so its id, its date and who else was addressed say nothing.
 *
 * @returns undefined: it is none
 */
export function openLetter(event: NostrEvent, { publicKey, secretKey }: Identity): Letter | undefined {
  if (event.kind !== 1059) return undefined;
  const seal = openJson(event.content, secretKey, event.pubkey);
  if (!isEvent(seal) || seal.kind !== 13 || !verifyEvent(seal)) return undefined;
  const rumor = openJson(seal.content, secretKey, seal.pubkey);
  if (!isUnsignedEvent(rumor) || rumor.pubkey !== seal.pubkey || rumor.kind !== 14) return undefined;
  return { mailbox: publicKey, sender: seal.pubkey as PublicKey, content: rumor.content };
}

function openJson(payload: string, secretKey: Uint8Array, peer: string): unknown {
  try {
    return JSON.parse(nip44.decrypt(payload, nip44.conversationKey(secretKey, peer as PublicKey)));
  } catch (error) {
    const isTheirs =
      error instanceof DecryptionError || error instanceof InvalidKeyError || error instanceof SyntaxError;
    if (isTheirs) return undefined;
    throw error;
  }
}
