/*
 * What the wallet can do, in small faces: whoever uses it takes the ones that it needs. Methods that reach a mint take a
 * signal; aborting it stops the waiting and never loses money: what was begun is finished by `recover`. Errors are those
 * of `wallet-errors.ts`.
 */

import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { AtRest } from './at-rest/database-at-rest.ts';
import type { Sealer } from './at-rest/sealer.ts';
import type { SecretColumn } from './at-rest/secret-columns.ts';
import type { CheckReport, FurtherCheck } from './check-types.ts';
import type {
  Delivery,
  OpenRequest,
  PaymentOutcome,
  RequestMailbox,
  RequestNews,
} from './payment-requests/request-types.ts';
import type {
  AskedTopUp,
  Balance,
  DaySpend,
  Durability,
  EndingMoney,
  FoundMoney,
  KeptState,
  KeptTokenId,
  LedgerEntry,
  LedgerFilter,
  LedgerPlace,
  MintUrl,
  Moved,
  MoveOperations,
  MoveQuote,
  MoveRequest,
  NewLedgerEntry,
  OperationId,
  OperationSummary,
  PayRequest,
  Received,
  ReceiveOptions,
  Reclaimed,
  RecoveryReport,
  RecoveryScope,
  Redeemed,
  RenamedMint,
  RestoreReport,
  SendQuote,
  SendRequest,
  SentToken,
  SpendQuestion,
  SpendSummary,
  TokenPreview,
  TopUp,
  TopUpState,
  WalletInfo,
  Withdrawal,
  WithdrawalQuote,
} from './wallet-types.ts';

/** Money out, as tokens. */
export type Spend = {
  readonly quoteSend: (
    /** `all`: as much as there is at that mint, less what it costs. */
    request: Pick<SendRequest, 'mint'> & { readonly amount: Sat | 'all' },
    signal: AbortSignal,
  ) => Promise<SendQuote>;
  readonly send: (request: SendRequest, signal: AbortSignal) => Promise<SentToken>;
  /** The token's text, to be put on the wire after this: from now on it may be with `to`. Can be called again. */
  readonly handOver: (operation: OperationId, to: string) => string;
  /** The operation that was begun with this key. undefined: none, or it was undone and moved nothing. */
  readonly operationFor: (key: string) => OperationSummary | undefined;
  /**
   * The receiver has proven that the token's value is with it: it counts as `sent` no longer and can't be reclaimed.
   * To be called inside `transaction`. @throws OperationStateError when there is no token
   */
  readonly confirmClaimed: (operation: OperationId) => void;
  /**
   * Waits until one of these tokens of a mint is claimed or taken back (NUT-17 where the mint has it, else by asking with
   * pauses that grow).
   */
  readonly watchClaims: (
    mint: MintUrl,
    operations: readonly OperationId[],
    signal: AbortSignal,
  ) => Promise<void>;
  /** Takes an unclaimed token back, or finds that it was claimed. */
  readonly reclaim: (operation: OperationId, signal: AbortSignal) => Promise<Reclaimed>;
};

/** Money out, over Lightning; to another accepted mint, too. */
export type Pay = {
  readonly quoteWithdrawal: (
    /** The amount is for an invoice that names none. */
    request: { readonly invoice: string; readonly amount?: Sat; readonly mint?: MintUrl },
    signal: AbortSignal,
  ) => Promise<WithdrawalQuote>;
  /** The same for whatever can be paid. @throws LnurlError, too */
  readonly quotePayment: (request: PayRequest, signal: AbortSignal) => Promise<WithdrawalQuote>;
  /** An invoice for exactly this amount from a Lightning address or LNURL. @throws LnurlError */
  readonly requestInvoice: (address: string, amount: Sat, signal: AbortSignal) => Promise<string>;
  readonly withdraw: (operation: OperationId, signal: AbortSignal) => Promise<Withdrawal>;
  /** What it would cost to bring money to another accepted mint, over Lightning. */
  readonly quoteMove: (request: MoveRequest, signal: AbortSignal) => Promise<MoveQuote>;
  /** Does it. What an error or a crash leaves open is finished by `recover`: paid is asked for until it has arrived. */
  readonly move: (operations: MoveOperations, signal: AbortSignal) => Promise<Moved>;
};

/** Money in. */
export type Receive = {
  readonly decode: (token: string) => TokenPreview;
  readonly receive: (token: string, options: ReceiveOptions, signal: AbortSignal) => Promise<Received>;
  /** `invoiceOnly`: without a payment request beside it. */
  readonly topUp: (
    request: {
      readonly amount: Sat;
      readonly mint?: MintUrl;
      readonly owner?: string;
      readonly note?: string;
      readonly invoiceOnly?: true;
    },
    signal: AbortSignal,
  ) => Promise<TopUp>;
  /** What an invoice is over (msat; undefined: the payer chooses), and until when (ms) it is paid. @throws InvoiceRefusedError */
  readonly readInvoice: (invoice: string) => {
    readonly amountMsat: number | undefined;
    readonly expiresAt: number;
  };
  /** Asks once whether it was paid, and takes the money when it was. */
  readonly claimTopUp: (operation: OperationId, signal: AbortSignal) => Promise<TopUpState>;
  /** Waits until it is paid and taken (NUT-17 where the mint has it, else by asking), or expired for good. */
  readonly watchTopUp: (operation: OperationId, signal: AbortSignal) => Promise<TopUpState>;
};

