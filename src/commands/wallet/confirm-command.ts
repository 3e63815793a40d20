import type { CashuWallet, OperationId } from '@nostr-dm-agent/cashu-wallet';
import { MintError, OperationStateError, UnfinishedOperationError } from '@nostr-dm-agent/cashu-wallet';
import { formatSat } from '@nostr-dm-agent/kit/sat';
import { orPromise, promised, requireOwn, type WalletCommandDeps } from '../../money/wallet-access.ts';
import { describeWalletError } from '../../replies/wallet-error-replies.ts';
import { balanceLine, feeText, mintName, sentText } from '../../replies/wallet-replies.ts';
import type { ProposedAction } from '../../store/confirmations-table.ts';
import { type Call, type Command, type Outcome, RefusalError, UsageError } from '../command.ts';

type Action<Kind extends ProposedAction['kind']> = Extract<ProposedAction, { kind: Kind }>;

/** `!wallet confirm`: does what a code stands for. A code is used up by one message, which may begin again after a restart. */
export function confirmCommand(deps: WalletCommandDeps): Command {
  const { purse, confirmations, accounts, clock } = deps;
  return {
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
      orPromise(deps, call, async () => {
        const wallet = await purse.settled(signal);
        if (!/^\d{4}$/.test(call.argument)) throw new UsageError('A code is four digits.');
        const taken = confirmations.take(call.owner.publicKey, call.argument, call.message.id);
        switch (taken.state) {
          case 'unknown':
            throw new RefusalError('Nothing of yours waits for that code.');
          case 'expired':
            return {
              reply: 'That code has expired; nothing was done. Send the command again for a new one.',
            };
          case 'used':
            return { reply: 'That code has been used already; nothing was done now.' };
          case 'taken':
            // What an earlier life of the bot began may have left the wallet already.
            if (!call.resumed && taken.action.kind !== 'move')
              requireOwn(accounts, call, taken.action.amount);
            return act(wallet, taken.action, call, signal);
        }
      }),
  };

  function act(
    wallet: CashuWallet,
    action: ProposedAction,
    call: Call,
    signal: AbortSignal,
  ): Promise<Outcome> {
    switch (action.kind) {
      case 'send':
        return send(wallet, action, call, signal);
      case 'withdraw':
        return withdraw(wallet, action, call, signal);
      case 'move':
        return move(wallet, action, call, signal);
    }
  }

  async function send(
    wallet: CashuWallet,
    { amount, mint, key }: Action<'send'>,
    { owner }: Call,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const sent = await wallet.send({ amount, mint, key }, signal).catch((error: unknown) => {
      // Begun before a restart, and the mint is away now.
      const begun = wallet.operationFor(key);
      if (!(error instanceof MintError) || begun?.open !== true) throw error;
      throw new UnfinishedOperationError(begun.operation, undefined, error);
    });
    const token = wallet.handOver(sent.operation, owner.publicKey);
    return { reply: `${sentText(amount, sent.fee, wallet.balance())}\n\n${token}`, holdsToken: true };
  }

  async function withdraw(
    wallet: CashuWallet,
    { operation, amount }: Action<'withdraw'>,
    call: Call,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const result = await begun(operation, wallet.withdraw(operation, signal));
    if (result.state === 'pending') {
      const reply = `The payment of ${formatSat(amount)} is under way; Lightning can take long. The money stays reserved until it is known how it ended, and I tell you.`;
      return promised(deps, call, reply, operation);
    }
    return {
      reply: `Paid ${formatSat(result.amount)} (${feeText(result.fee)}). ${balanceLine(wallet.balance())}`,
    };
  }

  async function move(
    wallet: CashuWallet,
    { withdrawal, topUp, amount, mint }: Action<'move'>,
    call: Call,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const moved = await begun(withdrawal, wallet.move({ withdrawal, topUp }, signal)).catch(
      (error: unknown) => {
        // The payment may still go through, and the other side with it.
        if (!(error instanceof UnfinishedOperationError)) throw error;
        return error;
      },
    );
    if (moved instanceof Error) {
      return promised(deps, call, describeWalletError(moved, clock.now()), withdrawal, topUp);
    }
    if (moved.state === 'pending') {
      return promised(
        deps,
        call,
        `The ${formatSat(amount)} are on their way to ${mintName(mint)}; Lightning can take long. I tell you when they are there.`,
        withdrawal,
        topUp,
      );
    }
    if (moved.state === 'paid') {
      return promised(
        deps,
        call,
        `Paid (${feeText(moved.fee)}), and ${mintName(mint)} has not credited it yet. I go on asking and tell you.`,
        topUp,
      );
    }
    return {
      reply: `Moved ${formatSat(amount)} to ${mintName(mint)} (${feeText(moved.fee)}). ${balanceLine(wallet.balance())}`,
    };
  }
}

/** @throws UnfinishedOperationError also when an earlier life of the bot has begun it and nobody knows the end */
async function begun<T>(operation: OperationId, payment: Promise<T>): Promise<T> {
  try {
    return await payment;
  } catch (error) {
    if (error instanceof OperationStateError && error.state === 'prepared') {
      throw new UnfinishedOperationError(operation, undefined, error);
    }
    throw error;
  }
}
