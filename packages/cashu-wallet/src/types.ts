import type { Database } from 'bun:sqlite';
import type { Brand } from '@nostr-dm-agent/kit/brand';
import type { Sat } from '@nostr-dm-agent/kit/sat';

/** A mint's address, normalised: lower-case host, no slash at the end, no credentials, query or fragment. */
export type MintUrl = Brand<string, 'MintUrl'>;
/** One wallet action that moves value. Short enough to be typed by an owner. */
export type OperationId = Brand<string, 'OperationId'>;
/** A token that was put away raw, before it is redeemed. */
export type InboxId = Brand<number, 'InboxId'>;

/** Where the money is. */
export type Holdings = {
  /** Can be spent now. */
  readonly ready: Sat;
  /** Held by operations under way: it becomes `ready`, `sent` or is paid out. */
  readonly reserved: Sat;
  /** In tokens that were made and not claimed yet; can be taken back. */
  readonly sent: Sat;
  /** Face value of tokens and paid invoices on their way in. */
  readonly incoming: Sat;
};
export type Balance = Holdings & { readonly mints: readonly (Holdings & { readonly mint: MintUrl })[] };

export type WalletInfo = {
  readonly name: string;
  /** First characters of a hash of the seed: names the wallet without giving anything away. */
  readonly fingerprint: string;
  readonly file: string;
  readonly defaultMint: MintUrl;
  readonly mints: readonly MintUrl[];
  readonly maxBalance: Sat;
};

export type SendRequest = {
  /** What the receiver nets: the fee of redeeming the token is put on top. */
  readonly amount: Sat;
  /** Default: the default mint. */
  readonly mint?: MintUrl;
  /** How the token is to name its mint, for a receiver who compares texts. Default: as the wallet does. */
  readonly mintName?: string;
  /** The same key again gives the same operation, also after a crash: nothing is sent twice. */
  readonly key?: string;
  /** For people: what it is for. */
  readonly note?: string;
};

/** What a token would cost. Nothing is reserved: the real thing may differ by what happens meanwhile. */
export type SendQuote = {
  readonly mint: MintUrl;
  /** What the receiver nets. */
  readonly amount: Sat;
  /** `amount` and the receiver's fee. */
  readonly face: Sat;
  /** What making it costs, beside its face. */
  readonly fee: Sat;
};

/** A token that exists and is on disk. Its text is had from `handOver` alone. */
export type SentToken = {
  readonly operation: OperationId;
  readonly mint: MintUrl;
  /** What the receiver nets. */
  readonly amount: Sat;
  /** Sum of the token's proofs: `amount` and the receiver's fee. */
  readonly face: Sat;
  /** What making it cost, beside its face. */
  readonly fee: Sat;
};

export type ReceiveOptions = {
  /** Refuse what would bring the balance above the cap. Off for money that comes back by itself. */
  readonly cap: boolean;
  /** For whom it is counted as brought in: a public key in hex. A token of our own is nobody's. */
  readonly owner?: string;
};
export type Received = {
  readonly operation: OperationId;
  readonly mint: MintUrl;
  /** What is ours now, the fee already taken off. */
  readonly amount: Sat;
  readonly fee: Sat;
};

/** An invoice that fills the wallet when somebody pays it. */
export type TopUp = {
  readonly operation: OperationId;
  readonly mint: MintUrl;
  readonly amount: Sat;
  /** BOLT11. */
  readonly invoice: string;
  /** Milliseconds since the Unix epoch; undefined: never. A payment that comes later is noticed all the same. */
  readonly expiresAt: number | undefined;
};
export type TopUpState = 'unpaid' | 'paid' | 'expired';

