import { closest } from 'fastest-levenshtein';
import { balanceText, ledgerLine, operationLine } from '../../replies/wallet.ts';
import { describeTrouble } from '../../replies/wallet-errors.ts';
import { formatSat, zeroSat } from '../../sat.ts';
import { parseCount } from '../arguments.ts';
import { type Command, UsageError } from '../types.ts';
import type { WalletCommandDeps } from './deps.ts';

/** `!wallet`, `!wallet balance`, `!wallet history`, `!wallet pending`. `names`: of all wallet commands. */
export function overviewCommands(
  { purse, clock }: WalletCommandDeps,
  names: () => readonly string[],
): readonly Command[] {
  return [
    {
      path: 'wallet',
      parameters: '',
      family: 'Wallet',
      summary: 'what is in the wallet, and the ways in and out',
      examples: ['!wallet'],
      role: 'member',
      kind: 'immediate',
      run: ({ argument }) => {
        if (argument !== '') {
          const [word = ''] = argument.toLowerCase().split(/\s+/);
          throw new UsageError(
            `There is no such wallet command. Did you mean !${closest(`wallet ${word}`, [...names()])}?`,
          );
        }
        const ways = 'In: paste a token, or !wallet topup <sats>. Out: !wallet send, !wallet withdraw.';
        return { reply: `${balanceText(purse.wallet().balance())}\n${ways} More: !help wallet` };
      },
    },
    {
      path: 'wallet balance',
      parameters: '',
      family: 'Wallet',
      summary: 'ready, reserved, on its way; per mint if several',
      examples: ['!wallet balance'],
      role: 'member',
      kind: 'immediate',
      run: () => ({ reply: balanceText(purse.wallet().balance()) }),
    },
    {
      path: 'wallet history',
      parameters: '[n]',
      family: 'Wallet',
      summary: 'the last paid runs and wallet operations (default 10)',
      detail: 'Of each run: when, what it spent of its budget, what came back, fees, model, task.',
      examples: ['!wallet history', '!wallet history 30'],
      role: 'member',
      kind: 'immediate',
      run: ({ argument }) => {
        const limit = parseCount(argument, 'number of entries', 50, 10);
        const wallet = purse.wallet();
        const now = clock.now();
        const runs = wallet.ledger.latest(limit).map((entry) => ledgerLine(entry, now));
        const today = wallet.ledger.spentSince(new Date(now).setHours(0, 0, 0, 0));
        const ever = runs.length === 0 ? zeroSat : wallet.ledger.spentSince(0);
        const operations = wallet.operations({ limit }).map((operation) => operationLine(operation, now));
        return {
          reply: [
            ...(runs.length === 0
              ? ['There were no paid runs yet.']
              : [...runs, `Spent today ${formatSat(today)}, in all ${formatSat(ever)}.`]),
            '',
            ...(operations.length === 0
              ? ['The wallet has done nothing yet. !wallet topup <sats> fills it.']
              : ['The wallet itself:', ...operations]),
          ].join('\n'),
        };
      },
    },
    {
      path: 'wallet pending',
      parameters: '',
      family: 'Wallet',
      summary: 'what is open: unclaimed tokens, unpaid invoices, payments under way',
      examples: ['!wallet pending'],
      role: 'member',
      kind: 'immediate',
      run: () => {
        const open = purse.wallet().operations({ limit: 50, unfinished: true });
        if (open.length === 0) return { reply: 'Nothing is open.' };
        const now = clock.now();
        const lines = open.map((operation) =>
          operation.trouble === undefined
            ? operationLine(operation, now)
            : `${operationLine(operation, now)}\n  ${describeTrouble(operation.trouble)}.`,
        );
        const tokens = open.some(({ kind, open: unknown }) => kind === 'send' && !unknown);
        return {
          reply: [...lines, ...(tokens ? ['!wallet reclaim <id> takes a token back.'] : [])].join('\n'),
        };
      },
    },
  ];
}
