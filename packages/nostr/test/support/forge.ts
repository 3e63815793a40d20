import type { EventTemplate, NostrEvent } from 'nostr-tools/core';
import * as nip04 from 'nostr-tools/nip04';
import { npubEncode } from 'nostr-tools/nip19';
import * as nip44 from 'nostr-tools/nip44';
import { finalizeEvent, generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { signEvent } from '../../src/event.ts';
import type { Identity, PublicKey } from '../../src/nostr-types.ts';

/** Made with nostr-tools alone (but for junk, which takes long): so that a mistake in `src/` is not made twice. */
export type Party = Identity & { readonly npub: string };

export function createParty(secretKey: Uint8Array = generateSecretKey()): Party {
  const publicKey = getPublicKey(secretKey);
  return { secretKey, publicKey: publicKey as PublicKey, npub: npubEncode(publicKey) };
}

export const nowSeconds = (): number => Math.floor(Date.now() / 1000);

const sealText = (plaintext: string, from: Uint8Array, to: string): string =>
  nip44.encrypt(plaintext, nip44.getConversationKey(from, to));

/** What may be changed about a message on its way; everything that is not changed is right. */
export type Forgery = {
  /** Fields of the rumor; the id is computed from them unless it is among them. */
  readonly rumor?: Readonly<Record<string, unknown>>;
  /** Any value in place of the rumor, as JSON. */
  readonly rumorJson?: string;
  /** Fields of the seal, before it is signed. */
  readonly seal?: Partial<EventTemplate>;
  /** Fields of the seal, after it was signed. */
  readonly signedSeal?: Readonly<Record<string, unknown>>;
  readonly sealJson?: string;
  /** Fields of the wrap, before and after it is signed. */
  readonly wrap?: Partial<EventTemplate>;
  readonly signedWrap?: Partial<NostrEvent>;
};

/** A NIP-17 message, wrapped; with the given things wrong about it. */
export function forge(from: Party, to: PublicKey, text: string, forgery: Forgery = {}): NostrEvent {
  const created_at = nowSeconds();
  const unsigned = {
    kind: 14,
    created_at,
    tags: [['p', to]],
    content: text,
    pubkey: from.publicKey,
    ...forgery.rumor,
  };
  const rumor = { id: idOf(unsigned), ...unsigned };
  const rumorJson = forgery.rumorJson ?? JSON.stringify(rumor);
  const seal = finalizeEvent(
    { kind: 13, created_at, tags: [], content: sealText(rumorJson, from.secretKey, to), ...forgery.seal },
    from.secretKey,
  );
  return wrapAnew(forgery.sealJson ?? JSON.stringify({ ...seal, ...forgery.signedSeal }), to, forgery);
}

/** Wraps a seal, which anybody can do who has it. */
export function wrapAnew(
  sealJson: string,
  to: PublicKey,
  { wrap, signedWrap }: Pick<Forgery, 'wrap' | 'signedWrap'> = {},
): NostrEvent {
  const key = generateSecretKey();
  const content = sealText(sealJson, key, to);
  const template = { kind: 1059, created_at: nowSeconds() - 3600, tags: [['p', to]], content, ...wrap };
  return plain({ ...finalizeEvent(template, key), ...signedWrap });
}

/** The JSON of the seal in a wrap. */
export const sealIn = (wrap: NostrEvent, recipient: Party): string =>
  nip44.decrypt(wrap.content, nip44.getConversationKey(recipient.secretKey, wrap.pubkey));

/** A NIP-04 DM. */
export function forgeLegacy(
  from: Party,
  to: PublicKey,
  text: string,
  template: Partial<EventTemplate> = {},
): NostrEvent {
  const content = nip04.encrypt(from.secretKey, to, text);
  return plain(
    finalizeEvent(
      { kind: 4, created_at: nowSeconds(), tags: [['p', to]], content, ...template },
      from.secretKey,
    ),
  );
}

/** As it comes from a relay: without the mark by which nostr-tools remembers that it verified an event. */
export const plain = (event: NostrEvent): NostrEvent => JSON.parse(JSON.stringify(event));

/** The right id, also of a rumor that is not well formed. */
function idOf(rumor: Readonly<Record<string, unknown>>): string {
  const { pubkey, created_at, kind, tags, content } = rumor;
  const serialized = JSON.stringify([0, pubkey, created_at, kind, tags, content]);
  return new Bun.CryptoHasher('sha256').update(serialized).digest('hex');
}

/** As many wraps as asked for, rightly signed by throwaway keys, that the bot cannot decrypt: they cost it the most. */
export const forgeJunk = (to: PublicKey, count: number): NostrEvent[] =>
  Array.from({ length: count }, (_, index) => {
    const content = Buffer.concat([Uint8Array.of(2), crypto.getRandomValues(new Uint8Array(300))]).toString(
      'base64',
    );
    return signEvent(
      { kind: 1059, created_at: nowSeconds() - 3600 - index, tags: [['p', to]], content },
      generateSecretKey(),
    );
  });
