import type {
  CashuWallet,
  OperationId,
  OperationSummary,
  RecoveryReport,
  WalletConfig,
} from '@nostr-dm-agent/cashu-wallet';
import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { formatSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { Role } from '../config/config.ts';
import { describeTrouble, NoWalletError } from '../replies/wallet-error-replies.ts';
import { balanceText, outcomeText, recoveryLines } from '../replies/wallet-replies.ts';
import type { Messenger } from '../runs/messenger.ts';
import type { Awaited, AwaitedStore } from '../store/awaited-table.ts';
import type { Meta } from '../store/meta-table.ts';
import type { Account } from './shares.ts';
import type { WalletAccess } from './wallet-access.ts';

/** How often what is open is asked about; and how long a start waits for mints before it goes on without them. */
const everyMs = 2 * 60_000;
const firstMs = 5_000;
/** Invoices that are watched at once; the others are asked about with what is open. */
const mostWatched = 20;
const retryWatchMs = 30_000;
const defaultThreshold = sat(1000);

/** The bot's wallet, kept going: opened, put in order, watched, closed. */
export type WalletKeeper = WalletAccess & {
  /**
   * Opens it and takes its lease; loads its code only now. Does nothing without a configuration.
   * @throws WalletInUseError and what `createWallet` throws
   */
  readonly open: () => Promise<void>;
  /**
   * Finishes what an earlier life left open, and goes on with everything that has to be watched. Waits for mints for a
   * few seconds at the most; after that it goes on behind.
   * @returns what there is to tell about it
   */
  readonly recover: () => Promise<readonly string[]>;
  /** One line for `!status`. */
  readonly status: () => string | undefined;
  /** Ends everything that waits, gives the lease back. */
  readonly close: () => Promise<void>;
};

export type WalletKeeperDeps = {
  readonly config: WalletConfig | undefined;
  readonly awaited: AwaitedStore;
  readonly meta: Meta;
  readonly messenger: Messenger;
  readonly tellAdmins: (text: string) => void;
  readonly roleOf: (owner: PublicKey) => Role | undefined;
  /** undefined: accounts are not kept apart. */
  readonly accountOf: (owner: PublicKey) => Account | undefined;
  /** One transaction over the bot's own database. */
  readonly atomically: (change: () => void) => void;
  readonly reached: (checkpoint: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
};

export function createWalletKeeper(deps: WalletKeeperDeps): WalletKeeper {
  const { config, awaited, meta, clock } = deps;
  const log = deps.log.child({ of: 'wallet' });
  const ending = new AbortController();
  const work = new Set<Promise<void>>();
  const watched = new Set<OperationId>();
  const awaitedElsewhere = new Set<OperationId>();
  let opened: CashuWallet | undefined;
  let firstLook: Promise<unknown> = Promise.resolve();
  let timer: Timer | undefined;

  const wallet = (): CashuWallet => {
    if (opened === undefined) throw new NoWalletError();
    return opened;
  };

  /** Something that goes on behind; `close` waits for it. */
  const behind = (what: string, task: () => Promise<void>): void => {
    const done: Promise<void> = task()
      .catch((error: unknown) => {
        if (!ending.signal.aborted) log.error({ error }, `${what} failed`);
      })
      .finally(() => work.delete(done));
    work.add(done);
  };

  const tell = ({ operation, to }: Awaited, text: string): void =>
    deps.atomically(() => {
      deps.messenger.send(to, text);
      awaited.remove(operation);
    });

  /** Tells everybody who waits for an operation whose end is known now, and watches the invoices of the others. */
  const look = (): void => {
    for (const each of awaited.list()) {
      const role = deps.roleOf(each.to.publicKey);
      if (role === undefined) {
        // Who was removed meanwhile is told nothing.
        awaited.remove(each.operation);
        continue;
      }
      const operation = wallet().operation(each.operation);
      if (operation === undefined) {
        // The promise was made by a bot with other words.
        if (!awaitedElsewhere.has(each.operation)) {
          awaitedElsewhere.add(each.operation);
          log.warn(
            { operation: each.operation },
            'an operation that somebody waits for is not in this wallet',
          );
        }
        continue;
      }
      const text = outcomeText(operation, wallet().balance(), deps.accountOf(each.to.publicKey));
      if (text !== undefined) tell(each, role === 'admin' ? withToken(operation, text, each) : text);
      else if (operation.trouble !== undefined) {
        tell(
          each,
          `${describeTrouble(operation.trouble)} (${operation.operation}). !wallet pending shows it.`,
        );
      } else if (operation.kind === 'mint') watch(each.operation);
    }
    noticeLowBalance();
  };
  /** A token that was asked for, and could only be made later. */
  const withToken = ({ kind, state, operation }: OperationSummary, text: string, { to }: Awaited): string =>
    kind === 'send' && (state === 'issued' || state === 'handed_over')
      ? `${text}\n\n${wallet().handOver(operation, to.publicKey)}`
      : text;

  const watch = (operation: OperationId): void => {
    if (watched.has(operation) || watched.size >= mostWatched || ending.signal.aborted) return;
    watched.add(operation);
    behind('watching an invoice', async () => {
      try {
        await wallet().watchTopUp(operation, ending.signal);
      } catch (error) {
        if (ending.signal.aborted) return;
        log.warn({ operation, error }, 'an invoice could not be watched');
        await pause(retryWatchMs);
      } finally {
        watched.delete(operation);
      }
      look();
    });
  };

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const waiting = setTimeout(done, ms);
      function done(): void {
        clearTimeout(waiting);
        ending.signal.removeEventListener('abort', done);
        resolve();
      }
      ending.signal.addEventListener('abort', done, { once: true });
    });

  const threshold = (): Sat => {
    const stored = meta.get('wallet_alert');
    return stored === undefined ? defaultThreshold : sat(Number(stored));
  };

  /** Once each time it falls below; a wallet that never had as much has not fallen. */
  const noticeLowBalance = (): void => {
    if (ending.signal.aborted) return;
    const { ready, reserved, incoming } = wallet().balance();
    const limit = threshold();
    const enough = ready + reserved + incoming >= limit;
    const before = meta.get('wallet_enough') === '1';
    if (enough === before) return;
    deps.atomically(() => {
      meta.set('wallet_enough', enough ? '1' : '0');
      if (enough || limit === 0) return;
      const suggested = Math.min(limit * 5, wallet().info().maxBalance) - ready;
      deps.tellAdmins(
        `The wallet runs low: ${formatSat(ready)} ready, less than ${formatSat(limit)}.\n!wallet topup ${Math.max(suggested, 1)} fills it up; !wallet alert <sats> changes when you are told.`,
      );
    });
  };

  const warm = (): void =>
    behind('warming up', async () => {
      if (opened !== undefined) await opened.warmUp(ending.signal);
    });

  const tick = (): void =>
    behind('looking after the wallet', async () => {
      try {
        await wallet().recover(ending.signal, 'due');
        look();
        await wallet().warmUp(ending.signal);
      } finally {
        if (!ending.signal.aborted) timer = setTimeout(tick, everyMs);
      }
    });

  return {
    wallet,
    settled: async (signal) => {
      const mine = wallet();
      await untilAborted(firstLook, signal);
      return mine;
    },
    promise: (operation, to) => {
      awaited.add({ operation, to });
      // After the caller's transaction, which is still open here.
      queueMicrotask(() => {
        if (!ending.signal.aborted) behind('looking at what is awaited', async () => look());
      });
    },
    warmUp: warm,
    threshold,
    setThreshold: (amount) => {
      meta.set('wallet_alert', String(amount));
    },
    status: () => opened && balanceText({ ...opened.balance(), mints: [] }),

    open: async () => {
      if (config === undefined) return;
      const { createWallet } = await import('@nostr-dm-agent/cashu-wallet/open');
      opened = withNotice(createWallet(config, { log, clock, onCheckpoint: deps.reached }), () =>
        behind('looking at the balance', async () => noticeLowBalance()),
      );
      const { fingerprint, file, mints } = opened.info();
      log.info({ fingerprint, file, mints }, 'wallet open');
    },
    recover: async () => {
      if (opened === undefined) return [];
      let report: RecoveryReport | undefined;
      const recovery = opened.recover(ending.signal).then((found) => {
        report = found;
        look();
      });
      firstLook = recovery.catch((): void => undefined);
      behind('putting the wallet in order', () => recovery);
      behind('waiting for the first look', async () => {
        await firstLook;
        warm();
        if (!ending.signal.aborted) timer = setTimeout(tick, everyMs);
      });
      await Promise.race([firstLook, pause(firstMs)]);
      return report === undefined
        ? ['Wallet: a mint does not answer; what was open is looked at as soon as it does.']
        : recoveryLines(report);
    },
    close: async () => {
      ending.abort();
      clearTimeout(timer);
      await Promise.all(work);
      opened?.close();
      opened = undefined;
    },
  };
}

/** The same wallet; `moved` hears of everything that may have changed what is in it. */
function withNotice(wallet: CashuWallet, moved: () => void): CashuWallet {
  const after =
    <Arguments extends readonly unknown[], Result>(work: (...given: Arguments) => Promise<Result>) =>
    (...given: Arguments): Promise<Result> =>
      work(...given).finally(moved);
  return {
    ...wallet,
    send: after(wallet.send),
    receive: after(wallet.receive),
    redeem: after(wallet.redeem),
    reclaim: after(wallet.reclaim),
    claimTopUp: after(wallet.claimTopUp),
    withdraw: after(wallet.withdraw),
    move: after(wallet.move),
  };
}
