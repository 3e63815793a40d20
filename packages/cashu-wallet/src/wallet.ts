import { join } from 'node:path';
import { type Clock, systemClock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { type Checkpoint, type Core, createKeyedLock, type WalletPolicy } from './core.ts';
import type { Seed } from './crypto/seed.ts';
import { MintError, SpentElsewhereError } from './errors.ts';
import type { CashuWallet, KeptTokens, MintList, Overview, Pay, Receive, Spend, Upkeep } from './faces.ts';
import { requestInvoice } from './mints/lnurl.ts';
import { createMints } from './mints/mints.ts';
import type { RequestLimits } from './mints/request.ts';
import { faceOf, previewToken } from './mints/token.ts';
import { check } from './operations/check.ts';
import { quoteWithdrawal, withdraw } from './operations/melt.ts';
import { claimTopUp, requestTopUp } from './operations/mint.ts';
import { move, quoteMove } from './operations/move.ts';
import { receiveToken } from './operations/receive-token.ts';
import { reclaim } from './operations/reclaim.ts';
import { recover, revive } from './operations/recovery.ts';
import { redeemKept } from './operations/redeem-kept.ts';
import { type RestoreDepth, restore } from './operations/restore.ts';
import { confirmClaimed, handOver, quoteSend, send } from './operations/send.ts';
import { watchTopUp } from './operations/watch.ts';
import { createCounters } from './store/counters.ts';
import { openExtension } from './store/extension.ts';
import { readBalance } from './store/holdings.ts';
import { createJournal } from './store/journal.ts';
import { createKeptTokenStore } from './store/kept-tokens.ts';
import { createLedger } from './store/ledger.ts';
import { createProofs } from './store/proofs.ts';
import { createShares } from './store/shares.ts';
import { openStore, type Store } from './store/store.ts';
import type { MintUrl, Redeemed } from './types.ts';

export type CashuWalletOptions = {
  readonly seed: Seed;
  /** `CASHU_WALLET_DIR`; the file in it is named after the seed's fingerprint. */
  readonly directory: string;
  readonly defaultMint: MintUrl;
  /** Further mints that are accepted. */
  readonly mints: readonly MintUrl[];
  readonly maxBalance: Sat;
  /** BOLT11 prefix of the invoices that may be paid: `bc`; undefined accepts every network (sandbox, tests). */
  readonly network: string | undefined;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly limits?: RequestLimits;
  readonly policy?: Partial<WalletPolicy>;
  readonly restoreDepth?: RestoreDepth;
  /** Told between the steps of every operation; for tests that end the process there. */
  readonly onCheckpoint?: (checkpoint: Checkpoint) => void;
};

/**
 * Opens the Cashu wallet of these words. Reaches no mint; `recover` is to be called before anything else.
 *
 * @throws WalletInUseError, DatabaseTooNewError
 */
export function openCashuWallet(options: CashuWalletOptions): CashuWallet {
  const store = openStore(join(options.directory, `${options.seed.fingerprint}.db`));
  const listeners = new Set<(redeemed: Redeemed) => void>();
  const core = createCore(options, store, (redeemed) => {
    for (const listener of listeners) listener(redeemed);
  });
  return {
    ...spendFace(core),
    ...payFace(core),
    ...receiveFace(core),
    ...keptTokensFace(core, listeners),
    ...overviewFace(core),
    ...mintListFace(core),
    ...upkeepFace(core, options.restoreDepth ?? { gap: 300, batch: 100 }),
    ledger: createLedger(store),
    shares: createShares(store),
    transaction: store.write,
    extension: (name, migrations) => openExtension(store, name, migrations),
  };
}

function createCore(
  options: CashuWalletOptions,
  store: Store,
  tellRedeemed: (redeemed: Redeemed) => void,
): Core {
  const { seed, log, defaultMint, clock = systemClock } = options;
  return {
    store,
    seed,
    clock,
    log,
    proofs: createProofs(store, clock),
    journal: createJournal(store, clock),
    kept: createKeptTokenStore(store, clock),
    mints: createMints({
      store,
      seed,
      counters: createCounters(store),
      clock,
      log,
      limits: options.limits ?? { timeoutMs: 15_000, meltTimeoutMs: 90_000 },
      defaultMint,
      configured: options.mints,
    }),
    policy: {
      maxBalance: options.maxBalance,
      maxTokenLength: 64 * 1024,
      maxTokenProofs: 200,
      // Longer than the longest request can take.
      settleAfterMs: 120_000,
      watchExpiredMs: 24 * 3_600_000,
      maxFeeReserve: (amount) => sat(Math.max(10, Math.ceil(amount * 0.03))),
      network: options.network,
      ...options.policy,
    },
    mintLock: createKeyedLock(),
    turns: createKeyedLock(),
    reached: options.onCheckpoint ?? (() => undefined),
    tellRedeemed,
  };
}

const spendFace = (core: Core): Spend => ({
  quoteSend: (request, signal) => quoteSend(core, request, signal),
  async send(request, signal) {
    try {
      return await send(core, request, signal);
    } catch (error) {
      if (error instanceof SpentElsewhereError) {
        await revive(core, error.operation, signal).catch((cause: unknown) =>
          core.log.warn(
            { operation: error.operation, error: cause },
            'undone operations could not be looked at again',
          ),
        );
      }
      throw error;
    }
  },
  handOver: (id, to) => handOver(core, id, to),
  operationFor: (key) => core.journal.byKey(key),
  confirmClaimed: (id) => confirmClaimed(core, id),
  reclaim: (id, signal) => reclaim(core, id, signal),
});

const payFace = (core: Core): Pay => ({
  quoteWithdrawal: ({ invoice, mint = core.mints.defaultMint }, signal) =>
    quoteWithdrawal(core, invoice, mint, signal),
  requestInvoice: (address, amount, signal) =>
    requestInvoice(
      address,
      amount,
      { network: core.policy.network, now: core.clock.now(), loopback: core.policy.network === undefined },
      signal,
    ),
  withdraw: (id, signal) => withdraw(core, id, signal),
  quoteMove: ({ amount, from = core.mints.defaultMint, to }, signal) =>
    quoteMove(core, { amount, from, to }, signal),
  move: (operations, signal) => move(core, operations, signal),
});

const receiveFace = (core: Core): Receive => ({
  decode: (token) => previewToken(core, token),
  receive: (text, options, signal) => receiveToken(core, text, options, signal),
  topUp: ({ amount, mint = core.mints.defaultMint, owner }, signal) =>
    requestTopUp(core, amount, mint, signal, owner),
  claimTopUp: (id, signal) => claimTopUp(core, id, signal),
  watchTopUp: (id, signal) => watchTopUp(core, id, signal),
});

const keptTokensFace = (core: Core, listeners: Set<(redeemed: Redeemed) => void>): KeptTokens => ({
  keep: (token, source) => {
    const text = token.trim();
    return core.kept.keep(text, source, faceOf(core, text));
  },
  redeem: (id, signal) => redeemKept(core, id, signal),
  onRedeemed(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
});

const overviewFace = (core: Core): Overview => ({
  info: () => ({
    fingerprint: core.seed.fingerprint,
    file: core.store.db.filename,
    defaultMint: core.mints.defaultMint,
    mints: core.mints.accepted(),
    maxBalance: core.policy.maxBalance,
  }),
  balance: () => readBalance(core),
  operation: (id) => core.journal.find(id),
  operations: ({ limit, unfinished, owner }) =>
    unfinished === true ? core.journal.unfinished(limit, owner) : core.journal.latest(limit, owner),
});

const mintListFace = ({ mints, log }: Core): MintList => ({
  acceptedMint: mints.find,
  addMint(text) {
    const url = mints.parse(text);
    mints.setAccepted(url, true);
    return url;
  },
  removeMint(text) {
    const url = mints.require(text);
    mints.setAccepted(url, false);
    return url;
  },
  async warmUp(signal) {
    await Promise.all(
      mints.accepted().map((mint) =>
        mints.open(mint, signal).catch((error: unknown) => {
          if (!(error instanceof MintError) || signal.aborted) throw error;
          log.warn({ mint, problem: error.problem.kind }, 'a mint could not be asked for its keysets');
        }),
      ),
    );
  },
});

const upkeepFace = (core: Core, depth: RestoreDepth): Upkeep => ({
  recover: (signal, scope = 'all') => recover(core, scope, signal),
  check: (signal) => check(core, signal),
  restore: (signal) => restore(core, depth, signal),
  backup: core.store.backup,
  close: core.store.close,
});