/** Money in, as ecash that a payer sends to a key of its own (NUT-18). Who carries messages puts it to use. */
export type PaymentRequests = {
  /**
   * From now on each top-up also gives a request.
   *
   * @param addressOf where payers reach a public key (hex): an nprofile; undefined: nowhere, now
   * @param onChange the mailboxes are others; called after they are on disk
   */
  readonly reachedAt: (addressOf: (publicKey: string) => string | undefined, onChange: () => void) => void;
  /** The keys that payments may come to now. */
  readonly mailboxes: () => readonly RequestMailbox[];
  /** Since when (ms) payments may have been sent to them. */
  readonly since: () => number;
  /** Takes what a stranger has sent to a mailbox; reaches no mint. Durable when it returns. */
  readonly deliver: (publicKey: string, content: string) => Delivery;
  /** Redeems the payment that waits the longest; undefined: none is due. `recover` does it too. */
  readonly redeemNext: (signal: AbortSignal) => Promise<PaymentOutcome | undefined>;
  /** What nobody was told yet, in the order in which it came. */
  readonly news: () => readonly RequestNews[];
  /** It has been: durably, by whoever calls this. */
  readonly newsTold: (news: RequestNews) => void;
  /** This database may be older than the last request that was made with its words: looks for payments to such, too. */
  readonly lookForOlder: () => void;
  /** Not paid yet, newest first; those of one owner when they are named. */
  readonly open: (owner?: string) => readonly OpenRequest[];
  /** Face value of what has come for the request of a top-up; undefined: it has none. */
  readonly paidFor: (topUp: OperationId) => Sat | undefined;
};

/** Tokens that are put on disk as they came. For change: its sender will not send it twice. */
export type KeptTokens = {
  /** The same token again gives the same id. */
  readonly keep: (token: string, source: string) => KeptTokenId;
  readonly keptState: (id: KeptTokenId) => KeptState;
  /**
   * Redeems it; `recover` does it too. @throws TokenRefusedError `already-received` when nothing in it is new: it came
   * in before as something else, or is of a token of ours, however it is written now
   */
  readonly redeem: (id: KeptTokenId, signal: AbortSignal) => Promise<Received>;
  /**
   * Calls the listener inside the transaction that books a kept or reclaimed token, whoever set it off (`recover`
   * too). What it throws undoes that transaction: the token stays where it was. Gives the way to end it.
   */
  readonly onRedeemed: (listener: (redeemed: Redeemed) => void) => () => void;
};

/** What there is, read from the disk. */
export type Overview = {
  readonly info: () => WalletInfo;
  readonly balance: () => Balance;
  /** By its id, or by a beginning of it (three letters or more) that means one operation. */
  readonly operation: (id: string) => OperationSummary | undefined;
  /** Newest first. `owner`: only those that bring something in for them. */
  readonly operations: (filter: {
    readonly limit: number;
    readonly unfinished?: boolean;
    readonly owner?: string;
  }) => readonly OperationSummary[];
  /** Invoices of an owner that wait to be paid, and those that ended since a moment (ms). Newest first. */
  readonly askedTopUps: (owner: string, endedSince: number) => readonly AskedTopUp[];
};

/** Which mints are accepted, beside those of the configuration. */
export type MintList = {
  /** Which of the accepted mints this address means, however it is written. */
  readonly acceptedMint: (url: string) => MintUrl | undefined;
  /** Reads an address and accepts its mint from now on. @throws MintError `not-accepted` when it is no address */
  readonly addMint: (url: string) => MintUrl;
  /** Takes back `addMint`; what is there stays ours. @throws MintError `not-accepted` when it is not accepted, `configured` */
  readonly removeMint: (url: string) => MintUrl;
  /** A mint has moved: compares the keysets, then it is known by its new address. @throws RenameRefusedError, MintError */
  readonly renameMint: (
    request: { readonly from: string; readonly to: string },
    signal: AbortSignal,
  ) => Promise<RenamedMint>;
  /**
   * Learns the keysets of every accepted mint, so that nobody waits for it later, and puts its money in order when nothing
   * else is done there. Mints that are away are left out.
   */
  readonly warmUp: (signal: AbortSignal) => Promise<void>;
};

