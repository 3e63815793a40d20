/*
 * A client of NIP-47: asks a wallet over its own relays. What a wallet says is its word alone; whoever moves money by it
 * asks somebody who knows. Requests and answers are ephemeral: a wallet that is not there misses them, and so do we.
 */
import { pause } from '@nostr-dm-agent/kit/abort';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { z } from 'zod';
import { signEvent, verifyEvent } from '../event.ts';
import type { Filter, NostrEvent, RelayUrl } from '../nostr-types.ts';
import type { PublishOutcome, Relay, Relays } from '../relay/relay.ts';
import { DecryptionError } from '../wrap/decryption.ts';
import { sharedX } from '../wrap/ecdh.ts';
import * as nip04 from '../wrap/nip04.ts';
import * as nip44 from '../wrap/nip44.ts';
import type { WalletConnection } from './connection.ts';

const INFO = 13_194;
const REQUEST = 23_194;
const ANSWER = 23_195;
const MOST_CONTENT = 64 * 1024;
const MOST_MESSAGE = 200;
/** Of one relay: to look at each costs as much as a relay likes. */
const MOST_LOOKED_AT = 100;
/** A relay that has not said by then that it listens for the answer gets the request all the same. */
const listeningMs = 3_000;

export const walletEncryptions = ['nip44_v2', 'nip04'] as const;
export type WalletEncryption = (typeof walletEncryptions)[number];

/** What a wallet says of a connection (kind 13194). */
export type WalletAbilities = {
  readonly encryption: WalletEncryption;
  /** undefined: it does not say. */
  readonly methods: readonly string[] | undefined;
};

export type WalletAnswer =
  | { readonly kind: 'done'; readonly result: unknown }
  /** `code` as in NIP-47 or any other; `message` is the wallet's, cut. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  /** No answer of the wallet's that could be read. `delivered`: a relay has taken the request. */
  | { readonly kind: 'silent'; readonly delivered: boolean };

const answerShape = z.object({
  error: z
    .object({ code: z.string().catch('OTHER'), message: z.string().catch('') })
    .nullish()
    .catch({ code: 'OTHER', message: '' }),
  // Wallets leave out what there is none of.
  result: z.unknown().optional(),
});

type Client = {
  readonly connection: WalletConnection;
  readonly relays: Pick<Relays, 'borrow' | 'ask'>;
};

/**
 * What the wallet says of itself, by the newest of what its relays keep. A wallet that says nothing of encryption speaks NIP-04.
 *
 * @returns undefined: no relay of it could be asked
 */
