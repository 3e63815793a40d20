import { readMintUrl, walletFile } from '@nostr-dm-agent/cashu-wallet/open';
import { takeForOld, takeOver } from '@nostr-dm-agent/cashu-wallet/remote';
import type { Relays } from '@nostr-dm-agent/nostr';
import type { Config } from '../config/config.ts';
import type { Stores } from '../store/open-stores.ts';
import type { AppDeps } from './app-deps.ts';
import type { Basics } from './basics.ts';
import { createOneBot, type OneBot } from './one-bot.ts';

/** Begins to find out whether this is the bot that is to act; its wallet is taken for an old one if it only becomes that now. */
export function openOneBot(
  { identity, home, wallet }: Pick<Config, 'identity' | 'home' | 'wallet'>,
  { takeOver: told = false }: Pick<AppDeps, 'takeOver'>,
  { stores, relays }: { readonly stores: Pick<Stores, 'db' | 'meta'>; readonly relays: Relays },
  basics: Basics,
): OneBot {
  const onClaimed = async (signal: AbortSignal): Promise<void> => {
    if (wallet === undefined) return;
    const mark = (): void => takeForOld(walletFile(wallet), readMintUrl(wallet.mintUrl));
    await takeOver({ home, wallet }, mark, signal);
  };
  return createOneBot({ relays, identity, stores, told, onClaimed }, basics);
}
