import type {
  CashuWallet,
  EndingMoney,
  FoundMoney,
  MintUrl,
  RecoveryReport,
  WalletConfig,
} from '@nostr-dm-agent/cashu-wallet';
import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { Role } from '../config/config.ts';
import type { AwaitedStore } from '../store/awaited-table.ts';
import type { Meta } from '../store/meta-table.ts';
import { createBackground } from './background.ts';
import { countAhead } from './count-ahead.ts';
import { createEndingWatch } from './ending-watch.ts';
import { createLowBalanceWatch, type LowBalance } from './low-balance.ts';
import { createEndWatch, type OperationEnd } from './operation-ends.ts';
import { NoWalletError, type WalletAccess } from './wallet-access.ts';

/** How often what is open is asked about; and how long a start waits for mints before it goes on without them. */
const everyMs = 2 * 60_000;
const firstMs = 5_000;

/** Who is told what the wallet does by itself. Durable when it returns; called inside a transaction of the bot's database. */
export type WalletListener = {
  readonly onEnd: (end: OperationEnd) => void;
  readonly onLowBalance: (low: LowBalance) => void;
  readonly onFound: (found: FoundMoney) => void;
  readonly onEnding: (money: EndingMoney) => void;
  /** What there is may have changed. No transaction is open. */
  readonly onLook: () => void;
};

/** The bot's wallet, kept going: opened, put in order, watched, closed. */
export type WalletKeeper = WalletAccess & {
  /**
   * Opens it and takes its lock; loads its code only now. Does nothing without a configuration.
   * @throws WalletInUseError and what `createWallet` throws
   */
  readonly open: (listener: WalletListener) => Promise<void>;
  /** For what pays from it: what is set aside is not ready there. undefined: there is none. */
  readonly paying: () => CashuWallet | undefined;
  /**
   * Finishes what an earlier life left open, and goes on with everything that has to be watched. Waits for mints for a
   * few seconds at the most (`mint-away`); after that it goes on behind.
   */
  readonly recover: () => Promise<RecoveryReport | 'no-wallet' | 'mint-away'>;
  /** Ends everything that waits, gives the lock back. */
  readonly close: () => Promise<void>;
};

export type WalletKeeperDeps = {
  /** `BOT_HOME`: whoever has the wallet open for now is asked for it there. */
  readonly home: string;
  readonly config: WalletConfig | undefined;
  readonly awaited: AwaitedStore;
  readonly meta: Meta;
  readonly roleOf: (owner: PublicKey) => Role | undefined;
  /** One transaction over the bot's own database. */
  readonly atomically: (change: () => void) => void;
  readonly reached: (checkpoint: string) => void;
  /** What is set aside at each mint in tokens that nobody has seen. */
  readonly ahead: () => ReadonlyMap<MintUrl, Sat>;
  readonly clock: Clock;
  readonly log: Logger;
};

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions that share the one open wallet
export function createWalletKeeper(deps: WalletKeeperDeps): WalletKeeper {
  const { config, awaited, atomically, clock } = deps;
  const log = deps.log.child({ of: 'wallet' });
  const background = createBackground(log);
  const lowBalance = createLowBalanceWatch(deps.meta, atomically);
  const endings = createEndingWatch(deps.meta, atomically);
  /** The wallet, and what looks at its balance and at what somebody waits for. */
  let open:
    | {
        readonly wallet: CashuWallet;
        readonly paying: CashuWallet;
        readonly look: () => void;
        readonly lookAtEndings: () => void;
      }
    | undefined;
  let firstLook: Promise<unknown> = Promise.resolve();

  const wallet = (): CashuWallet => {
    if (open === undefined) throw new NoWalletError();
    return open.wallet;
  };
  const warmUp = (): void =>
    background.run('warming up', async () => {
      await open?.wallet.warmUp(background.signal);
      open?.lookAtEndings();
    });
  const lookAfter = async (): Promise<void> => {
    await wallet().recover(background.signal, 'due');
    open?.look();
    await wallet().warmUp(background.signal);
    // After money could be moved out of them.
    open?.lookAtEndings();
  };

  return {
    opened: () => open?.wallet,
    paying: () => open?.paying,
    wallet,
    settled: async (signal) => {
      const mine = wallet();
      signal.throwIfAborted();
      await untilAborted(firstLook, signal);
      return mine;
    },
    announceEnd: (operation, to, claim) => {
      awaited.add({ operation, to, claim: claim !== undefined });
      // After the caller's transaction, which is still open here.
      queueMicrotask(() => background.run('looking at what is awaited', async () => open?.look()));
    },
    warmUp,
    threshold: lowBalance.threshold,
    setThreshold: lowBalance.setThreshold,

    open: async ({ onEnd, onLowBalance, onFound, onEnding, onLook }) => {
      if (config === undefined) return;
      const { createWallet } = await import('@nostr-dm-agent/cashu-wallet/open');
      const { takeOver } = await import('@nostr-dm-agent/cashu-wallet/remote');
      const made = await takeOver(
        { home: deps.home, wallet: config },
        () => createWallet(config, { log, clock, onCheckpoint: deps.reached }),
        background.signal,
      );
      const lookAtBalance = () => {
        lowBalance.look(countAhead(made, deps.ahead), onLowBalance);
        onLook();
        for (const found of made.found()) {
          atomically(() => onFound(found));
          made.foundTold([found.operation]);
        }
      };
      const paying = withNotice(made, () =>
        background.run('looking at the balance', async () => lookAtBalance()),
      );
      const wallet = countAhead(paying, deps.ahead);
      const { roleOf } = deps;
      const lookAtEnds = createEndWatch({
        wallet,
        awaited,
        roleOf,
        atomically,
        tell: onEnd,
        background,
        log,
      });
      open = {
        ...{ wallet, paying },
        lookAtEndings: () => endings.look(made, onEnding),
        look: () => {
          lookAtEnds();
          lookAtBalance();
        },
      };
      const { fingerprint, file, mints } = made.info();
      log.info({ fingerprint, file, mints }, 'wallet open');
    },
    recover: async () => {
      if (open === undefined) return 'no-wallet';
      const { wallet: mine, look } = open;
      let report: RecoveryReport | undefined;
      const recovery = mine.recover(background.signal).then((found) => {
        report = found;
        look();
      });
      const done = recovery.catch((): void => undefined);
      // Nobody waits longer: what a mint that is away has of ours touches no other one.
      firstLook = Promise.race([done, background.pause(firstMs)]);
      background.run('putting the wallet in order', () => recovery);
      background.run('waiting for the first look', async () => {
        await done;
        warmUp();
        background.repeat('looking after the wallet', everyMs, lookAfter);
      });
      await firstLook;
      return report ?? 'mint-away';
    },
    close: async () => {
      await background.close();
      open?.wallet.close();
      open = undefined;
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
    watchTopUp: after(wallet.watchTopUp),
    reclaim: after(wallet.reclaim),
    claimTopUp: after(wallet.claimTopUp),
    withdraw: after(wallet.withdraw),
    move: after(wallet.move),
  };
}
