import { RemoteError, remoteFactsOf } from '@nostr-dm-agent/cashu-wallet/remote';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { WalletSession } from '@nostr-dm-agent/routstr/remote';
import type { RoutstrOptions } from './plugin-options.ts';
import { errorText } from './sentences/refusal-sentences.ts';
import { findWallet, type WalletPlace, wallet } from './wallet-place.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** The wallet of whoever sits here, opened when it is first needed. */
export type WalletAccess = {
  /** undefined: nobody has made one yet. */
  readonly existing: () => Promise<WalletSession | undefined>;
  /** Made where there is none. */
  readonly open: () => Promise<WalletSession>;
  /** `isNew` until somebody was told. */
  readonly place: () => WalletPlace & { readonly isNew: boolean };
  readonly home: () => string;
  readonly close: () => Promise<void>;
};

/** Nothing of it is loaded before it is used: opencode is not to start slower. */
export function createWalletAccess(env: Env, options: RoutstrOptions): WalletAccess {
  let session: Promise<WalletSession> | undefined;
  let isNew = false;
  const open = (place: WalletPlace): Promise<WalletSession> => {
    session ??= import('@nostr-dm-agent/routstr/remote').then(({ openWalletSession }) =>
      openWalletSession({ home: place.home, wallet: place.wallet }, silent),
    );
    return session;
  };
  const place = (): WalletPlace & { readonly isNew: boolean } => {
    const found = wallet(env, options);
    isNew ||= found.isNew;
    return { ...found, isNew };
  };
  return {
    existing: async () => {
      const found = findWallet(env, options).place;
      return found === undefined ? undefined : open(found);
    },
    open: () => open(place()),
    place,
    home: () => findWallet(env, options).home,
    close: async () => (await session)?.close(),
  };
}

/** Standard output is the user's screen: what there is to say, is said as an answer. */
export const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

/** What became of something that was thrown, as a sentence for people. */
export function sentenceOf(error: unknown): string {
  if (error instanceof SayError) return error.message;
  if (error instanceof DOMException && error.name === 'TimeoutError') return late;
  const facts = error instanceof RemoteError ? error.facts : remoteFactsOf(error);
  if (error instanceof Error && error.cause instanceof DOMException && error.cause.name === 'TimeoutError')
    return late;
  return errorText(facts);
}

const late =
  'It takes longer than it may. Nothing is lost: what was begun is finished, and the next start of opencode says what became of it.';

/** A failure that is a sentence already. */
export class SayError extends Error {
  override readonly name = 'SayError';
}
