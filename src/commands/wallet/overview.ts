import { closest } from 'fastest-levenshtein';
import { openRunLine, owedLines, showsTask } from '../../replies/provider.ts';
import { balanceText, ledgerLine, operationLine } from '../../replies/wallet.ts';
import { describeTrouble } from '../../replies/wallet-errors.ts';
import { formatSat, zeroSat } from '../../sat.ts';
import type { OperationSummary } from '../../wallets/types.ts';
import { parseCount } from '../arguments.ts';
import { type Command, UsageError } from '../types.ts';
import type { WalletCommandDeps } from './deps.ts';

/** `!wallet`, `!wallet balance`, `!wallet history`, `!wallet pending`. `names`: of all wallet commands. */
export function overviewCommands(
  { purse, routstr, clock }: WalletCommandDeps,
  names: () => readonly string[],
): readonly Command[] {
  const holdings = (): string =>
    [balanceText(purse.wallet().balance()), ...owedLines(routstr.provider().owed())].join('\n');
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
        return { reply: `${holdings()}\n${ways} More: !help wallet` };
      },
    },
    {
      path: 'wallet balance',
      parameters: '',
      family: 'Wallet',
      summary: 'ready, reserved, on its way, owed by nodes; per mint if several',
      examples: ['!wallet balance'],
      role: 'member',
      kind: 'immediate',
      run: () => ({ reply: holdings() }),
    },
    {
      path: 'wallet history',
      parameters: '[n]',
      family: 'Wallet',
      summary: 'the last paid runs and wallet operations (default 10)',
      detail:
        'Of each run: when, task, model, and its budget, which is what it spent, what came back and the mint’s fees. Below, what the wallet did beside the runs.',
      examples: ['!wallet history', '!wallet history 30'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner, argument }) => {
        const limit = parseCount(argument, 'number of entries', 50, 10);
        const wallet = purse.wallet();
        const now = clock.now();
        const runs = wallet.ledger
          .latest(limit)
          .map((entry) => ledgerLine(entry, now, showsTask(owner, entry.owner)));
        const today = wallet.ledger.spentSince(new Date(now).setHours(0, 0, 0, 0));
        const ever = runs.length === 0 ? zeroSat : wallet.ledger.spentSince(0);
        // Budgets and change stand in the runs' own lines.
        const operations = wallet
          .operations({ limit: looked })
          .filter((operation) => runOf(operation) === undefined)
          .slice(0, limit)
          .map((operation) => operationLine(operation, now));
        return {
          reply: [
            ...(runs.length === 0
              ? ['There were no paid runs yet.']
              : [...runs, `Spent today ${formatSat(today)}, in all ${formatSat(ever)}, fees included.`]),
            ...(operations.length > 0
              ? ['', 'The wallet itself:', ...operations]
              : runs.length > 0
                ? []
                : ['', 'The wallet has done nothing yet. !wallet topup <sats> fills it.']),
          ].join('\n'),
        };
      },
    },
    {
      path: 'wallet pending',
      parameters: '',
      family: 'Wallet',
      summary: 'what is open: unclaimed tokens, unpaid invoices, payments and paid runs under way',
      examples: ['!wallet pending'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner }) => {
        const now = clock.now();
        const wallet = purse.wallet();
        const runs = routstr.provider().paidRuns.open();
        const ofRuns = new Set(runs.map(({ id }) => id));
        const open = wallet
          .operations({ limit: 50, unfinished: true })
          .filter((operation) => !ofRuns.has(runOf(operation) ?? ''));
        const lines = open.map((operation) =>
          operation.trouble === undefined
            ? operationLine(operation, now)
            : `${operationLine(operation, now)}\n  ${describeTrouble(operation.trouble)}.`,
        );
        const tokens = open.some(({ kind, open: unknown }) => kind === 'send' && !unknown);
        const reply = [
          ...lines,
          ...(tokens ? ['!wallet reclaim <id> takes a token back.'] : []),
          ...(runs.length > 0 ? ['Paid runs:', ...runs.map((run) => openRunLine(run, now, owner))] : []),
        ];
        return { reply: reply.length === 0 ? 'Nothing is open.' : reply.join('\n') };
      },
    },
  ];
}

/** So many operations are looked through to find those that belong to no run. */
const looked = 500;

/** The paid run that an operation belongs to, as its note says. */
const runOf = ({ note }: OperationSummary): string | undefined =>
  /^(?:change of )?run (\S+)$/.exec(note ?? '')?.[1];