/** Keeping it in order. */
export type Upkeep = {
  /** Finishes or undoes what an earlier life or a mint that was away left open. Run before any command, then now and then. */
  readonly recover: (signal: AbortSignal, scope?: RecoveryScope) => Promise<RecoveryReport>;
  /** Holds everything against who knows, mends what can be, names what it did not look at. */
  readonly check: (signal: AbortSignal) => Promise<CheckReport>;
  /** Finds what the words alone can find, at every accepted mint. */
  readonly restore: (signal: AbortSignal) => Promise<RestoreReport>;
  /** Older money with these words that was found and has not been told yet. */
  readonly found: () => readonly FoundMoney[];
  /** It has been: durably, by whoever calls this. */
  readonly foundTold: (operations: readonly OperationId[]) => void;
  /** Money of keysets that end soon or have ended, which no other keyset could take. */
  readonly ending: () => readonly EndingMoney[];
  /** Writes a consistent copy of the database, 0600. */
  readonly backup: (path: string) => void;
  readonly close: () => void;
};

/** The ledger of paid runs (`spend_log`). What writes is to be called inside `transaction`. */
export type Ledger = {
  readonly append: (entry: NewLedgerEntry) => number;
  readonly update: (
    id: number,
    changes: Pick<LedgerEntry, 'refund' | 'spent' | 'fee' | 'state'> & Partial<Pick<LedgerEntry, 'budget'>>,
  ) => void;
  readonly find: (id: number) => LedgerEntry | undefined;
  /** Newest first; of one owner when they are named. */
  readonly latest: (limit: number, owner?: string) => readonly LedgerEntry[];
  /** What runs cost since a moment (ms), fees included; those of one owner when they are named. */
  readonly spentSince: (ts: number, owner?: string) => Sat;
  /** Of whole days, the one of `since` (ms) first of all, the newest at the top; on each, who and what cost most. */
  readonly summary: (since: number, owner?: string) => readonly SpendSummary[];
  /** Rows of a filter, newest first, so many at once; whoever looks through a long ledger lets others work in between. */
  readonly search: (
    filter: LedgerFilter,
    range: { readonly before?: LedgerPlace | undefined; readonly atOnce: number },
    signal: AbortSignal,
  ) => AsyncIterable<readonly LedgerEntry[]>;
  /** The figures of `summary` by one of the two; of days without any there are none. */
  readonly spendOfDays: (question: SpendQuestion) => readonly DaySpend[];
};

/** Who brought what into the wallet. Money that nobody is named for is everybody's. */
export type Shares = {
  /** Since when shares are kept apart (ms); undefined: they are not. */
  readonly since: () => number | undefined;
  readonly setSince: (ts: number | undefined) => void;
  /** What operations that were begun for this owner since then (ms) have brought, their fees taken off. */
  readonly brought: (owner: string, since: number) => Sat;
  /** For whom an operation was begun; undefined: for nobody, it is the admins' in common. */
  readonly ownerOf: (operation: OperationId) => string | undefined;
};

/** Whose money it is, and what it went for. */
export type Books = { readonly ledger: Ledger; readonly shares: Shares };

export type Requests = { readonly requests: PaymentRequests };

/** What a row can hold. Booleans are 0 and 1. */
export type Value = string | number | null;

/** Tables of somebody else in the wallet's file. Statements are prepared once; rows are for the caller to check. */
export type Tables = Sealer & {
  readonly all: (sql: string, ...values: readonly Value[]) => readonly unknown[];
  readonly get: (sql: string, ...values: readonly Value[]) => unknown;
  /** To be called inside `transaction`. */
  readonly run: (sql: string, ...values: readonly Value[]) => void;
};

/** For those who keep what their money is for beside it, so that both change at once. */
export type WalletJournal = {
  /**
   * Everything that `work` writes, with the wallet's methods and to tables, happens or nothing does. Inside another
   * one it is a part of that one.
   */
  readonly transaction: <T>(work: () => T, durability?: Durability) => T;
  /**
   * Tables of their own, brought from one version to the next by SQL texts: never edited once released, only appended
   * to. They may refer to `operations (id)`, `kept_tokens (id)` and `spend_log (id)`.
   *
   * @param name theirs for ever
   * @param secrets columns that are written and read by `seal` and `open` alone (or their JSON forms): sealed where the wallet is
   * @throws DatabaseTooNewError
   */
  readonly extension: (
    name: string,
    migrations: readonly string[],
    secrets?: readonly SecretColumn[],
  ) => Tables;
  /** A part of every `check` from now on: what they keep here, against those who know. */
  readonly addCheck: (check: FurtherCheck) => void;
};

/** All of it: for whoever opens the wallet and hands out its faces. */
export type CashuWallet = Spend &
  Pay &
  Receive &
  KeptTokens &
  Overview &
  MintList &
  Upkeep &
  Books &
  Requests &
  WalletJournal & { readonly atRest: Pick<AtRest, 'isSealed' | 'isWiped' | 'turn'> };
