import { spendText } from '../replies/spend-replies.ts';
import { parseCount } from './arguments.ts';
import { afterBooks, type Command } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

/** `!spend`: what paid runs cost, by day, owner and model. */
export const spendCommand = ({ money, clock }: CommandDeps): Command => ({
  path: 'spend',
  parameters: '[days]',
  family: 'Owners',
  summary: 'spent per day, model and owner (default 7 days); members see their own',
  examples: ['!spend', '!spend 30'],
  role: 'member',
  ...afterBooks(money.routstr.settled, ({ owner, argument }) => {
    const days = parseCount(argument, 'number of days', 90, 7);
    const { ledger } = money.wallet.wallet();
    const today = new Date(clock.now());
    const since = new Date(today.getFullYear(), today.getMonth(), today.getDate() - days + 1).getTime();
    const own = owner.role === 'admin' ? undefined : owner.publicKey;
    return spendText(ledger.summary(since, own), days, owner);
  }),
});
