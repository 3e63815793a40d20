/*
 * Automatic top-ups: while the bot's wallet holds less than its alert, an invoice of its own mint is paid from an owner's
 * wallet (NIP-47). The mint's word on the quote decides what was paid, whatever the wallet says, and whether it says anything.
 *
 *             quote           row              PAID, by the mint
 *   (nothing) ─────► (quoted) ─────► open ─────────────────────────────► paid
 *                                    │  ▲                                  ▲
 *                 refused for sure:  └──┘                                  │ paid after all
 *                 the same invoice,  │  UNPAID, by the mint,               │
 *                 by a fresh request └─ a minute after the invoice ended ► expired
 *
 *   step                 on disk before it                  killed after it: the next start
 *   ───────────────────  ─────────────────────────────────  ────────────────────────────────────────────────────────────
 *   quote                –                                  the wallet's `mint` operation expires; nobody was asked to pay it
 *   row: open            invoice, signed request, amount    nothing was published: it is asked for now, by a fresh request
 *   publish              `asked`                            the mint is asked. The same request again, until it expires
 *   answer               –                                  the same. What the wallet said is told once or not at all
 *   money taken          the wallet's own (`mint.ts`)       the wallet finishes it; the row ends `paid`, and it is told, once
 *   row: paid, expired   all of it, and the message         nothing to do
 *
 * One row is open at most (an index of the table holds it), and while it is, no other invoice is asked for. One invoice is
 * paid once: its payment hash is spent with it. A row counts against the day's cap from the moment it is on disk until the
 * invoice has ended unpaid. A second request for the same invoice is made only where the wallet has said that it did not
 * pay; silence and unclear failures are waited out.
 */
import {
  BalanceCapError,
  type CashuWallet,
  InvoiceRefusedError,
  MintError,
  UnfinishedOperationError,
  UnknownOperationError,
} from '@nostr-dm-agent/cashu-wallet';
import { pause } from '@nostr-dm-agent/kit/abort';
import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { addSat, type Sat } from '@nostr-dm-agent/kit/sat';
import {
  askAbilities,
  askWallet,
  formatWalletConnection,
  type PublicKey,
  parseWalletConnection,
  type Relays,
  type WalletAnswer,
  type WalletConnection,
  type WalletEncryption,
  walletRequest,
} from '@nostr-dm-agent/nostr';
import { SealError, type Sealer } from '../keys/seal.ts';
import type { AutoTopUpEntry, AutoTopUpSource, AutoTopUpStore } from '../store/auto-top-up-table.ts';
import {
  connectionSeal,
  keptAnswer,
  midnight,
  nextMidnight,
  pauseAfter,
  payableUntil,
  planTopUp,
  type Worth,
  worthOf,
} from './auto-top-up-plan.ts';
import { createBackground } from './background.ts';
import { type AutoTopUpExam, examineSource } from './examine-auto-top-up.ts';
import { type ConnectionCheck, lookAtConnection } from './look-at-connection.ts';
import type { WalletAccess } from './wallet-access.ts';

const everyMs = 60_000;
/** What is waited for, ms. */
const defaultWaits = {
  /** What a wallet says of itself. */
  infoMs: 10_000,
  /** A request is good for so long, and its answer is waited for. */
  requestMs: 60_000,
  /** What a wallet says is paid reaches the mint within so long. */
  arrivalMs: 20_000,
};
/** With less left an invoice is not asked for any more. */
const leastLeftMs = 2 * 60_000;
/** For so long a mint is asked that does not say whether a payment came; after that, another day's cap counts. */
const goneMs = 25 * 3_600_000;
/** For so long a payment that comes late is looked for. */
const lateMs = 2 * 24 * 3_600_000;

