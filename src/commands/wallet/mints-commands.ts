import type { Overview } from '@nostr-dm-agent/cashu-wallet';
import { formatSat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { lines } from '../../replies/format.ts';
import { renamedText } from '../../replies/mint-replies.ts';
import { mintName } from '../../replies/wallet-replies.ts';
import { type Command, UsageError } from '../command.ts';
import { parseMint } from './wallet-arguments.ts';
import type { WalletCommandDeps } from './wallet-command-deps.ts';

/** `!wallet mints`, `!wallet mints add`, `!wallet mints remove`, `!wallet mints rename`. */
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
      const left = wallet.balance().mints.find((part) => part.mint === mint)?.ready ?? zeroSat;
      const rest = left === 0 ? '' : ` ${formatSat(left)} are still there: add it again to use them.`;
      return `Tokens of ${mintName(mint)} are not accepted any more.${rest}`;
    },
  },
  {
    path: 'wallet mints rename',
    parameters: '<old> <new>',
    family: 'Wallet',
    summary: 'a mint has moved to another address',
    detail:
      'The keysets of both are compared, their ids and their keys, also when the old address is gone. Then what is there, what is open, and the default mint are at the new address. Keys can be copied by anybody: take the address from the mint’s operator.',
    examples: ['!wallet mints rename https://mint.example https://mint.example.org'],
    role: 'admin',
    instead: '!wallet mints shows where the mints are; ask an admin when one has moved (!owners).',
    kind: 'lasting',
    repeatable: true,
    run: async ({ argument }, signal) => {
      const [old = '', now = '', ...more] = argument.split(/\s+/);
      if (now === '' || more.length > 0)
        throw new UsageError('Two addresses are needed: the old one and the new one.');
      const wallet = await money.wallet.settled(signal);
      const to = /^https?:\/\//i.test(now) ? now : `https://${now}`;
      return renamedText(await wallet.renameMint({ from: oldAddress(wallet, old), to }, signal));
    },
  },
];

/** By its number or host as long as it is accepted; else as it was typed: it may be an old name. */
function oldAddress(wallet: Overview, text: string): string {
  try {
    return parseMint(wallet, text);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return /^https?:\/\//i.test(text) ? text : `https://${text}`;
  }
}
