import { formatSat, zeroSat } from '@nostr-dm-agent/kit/sat';
import type { WalletCommandDeps } from '../../money/wallet-access.ts';
import { checkText, mintName, previewText } from '../../replies/wallet-replies.ts';
import { type Command, RefusalError, UsageError } from '../command.ts';
import { parseToken } from './incoming-commands.ts';
import { parseAmount, parseMint } from './wallet-arguments.ts';

/** `!wallet check`, `!wallet decode`, `!wallet alert`, `!wallet mints`. */
export function upkeepCommands({ purse, accounts }: WalletCommandDeps): readonly Command[] {
  return [
    {
      path: 'wallet check',
      parameters: '',
      family: 'Wallet',
      summary: 'do the books add up, also with the mints’ own records?',
      examples: ['!wallet check'],
      role: 'member',
      kind: 'lasting',
      repeatable: true,
      run: async (_, signal) => ({ reply: checkText(await (await purse.settled(signal)).check(signal)) }),
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
        const wallet = purse.wallet();
        return { reply: previewText(wallet.decode(parseToken(wallet, argument))) };
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
        purse.wallet();
        if (/^(off|0)$/i.test(argument)) purse.setThreshold(zeroSat);
        else if (argument !== '') purse.setThreshold(parseAmount(argument));
        const now = purse.threshold();
        return {
          reply:
            now === 0
              ? 'Admins are not told when the wallet runs low.'
              : `Admins are told once when less than ${formatSat(now)} are left.`,
        };
      },
    },
    {
      path: 'wallet mints',
      parameters: '',
      family: 'Wallet',
      summary: 'the mints whose tokens are accepted',
      examples: ['!wallet mints'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner }) => {
        const wallet = purse.wallet();
        const { mints, defaultMint } = wallet.info();
        const { mints: holdings } = wallet.balance();
        // Where accounts are kept apart, what there is in all is not a member's business.
        const amountsShown = accounts.of(owner.publicKey)?.role !== 'member';
        const lines = mints.map((mint, index) => {
          const ready = holdings.find((part) => part.mint === mint)?.ready ?? zeroSat;
          return [
            `${index + 1}. ${mintName(mint)}`,
            ...(amountsShown ? [formatSat(ready)] : []),
            ...(mint === defaultMint ? ['default'] : []),
          ].join(' · ');
        });
        return { reply: lines.join('\n') };
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
      instead:
        '!wallet mints shows whose tokens are accepted; ask an admin to accept another mint (!owners).',
      kind: 'immediate',
      run: ({ argument }) => {
        if (argument === '') throw new UsageError('The address of the mint is missing.');
        const mint = purse.wallet().addMint(argument);
        purse.warmUp();
        return {
          reply: `Tokens of ${mintName(mint)} are accepted from now on. It holds the money behind them.`,
        };
      },
    },
    {
      path: 'wallet mints remove',
      parameters: '<url>',
      family: 'Wallet',
      summary: 'accept a mint no longer; what is there stays ours',
      examples: ['!wallet mints remove https://mint.example'],
      role: 'admin',
      instead: '!wallet mints shows whose tokens are accepted; ask an admin to take one out (!owners).',
      kind: 'immediate',
      run: ({ argument }) => {
        const wallet = purse.wallet();
        const mint = wallet.removeMint(parseMint(wallet, argument));
        if (wallet.info().mints.includes(mint)) {
          throw new RefusalError(
            'That mint is named in CASHU_MINT_URL or CASHU_MINTS, so it can only be taken out there, on the host.',
          );
        }
        const left = wallet.balance().mints.find((part) => part.mint === mint)?.ready ?? zeroSat;
        const rest = left === 0 ? '' : ` ${formatSat(left)} are still there: add it again to use them.`;
        return { reply: `Tokens of ${mintName(mint)} are not accepted any more.${rest}` };
      },
    },
  ];
}
