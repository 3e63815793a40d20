import { hkdfSync } from 'node:crypto';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { z } from 'zod';
import { isEvent, signEvent, verifyEvent } from '../event.ts';
import type { Filter, Identity, NostrEvent } from '../nostr-types.ts';
import { DecryptionError } from '../wrap/decryption.ts';
import { conversationKey, decrypt, encrypt } from '../wrap/nip44.ts';

/**
 * Which of several programs with the bot's key is to act: the one of the highest generation. Kept by relays as one replaceable
 * event of the bot's own (NIP-78, kind 30078), encrypted to itself; its `d` tag says nothing to anybody else.
 */
export type InstanceClaim = {
  /** Of one home, from one claim to the next. */
  readonly instance: string;
  readonly generation: number;
  /** When it was claimed, Unix ms. */
  readonly at: number;
  /** The machine's name, for people. */
  readonly host: string;
};

const APP_DATA = 30_078;
const MOST_CONTENT = 4 * 1024;
/** Room for clocks that differ and claims in quick succession; no number of this program's ever gets there. */
const MOST_GENERATION = 2 ** 40;

const claimSchema = z.object({
  instance: z.string().min(1).max(64),
  generation: z.number().int().min(1).max(MOST_GENERATION),
  at: z.number(),
  host: z.string().max(256),
});

const nameOf = ({ secretKey }: Identity): string =>
  Buffer.from(hkdfSync('sha256', secretKey, '', 'nostr-dm-agent: name of the instance claim', 16)).toString(
    'hex',
  );

/** What the claims of the bot are asked for by. */
export const claimFilter = (identity: Identity): Filter => ({
  kinds: [APP_DATA],
  authors: [identity.publicKey],
  '#d': [nameOf(identity)],
});

export function claimEvent(claim: InstanceClaim, identity: Identity, createdAt: number): NostrEvent {
  const toSelf = conversationKey(identity.secretKey, identity.publicKey);
  const content = encrypt(JSON.stringify(claim), toSelf);
  const template = { kind: APP_DATA, created_at: createdAt, tags: [['d', nameOf(identity)]], content };
  return signEvent(template, identity.secretKey);
}

/** undefined: it is no claim of this bot. */
export function readClaim(event: NostrEvent, identity: Identity): InstanceClaim | undefined {
  if (!isEvent(event) || event.kind !== APP_DATA || event.pubkey !== identity.publicKey) return undefined;
  if (
    event.content.length > MOST_CONTENT ||
    !event.tags.some(([tag, name]) => tag === 'd' && name === nameOf(identity))
  )
    return undefined;
  if (!verifyEvent(event)) return undefined;
  try {
    const toSelf = conversationKey(identity.secretKey, identity.publicKey);
    return claimSchema.safeParse(parseJson(decrypt(event.content, toSelf))).data;
  } catch (error) {
    if (error instanceof DecryptionError) return undefined;
    throw error;
  }
}
