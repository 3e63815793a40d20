import { formatSat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { checkText } from '../../replies/check-replies.ts';
import { previewText } from '../../replies/wallet-replies.ts';
import type { Command } from '../command.ts';
import { parseToken } from './incoming-commands.ts';
import { parseAmount } from './wallet-arguments.ts';
import type { WalletCommandDeps } from './wallet-command-deps.ts';

/** `!wallet check`, `!wallet decode`, `!wallet alert`. */
export const upkeepCommands = ({ money }: WalletCommandDeps): readonly Command[] => [
  {
    path: 'wallet check',
    family: 'Wallet',
    summary: 'do the books add up, by the mints’ own records, too?',
    role: 'member',
    kind: 'lasting',
    repeatable: true,
    run: async (_, signal) => checkText(await (await money.wallet.settled(signal)).check(signal)),
  },
  {
    path: 'wallet decode',
    parameters: '<token>',
    family: 'Wallet',
    summary: 'what a token is, without using it or asking anybody',
    examples: ['!wallet decode cashuB…'],
    role: 'member',
    kind: 'immediate',
    run: ({ argument }) => {
      const wallet = money.wallet.wallet();
      return previewText(wallet.decode(parseToken(wallet, argument)));
    },
  },
  {
    path: 'wallet alert',
    parameters: '[sats|off]',
    family: 'Wallet',
    summary: 'tell admins when less than this is left',
    examples: ['!wallet alert 1000', '!wallet alert off'],
    role: 'admin',
    instead: '!wallet balance shows what is left whenever you ask.',
    kind: 'immediate',
    run: ({ argument }) => {
      const { wallet, threshold, setThreshold } = money.wallet;
      // There is nothing to be told of without one.
      wallet();
      if (/^(off|0)$/i.test(argument)) setThreshold(zeroSat);
      else if (argument !== '') setThreshold(parseAmount(argument));
      const now = threshold();
      return now === 0
        ? 'Admins are not told when the wallet runs low.'
        : `Admins are told once when less than ${formatSat(now)} are left.`;
    },
  },
];
