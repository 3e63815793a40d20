import type { CashuWallet, OperationId } from '@nostr-dm-agent/cashu-wallet';
import { MintError, UnfinishedOperationError } from '@nostr-dm-agent/cashu-wallet';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { Recipient } from '@nostr-dm-agent/nostr';
import type { RoutstrProvider } from '@nostr-dm-agent/routstr';
import { type Call, type Outcome, RefusalError } from '../commands/command.ts';
import { recipientOf } from '../commands/recipient.ts';
import { describeWalletError } from '../replies/wallet-error-replies.ts';
import type { Confirmations } from '../store/confirmations-table.ts';
import type { Shares } from './shares.ts';

/** The bot's wallet, with what keeps it going (`wallet-keeper.ts`). */
export type WalletAccess = {
  /** For what is read from disk. @throws NoWalletError */
  readonly wallet: () => CashuWallet;
  /** For what moves money: once everything that an earlier life left open has been looked at. @throws NoWalletError */
  readonly settled: (signal: AbortSignal) => Promise<CashuWallet>;
  /** Lets somebody know how an operation ends. To be part of the transaction that stores the promise. */
  readonly promise: (operation: OperationId, to: Recipient) => void;
  /** Learns the keysets of new mints, behind. */
  readonly warmUp: () => void;
  /** Admins are told when less than this is left; zero: never. */
  readonly threshold: () => Sat;
  readonly setThreshold: (amount: Sat) => void;
};

/** The part of `RoutstrProvider` that says what nodes owe. */
type AtNodes = Pick<RoutstrProvider, 'owed'> & {
  readonly paidRuns: Pick<RoutstrProvider['paidRuns'], 'open'>;
};

export type WalletCommandDeps = {
  readonly purse: WalletAccess;
  /** What nodes have of the wallet's money. */
  readonly routstr: { readonly provider: () => AtNodes };
  readonly confirmations: Confirmations;
  /** What is each owner's, where accounts are kept apart. */
  readonly accounts: Shares;
  readonly clock: Clock;
};

/**
 * Where accounts are kept apart, what other owners brought in is not for an admin to send away. Asked when he is given a
 * code, and again when he sends it: several codes may wait for the same money.
 * @throws RefusalError
 */
export function requireOwn(accounts: Shares, { owner }: Pick<Call, 'owner'>, amount: Sat): void {
  const available = accounts.of(owner.publicKey)?.available;
  if (available === undefined || amount <= available) return;
  throw new RefusalError(
    `Yours to spend: ${formatSat(available)}. The rest was brought in by other owners, and BOT_ACCOUNTS=separate keeps it for them. Whoever runs the bot can send it on the host: bun run wallet.`,
  );
}

/** An answer that promises to say how an operation ends. */
export const promised = (
  { purse }: Pick<WalletCommandDeps, 'purse'>,
  call: Call,
  reply: string,
  ...operations: readonly OperationId[]
): Outcome => ({
  reply,
  commit: () => {
    for (const operation of operations) purse.promise(operation, recipientOf(call.message));
  },
});

/**
 * What was begun and cannot be finished now is said, and its outcome is told when it is known.
 *
 * @param begun the operation that an earlier try had begun, when the mint is away and the wallet cannot say it
 */
export async function orPromise(
  deps: Pick<WalletCommandDeps, 'purse' | 'clock'>,
  call: Call,
  work: () => Promise<Outcome>,
  begun: () => OperationId | undefined = () => undefined,
): Promise<Outcome> {
  try {
    return await work();
  } catch (cause) {
    const operation = cause instanceof MintError ? begun() : undefined;
    const error = operation === undefined ? cause : new UnfinishedOperationError(operation, undefined, cause);
    if (!(error instanceof UnfinishedOperationError)) throw error;
    return promised(deps, call, describeWalletError(error, deps.clock.now()), error.operation);
  }
}
