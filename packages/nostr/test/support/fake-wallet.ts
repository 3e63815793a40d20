import { parseJson } from '@nostr-dm-agent/kit/json';
import { generateSecretKey, publicKeyOf, signEvent, verifyEvent } from '../../src/event.ts';
import type { NostrEvent, PublicKey, RelayUrl } from '../../src/nostr-types.ts';
import type { WalletEncryption } from '../../src/wallet-connect/client.ts';
import { sharedX } from '../../src/wrap/ecdh.ts';
import * as nip04 from '../../src/wrap/nip04.ts';
import * as nip44 from '../../src/wrap/nip44.ts';
import { connectTo } from './relay-client.ts';

export type WalletCall = { readonly method: string; readonly params: { readonly invoice?: string } };
/** What it says to a request; each item is an answer of its own. `by`: another key than the wallet's signs it. */
export type FakeAnswer = {
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly message: string } | null;
  readonly by?: Uint8Array;
  /** In place of an encrypted answer. */
  readonly raw?: string;
};

/** A wallet of NIP-47 that does and says what a test wants, and keeps every request that it got. */
export function startFakeWallet(options: {
  readonly relays: readonly RelayUrl[];
  /** What it says that it speaks; undefined: nothing, which means NIP-04. */
  readonly speaks?: readonly WalletEncryption[];
  readonly methods?: string;
  /** Without a word of itself. */
  readonly unannounced?: boolean;
  readonly secretKey?: Uint8Array;
  readonly client?: Uint8Array;
  readonly onCall: (call: WalletCall, event: NostrEvent) => Promise<readonly FakeAnswer[]>;
}) {
  const secretKey = options.secretKey ?? generateSecretKey();
  const publicKey = publicKeyOf(secretKey);
  const client = options.client ?? generateSecretKey();
  const clientKey = publicKeyOf(client);
  const requests: NostrEvent[] = [];
  const ending = new AbortController();
  const { signal } = ending;
  const connections = options.relays.map((url) => connectTo(url));
  const now = () => Math.floor(Date.now() / 1000);

  const publish = (event: NostrEvent) =>
    Promise.all(connections.map((connection) => connection.publish(event, 5_000, signal)));
  const answer = async (event: NostrEvent, { by = secretKey, raw, ...said }: FakeAnswer) => {
    const text = JSON.stringify({ result_type: 'pay_invoice', ...said });
    const spoken = event.content.includes('?iv=')
      ? nip04.encrypt(text, sharedX(by, clientKey))
      : nip44.encrypt(text, nip44.conversationKey(by, clientKey));
    const tags = [
      ['p', clientKey],
      ['e', event.id],
    ];
    await publish(signEvent({ kind: 23_195, created_at: now(), content: raw ?? spoken, tags }, by));
  };
  const onEvent = (event: NostrEvent) => {
    if (event.pubkey !== clientKey || !verifyEvent(event)) return;
    if (requests.some(({ id }) => id === event.id)) return;
    requests.push(event);
    const text = event.content.includes('?iv=')
      ? nip04.decrypt(event.content, sharedX(secretKey, clientKey))
      : nip44.decrypt(event.content, nip44.conversationKey(secretKey, clientKey));
    void options.onCall(parseJson(text) as WalletCall, event).then(async (answers) => {
      for (const each of answers) if (!signal.aborted) await answer(event, each);
    });
  };
  const served = connections.map((connection) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const filter = { kinds: [23_194], '#p': [publicKey] };
    connection.subscribe({ filters: () => [filter], onEvent, onEose: resolve }, signal);
    return promise;
  });
  const speaks = options.speaks ?? [];
  const info = signEvent(
    {
      kind: 13_194,
      created_at: now(),
      content: options.methods ?? 'pay_invoice get_info',
      tags: speaks.length === 0 ? [] : [['encryption', speaks.join(' ')]],
    },
    secretKey,
  );
  return {
    publicKey: publicKey as PublicKey,
    requests,
    /** What its owner copies. */
    uri: `nostr+walletconnect://${publicKey}?${options.relays.map((url) => `relay=${encodeURIComponent(url)}&`).join('')}secret=${Buffer.from(client).toString('hex')}&lud16=me@example.com`,
    /** Once it listens, and has said what it is. */
    ready: async () => {
      await Promise.all(served);
      if (options.unannounced !== true) await publish(info);
    },
    stop: () => {
      ending.abort();
      for (const connection of connections) connection.close();
    },
  };
}
export type FakeWallet = ReturnType<typeof startFakeWallet>;
