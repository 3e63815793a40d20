import type { RenamedMint, WalletInfo } from '@nostr-dm-agent/cashu-wallet';
import { formatSat } from '@nostr-dm-agent/kit/sat';
import { plural } from './format.ts';
import { mintName } from './wallet-replies.ts';

/** What became of a mint that has moved. */
export function renamedText({ from, to, keysets, ready, configured, sameKey }: RenamedMint): string {
  const [before, now] = [mintName(from), mintName(to)];
  return [
    keysets === 0
      ? `${before} is known as ${now} already.`
      : `${before} is ${now} from now on: ${plural(keysets, 'keyset')} compared, ids and keys are the same. ${formatSat(ready)} are ready there, and what is open goes on there. Tokens that name the old address are still taken.`,
    ...(sameKey === false
      ? [
          'It shows another public key than before. Keys of keysets can be copied by anybody: make sure that the address is its operator’s.',
        ]
      : []),
    ...(configured ? [movedText({ before: from, today: to })] : []),
  ].join('\n');
}

/** The configuration names a mint by an address that it had before. */
export const movedText = ({ before, today }: WalletInfo['moved'][number]): string =>
  `CASHU_MINT_URL or CASHU_MINTS on the host still names ${mintName(before)}. That goes on working, as a name of ${mintName(today)}; change it there when you can.`;
