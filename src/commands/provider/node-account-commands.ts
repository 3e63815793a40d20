import { formatSat } from '@nostr-dm-agent/kit/sat';
import { lines } from '../../replies/format.ts';
import {
  depositedText,
  depositRefusal,
  keptLine,
  nothingKept,
  nothingKeptForMembers,
  refundLine,
} from '../../replies/routstr/node-account-replies.ts';
import { type Command, RefusalError } from '../command.ts';
import type { CommandDeps } from '../command-deps.ts';
import { requireOwn } from '../wallet/own-money.ts';
import { parseAmount } from '../wallet/wallet-arguments.ts';
import { inTime } from './in-time.ts';

/** `!provider deposit`, `refund`, `balance`: money that is kept at a node across runs. */
export const nodeAccountCommands = ({ money }: CommandDeps): readonly Command[] => [
  {
    path: 'provider deposit',
    parameters: '<sats>',
    family: 'Provider',
    summary: 'keep money at the node, for run after run',
    detail:
      'Runs spend from it while it covers their budget; then each has a budget of its own again. It saves the mint’s fees for every run, and the node holds the money meanwhile. !provider refund brings it back.',
    examples: ['!provider deposit 5000'],
    role: 'admin',
    instead:
      'Your tasks are paid without it too, each with a budget of its own. !provider balance shows what is kept.',
    kind: 'lasting',
    // The message's id is the deposit's: it is made once.
    repeatable: true,
    run: async ({ owner, message, argument, resumed }, signal) => {
      const { wallet, routstr, shares } = money;
      const amount = parseAmount(argument);
      await wallet.settled(signal);
      // What an earlier life of the bot deposited has left the wallet already.
      if (!resumed) requireOwn(shares, { owner }, amount);
      const request = { amount, key: message.id, owner: owner.publicKey };
      const result = await inTime(
        signal,
        routstr.provider().account.deposit(request, signal),
        'The deposit takes longer than I wait for. I keep at it, and nothing is lost: see !provider balance before you send it again.',
      );
      if (result.state === 'refused') throw new RefusalError(depositRefusal(result.refusal));
      return depositedText(result, routstr.budget());
    },
  },
  {
    path: 'provider refund',
    family: 'Provider',
    summary: 'bring home what is kept at nodes',
    detail: 'From every node that has some, also when another provider or node is chosen now.',
    role: 'admin',
    instead:
      'The change of your own runs comes back by itself. !provider balance shows what is kept at nodes.',
    kind: 'lasting',
    repeatable: true,
    run: async ({ resumed }, signal) => {
      const wallet = await money.wallet.settled(signal);
      const refunds = await inTime(
        signal,
        money.routstr.provider().account.refund(signal),
        'The node takes longer than I wait for; I keep asking. You will be told when the money is back.',
      );
      if (refunds.length > 0) {
        return lines(refunds.map(refundLine), `Balance: ${formatSat(wallet.balance().ready)}.`);
      }
      return resumed ? 'Nothing is kept at a node any more; all of it is back.' : nothingKept;
    },
  },
  {
    path: 'provider balance',
    family: 'Provider',
    summary: 'what is kept at nodes across runs, as they say it',
    role: 'member',
    kind: 'lasting',
    repeatable: true,
    run: async ({ owner }, signal) => {
      const balances = await money.routstr.provider().account.balance(signal);
      if (balances.length > 0) return lines(balances.map(keptLine));
      return owner.role === 'admin' ? nothingKept : nothingKeptForMembers;
    },
  },
];