export async function askAbilities(
  { connection: { wallet, relays: urls }, relays }: Client,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<WalletAbilities | undefined> {
  const filter: Filter = { kinds: [INFO], authors: [wallet], limit: 1 };
  const asked = await Promise.all(urls.map((url) => relays.ask(url, [filter], timeoutMs, signal)));
  signal.throwIfAborted();
  if (asked.every((events) => events === undefined)) return undefined;
  const [info] = asked
    .flatMap((events) => events ?? [])
    .filter(({ kind, pubkey }) => kind === INFO && pubkey === wallet)
    .toSorted((a, b) => b.created_at - a.created_at);
  const words = (text: string | undefined) => (text ?? '').split(/[\s,]+/).filter(Boolean);
  const spoken = words(info?.tags.find(([name]) => name === 'encryption')?.[1]);
  const methods = words(info?.content);
  return {
    encryption: walletEncryptions.find((each) => spoken.includes(each)) ?? 'nip04',
    methods: methods.length === 0 ? undefined : methods,
  };
}

/** A request as it is published, signed. A wallet acts on the same one once. @param at Unix seconds; `ttl` seconds */
export function walletRequest(
  { wallet, identity }: WalletConnection,
  call: { readonly method: string; readonly params: Readonly<Record<string, unknown>> },
  {
    encryption,
    at,
    ttl,
  }: { readonly encryption: WalletEncryption; readonly at: number; readonly ttl: number },
): NostrEvent {
  const text = JSON.stringify(call);
  const content =
    encryption === 'nip44_v2'
      ? nip44.encrypt(text, nip44.conversationKey(identity.secretKey, wallet))
      : nip04.encrypt(text, sharedX(identity.secretKey, wallet));
  const tags = [
    ['p', wallet],
    // Wallets that know NIP-04 alone know no such tag either.
    ...(encryption === 'nip44_v2' ? [['encryption', encryption]] : []),
    ['expiration', String(at + ttl)],
  ];
  return signEvent({ kind: REQUEST, created_at: at, content, tags }, identity.secretKey);
}

/**
 * Publishes a request at each of the wallet's relays and waits for the first answer that is the wallet's own: signed by it, to
 * this very request, readable. Everything else that comes is passed over.
 */
export async function askWallet(
  { connection, relays }: Client,
  request: NostrEvent,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<WalletAnswer> {
  const heard = Promise.withResolvers<WalletAnswer>();
  const ending = new AbortController();
  const until = AbortSignal.any([signal, ending.signal]);
  const filter: Filter = { kinds: [ANSWER], authors: [connection.wallet], '#e': [request.id] };
  let delivered = false;

  const askAt = (url: RelayUrl): Promise<PublishOutcome> => {
    let looked = 0;
    const onEvent = (event: NostrEvent): void => {
      looked += 1;
      const answer = looked > MOST_LOOKED_AT ? undefined : readAnswer(connection, request, event);
      if (answer !== undefined) heard.resolve(answer);
    };
    return relays.borrow(url, async (relay) => {
      await listening(relay, filter, onEvent, until);
      const outcome = await relay.publish(request, timeoutMs, until);
      if (outcome.result === 'accepted') delivered = true;
      // Where it may have arrived, the connection is kept until the answer has.
      if (outcome.result !== 'refused') await pause(timeoutMs, until);
      return outcome;
    });
  };
  const everywhere = Promise.all(connection.relays.map(askAt)).then((outcomes): WalletAnswer | undefined =>
    outcomes.every(({ result }) => result === 'refused') ? { kind: 'silent', delivered } : undefined,
  );
  const patience = pause(timeoutMs, until).then((): WalletAnswer => ({ kind: 'silent', delivered }));
  const refused = everywhere.then((answer) => answer ?? patience);
  try {
    const answer = await Promise.race([heard.promise, refused, patience]);
    signal.throwIfAborted();
    return answer;
  } finally {
    ending.abort();
    // What was borrowed is given back before this ends.
    await everywhere.catch(() => undefined);
  }
}

async function listening(
  relay: Relay,
  filter: Filter,
  onEvent: (event: NostrEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  relay.subscribe({ filters: () => [filter], onEvent, onEose: resolve }, signal);
  const enough = new AbortController();
  await Promise.race([promise, pause(listeningMs, AbortSignal.any([signal, enough.signal]))]);
  enough.abort();
}

/** undefined: it is none of the wallet's to this request, or can't be read. */
function readAnswer(
  { wallet, identity }: WalletConnection,
  request: NostrEvent,
  event: NostrEvent,
): WalletAnswer | undefined {
  const isOurs =
    event.kind === ANSWER &&
    event.pubkey === wallet &&
    event.content.length <= MOST_CONTENT &&
    event.tags.some(([name, value]) => name === 'e' && value === request.id);
  if (!isOurs || !verifyEvent(event)) return undefined;
  try {
    const text = event.content.includes('?iv=')
      ? nip04.decrypt(event.content, sharedX(identity.secretKey, wallet))
      : nip44.decrypt(event.content, nip44.conversationKey(identity.secretKey, wallet));
    const { data } = answerShape.safeParse(parseJson(text));
    if (data === undefined) return undefined;
    const { error, result } = data;
    if (error) return { kind: 'refused', ...error, message: error.message.slice(0, MOST_MESSAGE) };
    return { kind: 'done', result };
  } catch (error) {
    if (error instanceof DecryptionError) return undefined;
    throw error;
  }
}
