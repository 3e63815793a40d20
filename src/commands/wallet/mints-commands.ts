import { formatSat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { lines } from '../../replies/format.ts';
import { mintName } from '../../replies/wallet-replies.ts';
import { type Command, RefusalError, UsageError } from '../command.ts';
import { parseMint } from './wallet-arguments.ts';
import type { WalletCommandDeps } from './wallet-command-deps.ts';

/** `!wallet mints`, `!wallet mints add`, `!wallet mints remove`. */
export const mintsCommands = ({ money }: WalletCommandDeps): readonly Command[] => [
  {
    path: 'wallet mints',
    family: 'Wallet',
    summary: 'the mints whose tokens are accepted',
    role: 'member',
    kind: 'immediate',
    run: ({ owner }) => {
      const wallet = money.wallet.wallet();
      const { mints, defaultMint } = wallet.info();
      const { mints: holdings } = wallet.balance();
      // Where shares are kept apart, what there is in all is not a member's business.
      const amountsShown = money.shares.of(owner.publicKey)?.role !== 'member';
      return lines(
        mints.map((mint, index) => {
          const ready = holdings.find((part) => part.mint === mint)?.ready ?? zeroSat;
          const amount = amountsShown ? ` · ${formatSat(ready)}` : '';
          return `${index + 1}. ${mintName(mint)}${amount}${mint === defaultMint ? ' · default' : ''}`;
        }),
      );
    },
  },
  {
    path: 'wallet mints add',
    parameters: '<url>',
    family: 'Wallet',
    summary: 'accept tokens of another mint',
    detail: 'A mint holds the money behind its tokens: accept only those that you trust.',
    examples: ['!wallet mints add https://mint.example'],
    role: 'admin',
    instead: '!wallet mints shows whose tokens are accepted; ask an admin to accept another mint (!owners).',
    kind: 'immediate',
    run: ({ argument }) => {
      if (argument === '') throw new UsageError('The address of the mint is missing.');
      const mint = money.wallet.wallet().addMint(argument);
      money.wallet.warmUp();
      return `Tokens of ${mintName(mint)} are accepted from now on. It holds the money behind them.`;
    },
  },
  {
    path: 'wallet mints remove',
    parameters: '<url>',
    family: 'Wallet',
    summary: 'stop accepting a mint; what is there stays ours',
    examples: ['!wallet mints remove https://mint.example'],
    role: 'admin',
    instead: '!wallet mints shows whose tokens are accepted; ask an admin to take one out (!owners).',
    kind: 'immediate',
    run: ({ argument }) => {
      const wallet = money.wallet.wallet();
      const mint = wallet.removeMint(parseMint(wallet, argument));
      if (wallet.info().mints.includes(mint)) {
        throw new RefusalError(
          'That mint is named in CASHU_MINT_URL or CASHU_MINTS, so it can only be taken out there, on the host.',
        );
      }
      const left = wallet.balance().mints.find((part) => part.mint === mint)?.ready ?? zeroSat;
      const rest = left === 0 ? '' : ` ${formatSat(left)} are still there: add it again to use them.`;
      return `Tokens of ${mintName(mint)} are not accepted any more.${rest}`;
    },
  },
];
