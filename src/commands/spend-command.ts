import type { CashuWallet } from '@nostr-dm-agent/cashu-wallet';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { spendText } from '../replies/spend-replies.ts';
import { parseCount } from './arguments.ts';
import type { Command } from './command.ts';

export type SpendCommandDeps = {
  /** @throws NoWalletError */
  readonly purse: { readonly wallet: () => CashuWallet };
  readonly clock: Clock;
};

/** `!spend`: what paid runs cost, by day, owner and model. */
export function spendCommand({ purse, clock }: SpendCommandDeps): Command {
  return {
    path: 'spend',
    parameters: '[days]',
    family: 'Owners',
    summary: 'spent per day, model and owner (default 7 days); members see their own',
    examples: ['!spend', '!spend 30'],
    role: 'member',
    kind: 'immediate',
    run: ({ owner, argument }) => {
      const days = parseCount(argument, 'number of days', 90, 7);
      const { ledger } = purse.wallet();
      const today = new Date(clock.now());
      const since = new Date(today.getFullYear(), today.getMonth(), today.getDate() - days + 1).getTime();
      const own = owner.role === 'admin' ? undefined : owner.publicKey;
      return { reply: spendText(ledger.summary(since, own), days, owner) };
    },
  };
}