/** What paying an invoice will cost. Nothing is reserved yet. */
export type WithdrawalQuote = {
  readonly operation: OperationId;
  readonly mint: MintUrl;
  readonly amount: Sat;
  /** At most this for Lightning; what it does not use comes back. */
  readonly feeReserve: Sat;
  /** The mint's fee for the proofs, as far as it is known now. */
  readonly inputFee: Sat;
  readonly expiresAt: number | undefined;
};
export type Withdrawal =
  | {
      readonly state: 'paid';
      readonly operation: OperationId;
      readonly amount: Sat;
      readonly fee: Sat;
      readonly preimage: string | undefined;
    }
  /** Under way, perhaps for days; the money stays reserved until the mint says what became of it. */
  | { readonly state: 'pending'; readonly operation: OperationId; readonly amount: Sat };

export type MoveRequest = {
  readonly amount: Sat;
  /** Default: the default mint. */
  readonly from?: MintUrl;
  readonly to: MintUrl;
};
/** What moving money to another mint will cost: that of the withdrawal. Nothing is reserved yet. */
export type MoveQuote = { readonly withdrawal: WithdrawalQuote; readonly topUp: TopUp };
/** The two halves of a move. */
export type MoveOperations = { readonly withdrawal: OperationId; readonly topUp: OperationId };
export type Moved =
  | { readonly state: 'moved'; readonly amount: Sat; readonly fee: Sat }
  /** Paid, and the other mint has not credited it yet: it is asked until it does. */
  | { readonly state: 'paid'; readonly amount: Sat; readonly fee: Sat }
  /** The payment is under way, perhaps for days. */
  | { readonly state: 'pending'; readonly amount: Sat };

export type OperationKind = 'send' | 'receive' | 'mint' | 'melt';

/** One operation as people see it. */
export type OperationSummary = {
  readonly operation: OperationId;
  readonly kind: OperationKind;
  readonly state: string;
  /** Recovery has something to do: the outcome is not known yet. */
  readonly open: boolean;
  readonly mint: MintUrl;
  readonly amount: Sat;
  readonly fee: Sat;
  readonly note: string | undefined;
  /** Something that a person must look at; the operation stays open and nothing of it is thrown away. */
  readonly trouble: string | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
};

export type Reclaimed =
  | { readonly state: 'reclaimed'; readonly amount: Sat; readonly fee: Sat }
  /** The receiver was there first. */
  | { readonly state: 'claimed' };

export type RecoveryReport = {
  /** Operations that were open and are closed now. */
  readonly settled: readonly OperationSummary[];
  /** Still open: the mint is away, or a payment is under way. */
  readonly waiting: readonly OperationSummary[];
  /** Open, and the mint contradicts itself: somebody must look. */
  readonly troubled: readonly OperationSummary[];
};

export type CheckReport = {
  /** The books add up: nothing is held by a closed operation, no operation holds nothing. */
  readonly consistent: boolean;
  readonly problems: readonly string[];
  /** Proofs that the mint calls spent although they are ready here: the seed is used elsewhere, or stolen. */
  readonly spentElsewhere: Sat;
  readonly checkedProofs: number;
  /** Mints that did not answer. */
  readonly unreachable: readonly MintUrl[];
};

export type RestoreReport = {
  readonly recovered: Sat;
  readonly proofs: number;
  readonly unreachable: readonly MintUrl[];
};

/** What a token is, read without any connection. */
export type TokenPreview = {
  readonly mint: string;
  readonly unit: string;
  readonly amount: number;
  readonly proofs: number;
  readonly memo: string | undefined;
  /** `P2PK`, `HTLC`, …: somebody's key or a preimage is needed. */
  readonly lock: string | undefined;
  readonly accepted: boolean;
};

/** One paid run in `spend_log` (docs/design.md#the-ledger): `budget = spent + refund + fee` once it is `settled`. */
export type LedgerEntry = {
  readonly id: number;
  /** Milliseconds since the Unix epoch. */
  readonly ts: number;
  readonly provider: string;
  readonly budget: Sat;
  readonly refund: Sat;
  readonly spent: Sat;
  readonly fee: Sat;
  readonly model: string | undefined;
  readonly sessionId: string | undefined;
  /** The first 80 characters of the task. */
  readonly promptPrefix: string;
  readonly state: string;
  readonly nodeUrl: string | undefined;
  /** Whose run it was: a public key in hex. undefined: nobody's. */
  readonly owner: string | undefined;
};
export type NewLedgerEntry = Omit<LedgerEntry, 'id' | 'owner'> & Partial<Pick<LedgerEntry, 'owner'>>;

