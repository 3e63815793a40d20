import { parsePublicKey, publicKeyOf } from '../event.ts';
import type { Identity, PublicKey, RelayUrl } from '../nostr-types.ts';
import { parseForeignRelayUrl, RelayUrlError } from '../relay/relay-url.ts';

/** A connection to somebody's Lightning wallet (NIP-47): who has its secret may have invoices paid by it. */
export type WalletConnection = {
  readonly wallet: PublicKey;
  /** Where the wallet listens; one at least. */
  readonly relays: readonly RelayUrl[];
  /** The key pair that the wallet made for this connection. */
  readonly identity: Identity;
};

/**
 * A text that is no connection to a wallet. Nothing of the text is kept: it may hold the secret. `form`: it is none at
 * all; `wallet`, `secret`: that part is missing or no key; `relay`: none is named; `private-relay`: those that are can't be reached.
 */
export class WalletConnectionError extends Error {
  override readonly name = 'WalletConnectionError';
  readonly reason: 'form' | 'wallet' | 'secret' | 'relay' | 'private-relay';
  constructor(reason: WalletConnectionError['reason']) {
    super(`not a connection to a wallet: ${reason}`);
    this.reason = reason;
  }
}

/** What else stands in it is not looked at: `lud16`, names, icons. */
const URI = /^nostr\+?walletconnect:(?:\/\/)?([^?/]*)\/?\?(\S+)$/i;
const HEX_32 = /^[0-9a-f]{64}$/;
const MOST_RELAYS = 5;
const MOST_LETTERS = 4096;

/**
 * Reads `nostr+walletconnect://<wallet>?relay=…&relay=…&secret=<hex>` as wallets write it. Relays that are no place for a
 * connection of ours are left out.
 *
 * @param options.allowLoopback relays of this machine are permitted (tests and the sandbox)
 * @throws WalletConnectionError
 */
export function parseWalletConnection(
  text: string,
  options: { readonly allowLoopback?: boolean } = {},
): WalletConnection {
  const [, key, query] = (text.length <= MOST_LETTERS && URI.exec(text.trim())) || [];
  if (key === undefined || query === undefined) throw new WalletConnectionError('form');
  const values = new URLSearchParams(query.replaceAll('&amp;', '&'));
  const secret = values.get('secret')?.trim().toLowerCase() ?? '';
  const wallet = keyOr('wallet', () => parsePublicKey(key));
  if (!HEX_32.test(secret)) throw new WalletConnectionError('secret');
  const secretKey = new Uint8Array(Buffer.from(secret, 'hex'));
  const publicKey = keyOr('secret', () => publicKeyOf(secretKey));
  // Somebody's own key in place of the one that their wallet made.
  if (publicKey === wallet) throw new WalletConnectionError('secret');
  const named = values.getAll('relay').filter((relay) => relay.trim() !== '');
  if (named.length === 0) throw new WalletConnectionError('relay');
  const relays = new Set(named.flatMap((relay) => usable(relay, options)));
  if (relays.size === 0) throw new WalletConnectionError('private-relay');
  return { wallet, relays: [...relays].slice(0, MOST_RELAYS), identity: { publicKey, secretKey } };
}

/** As {@link parseWalletConnection} reads it. Holds the secret. */
export const formatWalletConnection = ({ wallet, relays, identity }: WalletConnection): string =>
  `nostr+walletconnect://${wallet}?${new URLSearchParams([
    ...relays.map((relay): [string, string] => ['relay', relay]),
    ['secret', Buffer.from(identity.secretKey).toString('hex')],
  ])}`;

function keyOr(reason: 'wallet' | 'secret', read: () => PublicKey): PublicKey {
  try {
    return read();
  } catch {
    // Of what the reader says nothing goes on: it may quote the text.
    throw new WalletConnectionError(reason);
  }
}

function usable(relay: string, options: { readonly allowLoopback?: boolean }): readonly RelayUrl[] {
  try {
    return [parseForeignRelayUrl(relay.trim(), options)];
  } catch (error) {
    if (error instanceof RelayUrlError) return [];
    throw error;
  }
}