/** What its owner is to know. `until` and `again`: Unix ms. */
export type AutoTopUpNews =
  | {
      readonly kind: 'paid';
      readonly amount: Sat;
      readonly used: Sat;
      readonly cap: Sat | undefined;
      readonly late: boolean;
    }
  /** The wallet's word. `again`: when it is asked again; undefined: not before it is set anew. */
  | {
      readonly kind: 'refused';
      readonly code: string;
      readonly amount: Sat;
      readonly again: number | undefined;
    }
  | { readonly kind: 'claims-paid' | 'silent'; readonly amount: Sat; readonly until: number }
  | { readonly kind: 'unclear'; readonly code: string; readonly amount: Sat; readonly until: number }
  /** Said to be paid, and it never came. */
  | { readonly kind: 'never-came'; readonly amount: Sat }
  | { readonly kind: 'cap-used'; readonly used: Sat; readonly cap: Sat }
  | { readonly kind: 'relay-away' | 'mint-away' | 'wrong-invoice' | 'full' | 'cannot-pay' | 'locked' }
  /** The mint does not give what it was paid. */
  | { readonly kind: 'mint-kept'; readonly amount: Sat };

/** As it is shown: no secret is in it. */
export type AutoTopUpState = Pick<
  AutoTopUpSource,
  'owner' | 'relays' | 'cap' | 'stopped' | 'nextAt' | 'told'
> & {
  readonly used: Sat;
  readonly last: AutoTopUpEntry | undefined;
};

export type AutoTopUp = {
  readonly state: () => AutoTopUpState | undefined;
  /** @throws WalletConnectionError */
  readonly read: (text: string) => WalletConnection;
  /** Asks the wallet what it is; moves nothing. */
  readonly check: (connection: WalletConnection, signal: AbortSignal) => Promise<ConnectionCheck>;
  /** The same of the one that is kept, and what it has to spend; undefined: there is none. */
  readonly examine: (signal: AbortSignal) => Promise<AutoTopUpExam | undefined>;
  /** To be part of a transaction. */
  readonly set: (owner: PublicKey, connection: WalletConnection, cap: Sat) => void;
  /** Another cap, from now on. */
  readonly setCap: (cap: Sat) => void;
  /** The secret is forgotten. Gives what may still be paid. */
  readonly off: () => AutoTopUpEntry | undefined;
  /** What the wallet holds may have changed. */
  readonly balanceLooked: () => void;
  /** Whether a top-up begins by itself now, or is under way: then the alert says so. */
  readonly isDue: () => boolean;
  /** Whether this operation of the wallet is one. */
  readonly isOne: (operation: string) => boolean;
  /** Since the start, by how they ended or what the wallet said. */
  readonly counts: () => ReadonlyMap<string, number>;
  /**
   * From now on. After the wallet's recovery.
   * @param mayBegin asked before an invoice is asked for, and before a wallet is asked to pay one: false, and it waits for the next look
   */
  readonly start: (mayBegin?: (signal: AbortSignal) => Promise<boolean>) => void;
  /** Does what is due; resolves when there is nothing more to be done for now. */
  readonly look: () => Promise<void>;
  readonly close: () => Promise<void>;
};

export type AutoTopUpDeps = {
  readonly store: AutoTopUpStore;
  readonly wallet: Pick<WalletAccess, 'opened' | 'threshold'>;
  readonly relays: Pick<Relays, 'borrow' | 'ask'>;
  readonly allowLoopback: boolean;
  readonly sealer: Sealer;
  readonly isAdmin: (owner: PublicKey) => boolean;
  /** What another bot with this key had paid before is not known here. Unix ms; 0: there was none. */
  readonly actsSince: () => number;
  readonly atomically: (change: () => void) => void;
  /** Durable when it returns; called in a transaction. */
  readonly tell: (owner: PublicKey, news: AutoTopUpNews) => void;
  readonly around: {
    readonly reached: (checkpoint: string) => void;
    readonly waits?: Partial<typeof defaultWaits>;
    /** Keeps a secret out of the log. */
    readonly protect: (secret: string) => void;
    readonly clock: Clock;
    readonly log: Logger;
  };
};

