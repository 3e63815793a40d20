import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { KeyedLock } from '@nostr-dm-agent/kit/keyed-lock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import { newTypedId } from '@nostr-dm-agent/kit/typed-id';
import type { FurtherCheck } from './check-types.ts';
import type { Seed } from './crypto/seed.ts';
import type { Mints } from './mints/mint-sessions.ts';
import type { PaymentId } from './payment-requests/request-types.ts';
import type { Counters } from './store/counters.ts';
import type { KeptTokenStore } from './store/kept-tokens.ts';
import type { KeysetTable } from './store/keyset-table.ts';
import type { Journal } from './store/operation-journal.ts';
import type { PaymentStore } from './store/payment-store.ts';
import type { Proofs } from './store/proofs.ts';
import type { RequestStore } from './store/request-store.ts';
import type { Store } from './store/wallet-database.ts';
import { UnfinishedOperationError } from './wallet-errors.ts';
import type { Durability, MintUrl, OperationId, Redeemed } from './wallet-types.ts';

export type WalletPolicy = {
  readonly maxBalance: Sat;
  readonly maxTokenLength: number;
  readonly maxTokenProofs: number;
  /** How many proofs a mint takes in one request. */
  readonly maxInputs: number;
  /** More proofs than this are made fewer when nothing else is done, and it costs next to nothing. */
  readonly manyProofs: number;
  /** How long a request that was cut off may still be carried out by the mint: nothing is undone before. */
  readonly settleAfterMs: number;
  /** How long an invoice is asked about after it expired. */
  readonly watchExpiredMs: number;
  /** How long after one look at tokens that were just given away the next one comes, where the mint can't tell. */
  readonly claimPollMs: number;
  /** The most that a Lightning payment of this amount may reserve for fees. */
  readonly maxFeeReserve: (amount: Sat) => Sat;
  /** BOLT11 prefix of the network that the mints are on: `bc`; undefined accepts all (sandbox). */
  readonly network: string | undefined;
};

/** Moments between which everything is on disk. Tests end the process at each of them. */
export type Checkpoint =
  | `${'send' | 'receive' | 'mint' | 'melt'}:${'reserved' | 'prepared' | 'collided' | 'planned' | 'answered' | 'done'}`
  | `rename:${'compared' | 'done'}`
  | `payment:${'asked' | 'kept' | 'settled'}`;

/** How payers reach the wallet; whoever carries messages says it. */
export type Payee = {
  addressOf?: (publicKey: string) => string | undefined;
  onChange?: () => void;
};

/** NUT-13: how many numbers in a row may be unused before the end is believed, and how many are asked for at once. */
export type RestoreDepth = { readonly gap: number; readonly batch: number };

/** What the operations share. */
export type Core = {
  readonly store: Store;
  readonly proofs: Proofs;
  readonly journal: Journal;
  readonly kept: KeptTokenStore;
  readonly requests: RequestStore;
  readonly payments: PaymentStore;
  readonly payee: Payee;
  readonly mints: Mints;
  readonly counters: Counters;
  readonly depth: RestoreDepth;
  readonly keysets: KeysetTable;
  /** Mints that refused to have proofs made new, and until when (ms) they are left alone. */
  readonly restingUntil: Map<MintUrl, number>;
  /** Keysets whose next numbers were asked about in this life, and what they were then. */
  readonly looked: Map<string, 'active' | 'inactive'>;
  /** Those of packages that keep their books here. */
  readonly furtherChecks: FurtherCheck[];
  readonly seed: Seed;
  readonly policy: WalletPolicy;
  readonly clock: Clock;
  readonly log: Logger;
  /** One at a time for each mint: choosing proofs until what they become is known. */
  readonly mintLock: KeyedLock<MintUrl>;
  /** One at a time for each operation: whoever comes later finds it where the one before has left it. */
  readonly turns: KeyedLock<OperationId>;
  readonly paymentTurns: KeyedLock<PaymentId>;
  readonly reached: (checkpoint: Checkpoint) => void;
  /** Tells the listeners. Inside the transaction that books it. */
  readonly tellRedeemed: (redeemed: Redeemed) => void;
};

export const newOperationId = (): OperationId => newTypedId(10) as OperationId;

/**
 * Applies the mint's answer in one transaction. What cannot be written now (a full disk) is found again by recovery:
 * the operation is still open.
 *
 * @throws UnfinishedOperationError
 */
export function commit(core: Core, id: OperationId, work: () => void, durability: Durability = 'now'): void {
  try {
    core.store.write(work, durability);
  } catch (cause) {
    throw new UnfinishedOperationError(id, undefined, cause);
  }
}
