import type { OperationId, Overview, Pay, Spend } from '@nostr-dm-agent/cashu-wallet';
import { UnfinishedOperationError } from '@nostr-dm-agent/cashu-wallet';
import { formatSat } from '@nostr-dm-agent/kit/sat';
import { describeWalletError } from '../../replies/wallet-error-replies.ts';
import { balanceLine, feeText, mintName, sentText } from '../../replies/wallet-replies.ts';
import { replyTo } from '../../runs/messenger.ts';
import type { ProposedAction } from '../../store/confirmations-table.ts';
import { type Call, type Command, type Outcome, RefusalError, UsageError } from '../command.ts';
import { orAnnounceEnd, replyAndAnnounceEnd } from './announce-end.ts';
import { requireOwn } from './own-money.ts';
import type { WalletCommandDeps } from './wallet-command-deps.ts';

/** `!wallet confirm`: does what a code stands for. A code is used up by one message, which may begin again after a restart. */
export const confirmCommand = (deps: WalletCommandDeps): Command => ({
  path: 'wallet confirm',
  parameters: '<code>',
  family: 'Wallet',
  summary: 'do what the code was given for; the code alone does the same',
  examples: ['!wallet confirm 4821'],
  role: 'admin',
  instead:
    'Codes are for money that goes out. You can fill the wallet: !wallet topup <sats>, or paste a token.',
  kind: 'lasting',
  repeatable: true,
  run: (call, signal) =>
    orAnnounceEnd(deps, call, async () => {
      const { money, stores } = deps;
      const wallet = await money.wallet.settled(signal);
      if (!/^\d{4}$/.test(call.argument)) throw new UsageError('A code is four digits.');
      const taken = stores.confirmations.take(call.owner.publicKey, call.argument, call.message.id);
      switch (taken.state) {
        case 'unknown':
          throw new RefusalError('Nothing of yours is waiting for that code.');
        case 'expired':
          return 'That code has expired, so nothing was done. Send the command again for a new one.';
        case 'used':
          return 'That code was used already, so nothing was done.';
        case 'taken':
          // What an earlier life of the bot began may have left the wallet already.
          if (!call.resumed && taken.action.kind !== 'move')
            requireOwn(money.shares, call, taken.action.amount);
          return act({ deps, wallet, call, signal }, taken.action);
      }
    }),
});

/** What a confirmed command is carried out with. */
type Confirmed = {
  readonly deps: WalletCommandDeps;
  readonly wallet: Spend & Pay & Overview;
  readonly call: Call;
  readonly signal: AbortSignal;
};
type Action<Kind extends ProposedAction['kind']> = Extract<ProposedAction, { kind: Kind }>;

function act(confirmed: Confirmed, action: ProposedAction): Promise<Outcome> {
  switch (action.kind) {
    case 'send':
      return send(confirmed, action);
    case 'withdraw':
      return withdraw(confirmed, action);
    case 'move':
      return move(confirmed, action);
  }
}

async function send(
  { deps, wallet, call, signal }: Confirmed,
  { amount, mint, key }: Action<'send'>,
): Promise<Outcome> {
  const sent = await wallet.send({ amount, mint, key }, signal);
  const token = wallet.handOver(sent.operation, call.owner.publicKey);
  return {
    reply: `${sentText(amount, sent.fee, wallet.balance())} I’ll tell you when it is claimed.\n\n${token}`,
    holdsToken: true,
    commit: () => deps.money.wallet.announceEnd(sent.operation, replyTo(call.message), 'claim'),
  };
}

async function withdraw(
  { deps, wallet, call, signal }: Confirmed,
  { operation, amount }: Action<'withdraw'>,
): Promise<Outcome> {
  const result = await wallet.withdraw(operation, signal);
  if (result.state === 'pending') {
    const reply = `The payment of ${formatSat(amount)} is under way; Lightning can take long. The money stays reserved until it is known how it ended, and I’ll tell you when it has.`;
    return replyAndAnnounceEnd(deps, call, reply, operation);
  }
  return `Paid ${formatSat(result.amount)} (${feeText(result.fee)}). ${balanceLine(wallet.balance())}`;
}

async function move(
  { deps, wallet, call, signal }: Confirmed,
  { withdrawal, topUp, amount, mint }: Action<'move'>,
): Promise<Outcome> {
  const moved = await wallet.move({ withdrawal, topUp }, signal).catch((error: unknown) => {
    // The payment may still go through, and the other side with it.
    if (!(error instanceof UnfinishedOperationError)) throw error;
    return error;
  });
  const announce = (reply: string, ...operations: readonly OperationId[]) =>
    replyAndAnnounceEnd(deps, call, reply, ...operations);
  if (moved instanceof Error) {
    return announce(describeWalletError(moved, deps.clock.now()), withdrawal, topUp);
  }
  switch (moved.state) {
    case 'pending':
      return announce(
        `The ${formatSat(amount)} are on their way to ${mintName(mint)}; Lightning can take long. I’ll tell you when they are there.`,
        withdrawal,
        topUp,
      );
    case 'paid':
      return announce(
        `Paid (${feeText(moved.fee)}), and ${mintName(mint)} has not credited it yet. I keep asking and will tell you.`,
        topUp,
      );
    case 'moved':
      return `Moved ${formatSat(amount)} to ${mintName(mint)} (${feeText(moved.fee)}). ${balanceLine(wallet.balance())}`;
  }
}
