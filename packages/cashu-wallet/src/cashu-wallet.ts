import { join } from 'node:path';
import { type Clock, systemClock } from '@nostr-dm-agent/kit/clock';
import { createKeyedLock } from '@nostr-dm-agent/kit/keyed-lock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { Seed } from './crypto/seed.ts';
import type { CashuWallet } from './faces.ts';
import { readInvoice } from './mints/invoice.ts';
import { requestInvoice } from './mints/lnurl.ts';
import { createMintList, readMintUrl } from './mints/mint-list.ts';
import { createMintMemory } from './mints/mint-memory.ts';
import { createMints } from './mints/mint-sessions.ts';
import type { RequestLimits } from './mints/mint-transport.ts';
import { faceOf, previewToken } from './mints/read-token.ts';
import { askedTopUps } from './operations/asked-top-ups.ts';
import { check } from './operations/check-books.ts';
import { withoutGone } from './operations/gone-keysets.ts';
import { lookBeforeUse } from './operations/look-ahead.ts';
import { withdraw } from './operations/melt.ts';
import { quoteWithdrawal } from './operations/melt-quote.ts';
import { claimTopUp, topUp } from './operations/mint.ts';
import { move, quoteMove } from './operations/move.ts';
import { found, foundTold } from './operations/older.ts';
import { quotePayment } from './operations/pay-to.ts';
import { receiveToken } from './operations/receive-token.ts';
import { keptState, redeemKept } from './operations/redeem-kept.ts';
import { renameMint } from './operations/rename-mint.ts';
import { recoverPutBack, restore } from './operations/restore.ts';
import { revive } from './operations/revive.ts';
import { quoteSend, send } from './operations/send.ts';
import { confirmClaimed, handOver } from './operations/sent-token.ts';
import { reclaim } from './operations/take-back.ts';
import { ending, tidy } from './operations/tidy.ts';
import { watchClaims } from './operations/watch-claims.ts';
import { watchTopUp } from './operations/watch-top-up.ts';
import { createPaymentRequests, isPaidAsEcash } from './payment-requests/payment-requests.ts';
import { createShares } from './store/brought-in.ts';
import { createCounters } from './store/counters.ts';
import { signatureOf, signDatabase, whoseDatabase } from './store/fingerprint.ts';
import { readBalance } from './store/holdings.ts';
import { createKeptTokenStore } from './store/kept-tokens.ts';
import { createKeysetTable } from './store/keyset-table.ts';
import { createLedger } from './store/ledger.ts';
import { createJournal } from './store/operation-journal.ts';
import { createPaymentStore } from './store/payment-store.ts';
import { createProofs } from './store/proofs.ts';
import { createRequestStore } from './store/request-store.ts';
import { openExtension } from './store/table-extension.ts';
import { openStore, type Store } from './store/wallet-database.ts';
import type { Checkpoint, Core, RestoreDepth, WalletPolicy } from './wallet-core.ts';
import { CopyRefusedError, MintError, SpentElsewhereError } from './wallet-errors.ts';
import type { KeptTokenId, MintUrl, Redeemed, SendRequest, SentToken } from './wallet-types.ts';

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
  /** Its words are sealed: its database is to be, too. Default: as the database is. */
  readonly sealed?: boolean;
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
 * @throws WalletInUseError, DatabaseTooNewError, CopyRefusedError when the file says that it is of other words
 */
