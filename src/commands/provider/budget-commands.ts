import { formatSat } from '@nostr-dm-agent/kit/sat';
import { lines } from '../../replies/format.ts';
import { limitLine } from '../../replies/provider-replies.ts';
import { type Call, type Command, RefusalError } from '../command.ts';
import type { CommandDeps } from '../command-deps.ts';
import { parseAmount } from '../wallet/wallet-arguments.ts';
import { meansOf, warningOf } from './run-means.ts';

/** `!provider budget`, `!provider limit`: everybody sees them, admins set them. */
export const budgetCommands = (deps: CommandDeps): readonly Command[] => [
  {
    path: 'provider budget',
    parameters: '[sats]',
    family: 'Provider',
    summary: 'show or set the most that one run may spend',
    detail:
      'Admins set it. A run takes its budget out of the wallet before it begins, and what it does not spend comes back. For one run only: … !!500 at the end of the task.',
    examples: ['!provider budget 2000', '!provider budget'],
    role: 'member',
    kind: 'immediate',
    run: (call) => {
      const { owner, argument } = call;
      deps.money.wallet.wallet();
      if (argument !== '') {
        requireAdmin(call, 'budget', 'For less in one run, end the task with !!500.');
        deps.money.routstr.setBudget(parseAmount(argument));
      }
      const means = meansOf(deps, owner);
      const once = argument === '' ? ' For one run only: end the task with !!500.' : '';
      return lines(`Budget: ${formatSat(means.budget)} a run.${once}`, warningOf(means));
    },
  },
  {
    path: 'provider limit',
    parameters: '[<sats>/day|off]',
    family: 'Provider',
    summary: 'show or set the most that all runs of a day may spend together',
    detail:
      'Admins set it. What counts is what was spent since midnight (the host’s), and the budgets of runs that are not settled.',
    examples: ['!provider limit 10k/day', '!provider limit off', '!provider limit'],
    role: 'member',
    kind: 'immediate',
    run: (call) => {
      const { owner, argument } = call;
      const { wallet, routstr } = deps.money;
      wallet.wallet();
      if (argument !== '') {
        requireAdmin(call, 'limit', '!limit shows your own.');
        const amount = argument.replace(/\s*(?:\/|a\s|per\s)\s*day$/i, '');
        routstr.setDayLimit(/^(?:off|none)$/i.test(amount) ? undefined : parseAmount(amount));
      }
      return lines(limitLine(routstr.dayLimit(), routstr.usedToday()), warningOf(meansOf(deps, owner)));
    },
  },
];

function requireAdmin({ owner }: Call, what: string, instead: string): void {
  if (owner.role === 'admin') return;
  throw new RefusalError(
    `The ${what} is set by admins; !owners shows who is one. !provider status shows it. ${instead}`,
  );
}
