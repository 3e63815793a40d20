import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import { eventHash, generateSecretKey, publicKeyOf, signEvent } from '../event.ts';
import type { EventId, EventTemplate, Identity, NostrEvent, PublicKey, RelayUrl } from '../nostr-types.ts';
import { conversationKey, encrypt } from './nip44.ts';
import { withWork } from './proof-of-work.ts';

/** A sealed and wrapped rumor (NIP-59). All of it is encrypted: it may be stored. */
type GiftWrap = {
  /** What replies and reactions refer to; a wrap's own id means nothing to anybody. */
  readonly rumorId: EventId;
  readonly seal: NostrEvent;
  readonly wrap: NostrEvent;
};

type WrapOptions = {
  readonly to: PublicKey;
  /** Stated in the wrap's `p` tag. */
  readonly relayHint?: RelayUrl;
  readonly clock: Clock;
  /** Uniform in [0, 1): how far seal and wrap are dated back. The keys are always the system's randomness. */
  readonly random: () => number;
};

const TWO_DAYS_S = 2 * 24 * 60 * 60;

/**
 * Seals an unsigned event (kind 13, no tags) and wraps it (kind 1059, key thrown away, one `p`) for one recipient.
 * Seal and wrap are each dated up to two days back, so that they don't tell when it was written.
 * @throws PlaintextSizeError the rumor is too large for NIP-44 in the form that every client reads
 * @throws InvalidKeyError `to` is not on the curve
 */
export function giftWrap(rumor: EventTemplate, options: WrapOptions & { readonly from: Identity }): GiftWrap {
  const { from, to, clock, random } = options;
  const unsigned = { ...rumor, pubkey: from.publicKey };
  const rumorId = eventHash(unsigned);
  const sealedContent = encrypt(
    JSON.stringify({ ...unsigned, id: rumorId }),
    conversationKey(from.secretKey, to),
  );
  const seal = signEvent(
    { kind: 13, created_at: backdated(clock, random), tags: [], content: sealedContent },
    from.secretKey,
  );
  return { rumorId, seal, wrap: wrapSeal(seal, backdated(clock, random), options) };
}

/**
 * Wraps the same seal once more, dated now: for a relay that refuses events from the past. A recipient who gets both
 * wraps finds the same rumor in them.
 */
export const rewrapNow = (seal: NostrEvent, options: Omit<WrapOptions, 'random'>): NostrEvent =>
  wrapSeal(seal, unixSeconds(options.clock), options);

/**
 * Wraps the same seal once more, with proof of work (NIP-13) in the wrap's id, for a relay that asks for it.
 * @returns undefined when it is too much, see {@link withWork}
 */
export async function rewrapWithWork(
  seal: NostrEvent,
  createdAt: number,
  bits: number,
  options: Omit<WrapOptions, 'random' | 'clock'> & { readonly signal: AbortSignal },
): Promise<NostrEvent | undefined> {
  const key = generateSecretKey();
  const unsigned = { ...wrapTemplate(seal, createdAt, key, options), pubkey: publicKeyOf(key) };
  const worked = await withWork(unsigned, bits, options.signal);
  return worked && signEvent(worked, key);
}

function wrapSeal(seal: NostrEvent, createdAt: number, options: Omit<WrapOptions, 'random'>): NostrEvent {
  const key = generateSecretKey();
  return signEvent(wrapTemplate(seal, createdAt, key, options), key);
}

/** The same as {@link giftWrap}, dated now and of the kind that relays do not keep (21059). */
export function ephemeralWrap(
  rumor: EventTemplate,
  options: WrapOptions & { readonly from: Identity },
): NostrEvent {
  const { seal } = giftWrap(rumor, options);
  const key = generateSecretKey();
  return signEvent({ ...wrapTemplate(seal, unixSeconds(options.clock), key, options), kind: 21059 }, key);
}

function wrapTemplate(
  seal: NostrEvent,
  createdAt: number,
  key: Uint8Array,
  { to, relayHint }: Pick<WrapOptions, 'to' | 'relayHint'>,
): EventTemplate {
  const tags = [relayHint === undefined ? ['p', to] : ['p', to, relayHint]];
  const content = encrypt(JSON.stringify(seal), conversationKey(key, to));
  return { kind: 1059, created_at: createdAt, tags, content };
}

const backdated = (clock: Clock, random: () => number): number =>
  unixSeconds(clock) - Math.floor(random() * TWO_DAYS_S);