type Connected = { readonly source: AutoTopUpSource; readonly connection: WalletConnection };

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions over one row that is open
export function createAutoTopUp(deps: AutoTopUpDeps): AutoTopUp {
  const { store, relays, sealer, atomically } = deps;
  const { clock, reached } = deps.around;
  const { infoMs, requestMs, arrivalMs } = { ...defaultWaits, ...deps.around.waits };
  const log = deps.around.log.child({ of: 'automatic top-ups' });
  const background = createBackground(log);
  const { signal } = background;
  let mayBegin = async (_signal: AbortSignal): Promise<boolean> => true;
  const counted = new Map<string, number>();
  const count = (what: string) => counted.set(what, (counted.get(what) ?? 0) + 1);
  const usedToday = (): Sat => store.usedSince(midnight(clock.now()));

  const tell = (owner: PublicKey, news: AutoTopUpNews): void => {
    // Who was removed meanwhile is told nothing.
    if (deps.isAdmin(owner)) deps.tell(owner, news);
  };
  /** Tells what went wrong with a connection, the same once a day; and when something is tried again. */
  const fail = (
    { connection }: Pick<AutoTopUpSource, 'connection'>,
    news: AutoTopUpNews,
    how: { readonly key?: string; readonly stop?: string; readonly pauseMs?: number } = {},
  ): void => {
    count(how.key ?? news.kind);
    atomically(() => {
      const source = store.source();
      // It was set anew while it was asked: that says nothing of the one that there is now.
      if (source?.connection !== connection) return;
      const told = `${how.key ?? news.kind} ${new Date(midnight(clock.now())).toDateString()}`;
      if (source.told !== told) tell(source.owner, news);
      const failures = source.failures + 1;
      const nextAt = clock.now() + (how.pauseMs ?? pauseAfter(failures));
      store.note({ stopped: how.stop, failures, nextAt, told });
    });
  };

  /** The connection that is set; undefined: there is none, or it can't be used. */
  const connected = (): Connected | undefined => {
    const source = store.source();
    if (source === undefined) return undefined;
    if (!deps.isAdmin(source.owner)) {
      // Not an admin's any more: their wallet pays nothing for this bot.
      store.dropSource();
      return undefined;
    }
    try {
      const text = sealer.open(source.connection, connectionSeal(source.owner));
      const connection = parseWalletConnection(text, deps);
      deps.around.protect(Buffer.from(connection.identity.secretKey).toString('hex'));
      return { source, connection };
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      if (source.stopped === undefined) fail(source, { kind: 'locked' }, { stop: 'locked' });
      return undefined;
    }
  };

  const notBefore = (): number => nextMidnight(deps.actsSince());
  const plan = (wallet: CashuWallet, source: AutoTopUpSource) => {
    const { ready, reserved, incoming } = wallet.balance();
    const { cap, stopped } = source;
    const nextAt = Math.max(source.nextAt, notBefore());
    const held = addSat(ready, reserved, incoming);
    const threshold = deps.wallet.threshold();
    return planTopUp({ held, threshold, cap, used: usedToday(), stopped, nextAt, now: clock.now() });
  };

  const endPaid = (entry: AutoTopUpEntry, late: boolean): void => {
    count('paid');
    atomically(() => {
      store.end(entry.operation, 'paid', clock.now());
      const source = store.source();
      if (source !== undefined && source.stopped === undefined)
        store.note({ ...source, failures: 0, nextAt: 0, told: undefined });
      const used = usedToday();
      tell(entry.owner, { kind: 'paid', amount: entry.amount, used, cap: source?.cap, late });
    });
    reached('autotopup:ended');
    // There may be too little still.
    isMore = true;
  };

  /** The mint was paid and does not give it: it counts, and no more is paid there by itself. */
  const endKept = ({ operation, owner, amount }: AutoTopUpEntry): void => {
    count('mint-kept');
    atomically(() => {
      store.end(operation, 'paid', clock.now());
      const source = store.source();
      if (source !== undefined) store.note({ ...source, stopped: 'mint-kept' });
      tell(owner, { kind: 'mint-kept', amount });
    });
  };

  /** Asks the mint, and ends the row if it may be ended. `unsure`: the mint did not say that it is unpaid. */
  const settle = async (
    wallet: CashuWallet,
    entry: AutoTopUpEntry,
  ): Promise<'over' | 'unpaid' | 'unsure'> => {
    let isSure = true;
    try {
      const state = await wallet.claimTopUp(entry.operation, signal);
      if (state === 'paid') {
        endPaid(entry, false);
        return 'over';
      }
    } catch (error) {
      if (error instanceof UnfinishedOperationError && error.trouble !== undefined) {
        endKept(entry);
        return 'over';
      }
      // The wallet goes on asking; one of other words does not know it.
      const isUnknown = error instanceof UnknownOperationError;
      if (!(error instanceof MintError || error instanceof UnfinishedOperationError || isUnknown))
        throw error;
      isSure = false;
    }
    // Nobody can pay it any more.
    const isOver = clock.now() > (isSure ? payableUntil(entry.expiresAt) : entry.expiresAt + goneMs);
    if (!isOver) return isSure ? 'unpaid' : 'unsure';
    count('expired');
    atomically(() => {
      store.end(entry.operation, 'expired', clock.now());
      if (entry.answer === 'paid') tell(entry.owner, { kind: 'never-came', amount: entry.amount });
    });
    return 'over';
  };

  /** What ended unpaid and was paid after all. */
  const lookForLate = (wallet: CashuWallet): void => {
    for (const entry of store.expiredSince(clock.now() - lateMs)) {
      const state = wallet.operation(entry.operation)?.state;
      if (state === 'done' || state === 'issued_before') endPaid(entry, true);
    }
  };

  /** How a wallet is to be asked, and whether it can be; undefined: it can't, and that is told. */
  const encryptionOf = async ({ source, connection }: Connected): Promise<WalletEncryption | undefined> => {
    const abilities = await askAbilities({ connection, relays }, infoMs, signal);
    if (abilities === undefined) fail(source, { kind: 'relay-away' });
    else if (abilities.methods?.includes('pay_invoice') === false) {
      fail(source, { kind: 'cannot-pay' }, { stop: 'cannot-pay' });
    } else return abilities.encryption;
    return undefined;
  };
  const signed = (connection: WalletConnection, encryption: WalletEncryption, invoice: string) => {
    const call = { method: 'pay_invoice', params: { invoice } };
    const at = { encryption, at: unixSeconds(clock), ttl: requestMs / 1000 };
    return { request: walletRequest(connection, call, at), requestUntil: clock.now() + requestMs };
  };

  /** Relays were waited for: whoever has said `off` meanwhile, or another cap, was told that nothing is asked. */
  const isWanted = ({ connection }: AutoTopUpSource): boolean => {
    const now = connected()?.source;
    return now?.connection === connection && now.stopped === undefined && usedToday() <= now.cap;
  };
  /** Publishes the request of the open row, and waits for what comes first: the money, or the wallet's word. */
  const ask = async (
    wallet: CashuWallet,
    { source, connection }: Connected,
    entry: AutoTopUpEntry,
  ): Promise<void> => {
    const { operation } = entry;
    if (!(await mayBegin(signal)) || !isWanted(source)) return;
    store.markAsked(operation);
    reached('autotopup:asking');
    const ending = new AbortController();
    const until = AbortSignal.any([signal, ending.signal]);
    const arrived = wallet.watchTopUp(operation, until).then(
      () => 'arrived' as const,
      // The mint is asked again below; until then the wallet's word is waited for.
      () => new Promise<never>(() => undefined),
    );
    const left = Math.max(1_000, entry.requestUntil - clock.now());
    let answer: WalletAnswer | 'arrived';
    try {
      answer = await Promise.race([arrived, askWallet({ connection, relays }, entry.request, left, until)]);
      reached('autotopup:answered');
      if (answer !== 'arrived') {
        store.answered(operation, keptAnswer(answer));
        if (answer.kind === 'done') await Promise.race([arrived, pause(arrivalMs, until)]);
      }
    } finally {
      ending.abort();
    }
    reached('autotopup:taken');
    const state = await settle(wallet, entry);
    if (state !== 'over' && answer !== 'arrived') judge(source, entry, keptAnswer(answer));
  };

  /** Tells of an answer after which the mint has not got the money. */
  const judge = (source: AutoTopUpSource, { amount, expiresAt }: AutoTopUpEntry, code: string): void => {
    const until = payableUntil(expiresAt);
    const worth = worthOf(code);
    if (worth === 'never') {
      fail(source, { kind: 'refused', code, amount, again: undefined }, { key: code, stop: code });
    } else if (worth === 'later') {
      const pauseMs = pauseAfter((store.source()?.failures ?? 0) + 1);
      fail(source, { kind: 'refused', code, amount, again: clock.now() + pauseMs }, { key: code, pauseMs });
    } else if (worth === 'unclear') fail(source, { kind: 'unclear', code, amount, until }, { key: code });
    else fail(source, { kind: worth, amount, until });
  };

  /** A row that is open, and the mint has not got its money yet: what may be done about it. */
  const goOn = async (wallet: CashuWallet, entry: AutoTopUpEntry): Promise<void> => {
    const found = connected();
    if (found === undefined || found.source.stopped !== undefined || found.source.owner !== entry.owner)
      return;
    // The cap was lowered meanwhile: what may be spent already is more.
    const used = usedToday();
    const isWithin = used <= found.source.cap;
    const now = clock.now();
    const worth: Worth | 'unasked' = entry.asked ? worthOf(entry.answer) : 'unasked';
    if (worth === 'silent' && entry.answer === undefined) {
      // Cut off: the same request again, as long as it is good, and it is the same wallet. Else silence.
      const isSame = entry.request.pubkey === found.connection.identity.publicKey;
      if (isSame && isWithin && now < entry.requestUntil) await ask(wallet, found, entry);
      else {
        store.answered(entry.operation, 'silent');
        judge(found.source, entry, 'silent');
      }
      return;
    }
    const mayAsk = worth === 'unasked' || worth === 'later' || worth === 'never';
    if (!mayAsk || !isWithin || now > entry.expiresAt - leastLeftMs) return;
    // It counts against the cap already; whether it is wanted and its time has come is the same question as for a new one.
    const { kind } = plan(wallet, { ...found.source, cap: addSat(found.source.cap, used) });
    if (kind !== 'top-up' || !(await mayBegin(signal))) return;
    const encryption = await encryptionOf(found);
    if (encryption === undefined) return;
    const made = signed(found.connection, encryption, entry.invoice);
    atomically(() => store.renew(entry.operation, made));
    reached('autotopup:again');
    await ask(wallet, found, { ...entry, ...made });
  };

  /** Of the bot's mint; or why there is none to be paid. */
  const invoiceOf = async (wallet: CashuWallet, amount: Sat, owner: PublicKey) => {
    try {
      const made = await wallet.topUp({ amount, owner, note: 'automatic top-up', invoiceOnly: true }, signal);
      reached('autotopup:quoted');
      const { amountMsat, expiresAt } = wallet.readInvoice(made.invoice);
      // A mint that writes another sum into its invoice than it was asked for takes it from the owner's wallet.
      return amountMsat === amount * 1000 ? { ...made, expiresAt } : 'wrong-invoice';
    } catch (error) {
      if (error instanceof MintError) return 'mint-away';
      if (error instanceof BalanceCapError) return 'full';
      if (error instanceof InvoiceRefusedError) return 'wrong-invoice';
      throw error;
    }
  };

  const begin = async (wallet: CashuWallet): Promise<void> => {
    const found = connected();
    if (found === undefined) return;
    const { source, connection } = found;
    const due = plan(wallet, source);
    if (due.kind === 'cap-used') {
      const told = `cap-used ${new Date(midnight(clock.now())).toDateString()}`;
      if (source.told === told) return;
      atomically(() => {
        tell(source.owner, { kind: 'cap-used', used: usedToday(), cap: source.cap });
        store.note({ ...source, told });
      });
    }
    if (due.kind !== 'top-up' || !(await mayBegin(signal))) return;
    const encryption = await encryptionOf(found);
    if (encryption === undefined) return;
    const { amount } = due;
    const { owner } = source;
    const made = await invoiceOf(wallet, amount, owner);
    if (typeof made === 'string')
      return fail(source, { kind: made }, made === 'wrong-invoice' ? { stop: made } : {});
    const { expiresAt } = made;
    if (clock.now() > expiresAt - leastLeftMs) return fail(source, { kind: 'mint-away' });
    const request = signed(connection, encryption, made.invoice);
    const { operation, invoice } = made;
    const entry = { operation, owner, amount, invoice, expiresAt, begunAt: clock.now(), ...request };
    let isBegun = false;
    atomically(() => {
      const now = store.source();
      // It was set anew, put off, or its cap lowered meanwhile.
      if (now?.setAt !== source.setAt || now.connection !== source.connection) return;
      if (addSat(usedToday(), amount) > now.cap || store.open() !== undefined) return;
      store.begin(entry);
      isBegun = true;
    });
    if (!isBegun) return;
    reached('autotopup:journalled');
    const begun = store.open();
    if (begun !== undefined) await ask(wallet, found, begun);
  };

  const step = async (): Promise<void> => {
    const wallet = deps.wallet.opened();
    if (wallet === undefined || signal.aborted) return;
    lookForLate(wallet);
    const entry = store.open();
    if (entry === undefined) return begin(wallet);
    if ((await settle(wallet, entry)) === 'unpaid') await goOn(wallet, store.open() ?? entry);
  };
  const isNewDue = (): boolean => {
    const source = store.source();
    const wallet = deps.wallet.opened();
    return source !== undefined && wallet !== undefined && plan(wallet, source).kind === 'top-up';
  };
  let isStarted = false;
  let isMore = false;
  let busy: Promise<void> | undefined;
  const work = async (): Promise<void> => {
    while (isMore && !signal.aborted) {
      isMore = false;
      await step();
    }
  };
  const look = async (): Promise<void> => {
    isMore = true;
    if (!isStarted) return;
    busy ??= new Promise((resolve) => {
      background.run('filling the wallet', () =>
        work().finally(() => {
          busy = undefined;
          resolve();
        }),
      );
    });
    await busy;
  };

  return {
    state: () => {
      const source = store.source();
      return (
        source && {
          ...source,
          nextAt: Math.max(source.nextAt, notBefore()),
          used: usedToday(),
          last: store.last(),
        }
      );
    },
    read: (text) => parseWalletConnection(text, deps),
    check: async (connection, until) => {
      deps.around.protect(Buffer.from(connection.identity.secretKey).toString('hex'));
      return (await lookAtConnection({ connection, relays, clock, waitMs: infoMs }, until)).found;
    },
    examine: async (until) => {
      const source = store.source();
      return (
        source && examineSource(source, deps.wallet.threshold(), { ...deps, clock, waitMs: infoMs }, until)
      );
    },
    set: (owner, connection, cap) => {
      const sealed = sealer.seal(formatWalletConnection(connection), connectionSeal(owner));
      store.setSource({ owner, connection: sealed, relays: [...connection.relays], cap, setAt: clock.now() });
      // After the caller's transaction, which is still open here.
      queueMicrotask(() => void look());
    },
    setCap: (cap) => {
      store.setCap(cap, clock.now());
      void look();
    },
    off: () => {
      store.dropSource();
      return store.open();
    },
    // While one is open this is no news: asking about it is what looks at the balance.
    balanceLooked: () => {
      if (store.open() === undefined && isNewDue()) void look();
    },
    isDue: () => {
      const source = store.source();
      return (
        source !== undefined && source.stopped === undefined && (store.open() !== undefined || isNewDue())
      );
    },
    isOne: (operation) => store.find(operation) !== undefined,
    counts: () => counted,
    start: (may = mayBegin) => {
      mayBegin = may;
      isStarted = true;
      void look();
      background.repeat('looking after automatic top-ups', everyMs, look);
    },
    look,
    close: background.close,
  };
}