/** What the runs of one owner with one model cost on one day. */
export type SpendSummary = Pick<LedgerEntry, 'owner' | 'model'> & {
  /** `2026-11-22`, where the bot is. */
  readonly day: string;
  readonly runs: number;
  /** With fees. */
  readonly spent: Sat;
  /** Budgets of runs that are not settled; most of it may come back. */
  readonly open: Sat;
};

/** The ledger of paid runs. What writes is to be called inside `AnyWallet.write`. */
export type Ledger = {
  readonly append: (entry: NewLedgerEntry) => number;
  readonly update: (
    id: number,
    changes: Pick<LedgerEntry, 'refund' | 'spent' | 'fee' | 'state'> & Partial<Pick<LedgerEntry, 'budget'>>,
  ) => void;
  /** Newest first; of one owner when he is named. */
  readonly latest: (limit: number, owner?: string) => readonly LedgerEntry[];
  /** What runs cost since a moment (ms), fees included; those of one owner when he is named. */
  readonly spentSince: (ts: number, owner?: string) => Sat;
  /** The newest day first; on each, who and what cost most. */
  readonly summary: (since: number, owner?: string) => readonly SpendSummary[];
};

/** Who brought what into the wallet. Money that nobody is named for is everybody's. */
export type Accounts = {
  /** Since when accounts are kept apart (ms); undefined: they are not. */
  readonly since: () => number | undefined;
  readonly setSince: (ts: number | undefined) => void;
  /** What operations that were begun for this owner since then (ms) have brought, their fees taken off. */
  readonly brought: (owner: string, since: number) => Sat;
  /** For whom an operation was begun; undefined: for nobody, it is the admins' in common. */
  readonly ownerOf: (operation: OperationId) => string | undefined;
};

/** What is ours again, told inside the transaction that books it. */
export type Homecoming =
  /** A token that `keep` had put away. */
  | { readonly kind: 'redeemed'; readonly inbox: InboxId; readonly received: Received }
  /** A token of ours that nobody had claimed; `sent` is the operation that made it. */
  | { readonly kind: 'reclaimed'; readonly sent: OperationId; readonly received: Received };

/** The wallet's own database, for what must change in one transaction with its money. Written inside `AnyWallet.write`. */
export type WalletDatabase = Brand<Database, 'WalletDatabase'>;

/** `all`: at start. `due`: later, with pauses that grow while a mint is away. */
export type RecoveryScope = 'all' | 'due';

/**
 * A wallet, as the rest of the program sees it. Methods that reach a mint take a signal; aborting it stops the waiting,
 * never loses money: what was begun is finished by `recover`. Errors are those of `errors.ts`.
 */