export function openCashuWallet(options: CashuWalletOptions): CashuWallet {
  const file = join(options.directory, `${options.seed.fingerprint}.db`);
  const store = openSigned(file, options.seed);
  if (options.sealed === true && !store.atRest.isSealed()) sealOrClose(store);
  const listeners = new Set<(redeemed: Redeemed) => void>();
  const core = createCore(options, store, (redeemed) => {
    for (const listener of listeners) listener(redeemed);
  });
  const { mints, journal, policy } = core;
  return {
    ...withCore(core, {
      ...{ quoteSend, send: sendOrRevive, handOver, confirmClaimed, watchClaims, reclaim },
      ...{ quoteWithdrawal, quotePayment, requestInvoice, withdraw, quoteMove, move },
      ...{ decode: previewToken, receive: receiveToken, topUp, claimTopUp, watchTopUp },
      ...{ keep, keptState, redeem: redeemKept, balance: readBalance, warmUp, check },
      ...{ recover: recoverPutBack, renameMint, restore, found, foundTold, ending, askedTopUps },
    }),
    readInvoice,
    operationFor: journal.byKey,
    operation: journal.find,
    operations: ({ limit, unfinished, owner }) =>
      unfinished === true
        ? journal.unfinished(limit, owner).filter((head) => !isPaidAsEcash(core, head))
        : journal.latest(limit, owner),
    info: () => ({
      fingerprint: options.seed.fingerprint,
      file,
      defaultMint: mints.defaultMint,
      mints: mints.accepted(),
      moved: mints.names.all().filter(({ before }) => mints.configured().includes(before)),
      maxBalance: policy.maxBalance,
    }),
    acceptedMint: mints.find,
    addMint: (text) => mints.setAccepted(readMintUrl(text), true),
    removeMint(text) {
      const mint = mints.require(text);
      if (mints.configured().map(mints.names.today).includes(mint))
        throw new MintError(mint, { kind: 'configured' });
      return mints.setAccepted(mint, false);
    },
    onRedeemed(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ledger: createLedger(store),
    shares: createShares(store),
    requests: createPaymentRequests(core),
    transaction: store.write,
    extension: (name, migrations, secrets) => openExtension(store, name, migrations, secrets),
    atRest: store.atRest,
    addCheck: (check) => void core.furtherChecks.push(check),
    backup: store.backup,
    close: store.close,
  };
}

function sealOrClose(store: Store): void {
  try {
    store.atRest.turn(true);
  } catch (cause) {
    store.close();
    throw cause;
  }
}

function openSigned(file: string, seed: Seed): Store {
  const store = openStore(file, seed);
  try {
    if (signatureOf(store.db) === undefined) store.write(() => signDatabase(store.db, seed));
    else if (whoseDatabase(store.db, seed) === 'others')
      throw new CopyRefusedError(file, { kind: 'other-words' });
    return store;
  } catch (cause) {
    store.close();
    throw cause;
  }
}

/** The same functions without their first argument. */
function withCore<Fs extends Record<string, (core: Core, ...rest: never[]) => unknown>>(
  core: Core,
  functions: Fs,
) {
  type Bound<F> = F extends (core: Core, ...rest: infer Rest) => infer Result
    ? (...rest: Rest) => Result
    : never;
  return Object.fromEntries(
    Object.entries(functions).map(([name, work]) => [name, work.bind(undefined, core)]),
  ) as { readonly [Name in keyof Fs]: Bound<Fs[Name]> };
}

function createCore(
  options: CashuWalletOptions,
  store: Store,
  tellRedeemed: (redeemed: Redeemed) => void,
): Core {
  const { seed, log, defaultMint, clock = systemClock } = options;
  const maxInputs = options.policy?.maxInputs ?? 1000;
  const counters = createCounters(store);
  const core: Core = {
    store,
    seed,
    clock,
    log,
    proofs: createProofs(store, clock),
    journal: createJournal(store, clock),
    kept: createKeptTokenStore(store, clock),
    requests: createRequestStore(store, clock),
    payments: createPaymentStore(store, clock),
    payee: {},
    mints: createMints({
      seed,
      counters,
      beforeNumbers: (session, mint) => lookBeforeUse(core, session, mint),
      clock,
      log,
      limits: options.limits ?? { timeoutMs: 15_000, meltTimeoutMs: 90_000 },
      list: createMintList(store, defaultMint, options.mints),
      memory: createMintMemory(store, clock, log),
      maxInputs,
    }),
    policy: {
      maxBalance: options.maxBalance,
      maxTokenLength: 64 * 1024,
      maxTokenProofs: 200,
      maxInputs,
      manyProofs: 200,
      // Longer than the longest request can take.
      settleAfterMs: 120_000,
      watchExpiredMs: 24 * 3_600_000,
      claimPollMs: 5_000,
      maxFeeReserve: (amount) => sat(Math.max(10, Math.ceil(amount * 0.03))),
      network: options.network,
      ...options.policy,
    },
    counters,
    depth: options.restoreDepth ?? { gap: 300, batch: 100 },
    keysets: createKeysetTable(store, clock),
    restingUntil: new Map(),
    looked: new Map(),
    furtherChecks: [],
    mintLock: createKeyedLock(),
    turns: createKeyedLock(),
    paymentTurns: createKeyedLock(),
    reached: options.onCheckpoint ?? (() => undefined),
    tellRedeemed,
  };
  return core;
}

async function sendOrRevive(core: Core, request: SendRequest, signal: AbortSignal): Promise<SentToken> {
  try {
    const mint = request.mint ?? core.mints.defaultMint;
    return await withoutGone(core, mint, signal, () => send(core, request, signal));
  } catch (error) {
    if (error instanceof SpentElsewhereError) {
      const { operation } = error;
      await revive(core, operation, signal).catch((cause: unknown) =>
        core.log.warn({ operation, error: cause }, 'undone operations could not be looked at again'),
      );
    }
    throw error;
  }
}

function keep(core: Core, token: string, source: string): KeptTokenId {
  const text = token.trim();
  return core.kept.keep(text, source, faceOf(core, text));
}

async function warmUp(core: Core, signal: AbortSignal): Promise<void> {
  const { mints, log } = core;
  await Promise.all(
    mints.accepted().map((mint) =>
      tidy(core, mint, signal).catch((error: unknown) => {
        if (!(error instanceof MintError) || signal.aborted) throw error;
        log.warn({ mint, problem: error.problem.kind }, 'a mint could not be asked for its keysets');
      }),
    ),
  );
}
