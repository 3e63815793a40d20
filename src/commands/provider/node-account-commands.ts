import type { RoutstrAccess } from '../../money/routstr-access.ts';
import type { Shares } from '../../money/shares.ts';
import { requireOwn, type WalletAccess } from '../../money/wallet-access.ts';
import {
  depositedText,
  depositRefusal,
  keptLine,
  nothingKept,
  nothingKeptForMembers,
  refundLine,
} from '../../replies/routstr/node-account-replies.ts';
import { type Command, RefusalError } from '../command.ts';
import { parseAmount } from '../wallet/wallet-arguments.ts';
import { inTime } from './in-time.ts';

export type NodeAccountCommandDeps = {
  readonly routstr: Pick<RoutstrAccess, 'provider' | 'budget'>;
  readonly purse: Pick<WalletAccess, 'settled'>;
  readonly accounts: Shares;
};

/** `!provider deposit`, `refund`, `balance`: money that is kept at a node across runs. */
export function nodeAccountCommands({
  routstr,
  purse,
  accounts,
}: NodeAccountCommandDeps): readonly Command[] {
  return [
    {
      path: 'provider deposit',
      parameters: '<sats>',
      family: 'Provider',
      summary: 'keep money at the node, for run after run',
      detail:
        'Runs spend from it while it covers their budget; then each has a budget of its own again. It saves the mint’s fees for every run, and the node holds the money meanwhile. !provider refund brings it home.',
      examples: ['!provider deposit 5000'],
      role: 'admin',
      instead:
        'Your tasks are paid without it too, each with a budget of its own. !provider balance shows what is kept.',
      kind: 'lasting',
      // The message's id is the deposit's: it is made once.
      repeatable: true,
      run: async ({ owner, message, argument, resumed }, signal) => {
        const amount = parseAmount(argument);
        await purse.settled(signal);
        // What an earlier life of the bot deposited has left the wallet already.
        if (!resumed) requireOwn(accounts, { owner }, amount);
        const request = { amount, key: message.id, owner: owner.publicKey };
        const result = await inTime(
          signal,
          routstr.provider().account.deposit(request, signal),
          'The deposit takes longer than I wait. It is looked after, and nothing is lost: see !provider balance before you send it again.',
        );
        if (result.state === 'refused') throw new RefusalError(depositRefusal(result.refusal));
        return { reply: depositedText(result, routstr.budget()) };
      },
    },
    {
      path: 'provider refund',
      parameters: '',
      family: 'Provider',
      summary: 'bring home what is kept at nodes',
      detail: 'From every node that has some, also when another provider or node is chosen now.',
      examples: ['!provider refund'],
      role: 'admin',
      instead:
        'The change of your own runs comes home by itself. !provider balance shows what is kept at nodes.',
      kind: 'lasting',
      repeatable: true,
      run: async ({ resumed }, signal) => {
        const wallet = await purse.settled(signal);
        const refunds = await inTime(
          signal,
          routstr.provider().account.refund(signal),
          'The node takes longer than I wait. It is asked again and again; you are told when the money is back.',
        );
        if (refunds.length === 0) {
          return { reply: resumed ? 'Nothing is kept at a node any more; all of it is home.' : nothingKept };
        }
        const { ready } = wallet.balance();
        return {
          reply: [...refunds.map(refundLine), `Balance: ${ready.toLocaleString('en-US')} sat.`].join('\n'),
        };
      },
    },
    {
      path: 'provider balance',
      parameters: '',
      family: 'Provider',
      summary: 'what is kept at nodes across runs, as they say it',
      examples: ['!provider balance'],
      role: 'member',
      kind: 'lasting',
      repeatable: true,
      run: async ({ owner }, signal) => {
        const balances = await routstr.provider().account.balance(signal);
        const nothing = owner.role === 'admin' ? nothingKept : nothingKeptForMembers;
        return { reply: balances.length === 0 ? nothing : balances.map(keptLine).join('\n') };
      },
    },
  ];
}