export type AnyWallet = {
  readonly name: string;
  readonly info: () => WalletInfo;
  readonly balance: () => Balance;

  readonly quoteSend: (
    request: Pick<SendRequest, 'amount' | 'mint'>,
    signal: AbortSignal,
  ) => Promise<SendQuote>;
  readonly send: (request: SendRequest, signal: AbortSignal) => Promise<SentToken>;
  /** The token's text, to be put on the wire after this: from now on it may be with `to`. Can be called again. */
  readonly handOver: (operation: OperationId, to: string) => string;
  /** The operation that was begun with this key. undefined: none, or it was undone and moved nothing. */
  readonly operationFor: (key: string) => OperationSummary | undefined;
  /**
   * The receiver has proven that the token's value is with it: it counts as `sent` no longer and can't be reclaimed.
   * To be called inside `write`. @throws OperationStateError when there is no token
   */
  readonly confirmClaimed: (operation: OperationId) => void;
  /** Takes an unclaimed token back, or finds that it was claimed. */
  readonly reclaim: (operation: OperationId, signal: AbortSignal) => Promise<Reclaimed>;

  readonly receive: (token: string, options: ReceiveOptions, signal: AbortSignal) => Promise<Received>;
  /** Puts a token on disk as it came. For change: its sender will not send it twice. */
  readonly keep: (token: string, source: string) => InboxId;
  /** Redeems what `keep` put away; `recover` does it too. */
  readonly redeem: (id: InboxId, signal: AbortSignal) => Promise<Received>;

  readonly topUp: (
    request: { readonly amount: Sat; readonly mint?: MintUrl; readonly owner?: string },
    signal: AbortSignal,
  ) => Promise<TopUp>;
  /** Asks once whether it was paid, and takes the money when it was. */
  readonly claimTopUp: (operation: OperationId, signal: AbortSignal) => Promise<TopUpState>;
  /** Waits until it is paid and taken (NUT-17 where the mint has it, else by asking), or expired for good. */
  readonly watchTopUp: (operation: OperationId, signal: AbortSignal) => Promise<TopUpState>;

  readonly quoteWithdrawal: (
    request: { readonly invoice: string; readonly mint?: MintUrl },
    signal: AbortSignal,
  ) => Promise<WithdrawalQuote>;
  /** An invoice over exactly this amount from a Lightning address or LNURL. @throws LnurlError */
  readonly requestInvoice: (address: string, amount: Sat, signal: AbortSignal) => Promise<string>;
  readonly withdraw: (operation: OperationId, signal: AbortSignal) => Promise<Withdrawal>;

  /** What it would cost to bring money to another accepted mint, over Lightning. */
  readonly quoteMove: (request: MoveRequest, signal: AbortSignal) => Promise<MoveQuote>;
  /** Does it. What an error or a crash leaves open is finished by `recover`: paid is asked for until it has arrived. */
  readonly move: (operations: MoveOperations, signal: AbortSignal) => Promise<Moved>;

  readonly decode: (token: string) => TokenPreview;
  /** Newest first. `owner`: only those that bring something in for him. */
  readonly operations: (filter: {
    readonly limit: number;
    readonly unfinished?: boolean;
    readonly owner?: string;
  }) => readonly OperationSummary[];
  /** Reads an address and accepts its mint from now on. @throws MintError `not-accepted` when it is no address */
  readonly addMint: (url: string) => MintUrl;
  /** Which of the accepted mints this address means, however it is written. */
  readonly acceptedMint: (url: string) => MintUrl | undefined;
  /** Takes back `addMint`; what is there stays ours. @throws MintError `not-accepted` when it is not accepted */
  readonly removeMint: (url: string) => MintUrl;
  readonly ledger: Ledger;
  readonly accounts: Accounts;
  /** One IMMEDIATE transaction over the wallet's database; inside another one, a part of it. */
  readonly write: <T>(work: () => T) => T;
  /** The same for a step that nothing outside rests on before the next `write`: a power cut until then undoes it. */
  readonly writeSoon: <T>(work: () => T) => T;
  readonly database: WalletDatabase;
  /**
   * Calls the listener inside the transaction that books a kept or reclaimed token, whoever set it off (`recover`
   * too). What it throws undoes that transaction: the token stays where it was. Gives the way to end it.
   */
  readonly onHomecoming: (listener: (homecoming: Homecoming) => void) => () => void;

  /** Finishes or undoes what an earlier life or a mint that was away left open. Run before any command, then now and then. */
  readonly recover: (signal: AbortSignal, scope?: RecoveryScope) => Promise<RecoveryReport>;
  /** Learns the keysets of every accepted mint, so that nobody waits for it later. Mints that are away are left out. */
  readonly warmUp: (signal: AbortSignal) => Promise<void>;
  readonly check: (signal: AbortSignal) => Promise<CheckReport>;
  /** Finds what the words alone can find, at every accepted mint. */
  readonly restore: (signal: AbortSignal) => Promise<RestoreReport>;
  /** Writes a consistent copy of the database, 0600. */
  readonly backup: (path: string) => void;
  readonly close: () => void;
};
