import type { Brand } from '@nostr-dm-agent/kit/brand';
import type { Sat } from '@nostr-dm-agent/kit/sat';

/** A mint's address, normalised: lower-case host, no slash at the end, no credentials, query or fragment. */
export type MintUrl = Brand<string, 'MintUrl'>;
/** One wallet action that moves value. Short enough to be typed by an owner. */
export type OperationId = Brand<string, 'OperationId'>;
/** A payment request (NUT-18 `i`). */
export type RequestId = Brand<string, 'RequestId'>;
/** A token that was put away raw, before it is redeemed. */
export type KeptTokenId = Brand<number, 'KeptTokenId'>;

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
export type Balance = Holdings & {
  /** Of keysets that ended before it could be moved, or that their mints know no more; not in `ready`. Absent: none. */
  readonly unusable?: Sat;
  readonly mints: readonly (Holdings & { readonly mint: MintUrl })[];
};

export type WalletInfo = {
  /** First characters of a hash of the seed: names the wallet without giving anything away. */
  readonly fingerprint: string;
  readonly file: string;
  readonly defaultMint: MintUrl;
  readonly mints: readonly MintUrl[];
  /** Mints that the configuration names by an address that they had before. */
  readonly moved: readonly { readonly before: MintUrl; readonly today: MintUrl }[];
  readonly maxBalance: Sat;
};

/** A mint that is known by another address now. */
export type RenamedMint = {
  readonly from: MintUrl;
  readonly to: MintUrl;
  /** So many were compared, ids and keys; 0: it was renamed before. */
  readonly keysets: number;
  /** Ready there. */
  readonly ready: Sat;
  /** The configuration names it by an old address: that works on, and is to be changed there. */
  readonly configured: boolean;
  /** Whether it shows the public key that it had (NUT-06); undefined: it shows none. */
  readonly sameKey: boolean | undefined;
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
  /** The other way to pay it, where payers can reach us. */
  readonly request: PaymentRequest | undefined;
};
/** Asks a Cashu wallet for ecash (NUT-18), delivered over Nostr to a key of its own. */
export type PaymentRequest = {
  readonly id: RequestId;
  /** `creqA…`, to be copied. */
  readonly text: string;
  /** The same in NUT-26 (`CREQB…`), in the upper case that makes a QR code small. */
  readonly qr: string;
};
export type TopUpState = 'unpaid' | 'paid' | 'expired';
/** A top-up that somebody asked for, and how it stands. `expired` can be paid late all the same, and is noticed then. */
export type AskedTopUp = TopUp & { readonly state: TopUpState };

/** Whom to pay over Lightning. */
export type PayRequest = {
  /** An invoice, a Lightning address, an LNURL, or a `bitcoin:` link with one of these. */
  readonly to: string;
  /** For what names none. `all`: as much as there is, less what it costs. */
  readonly amount?: Sat | 'all' | undefined;
  /** Default: the default mint; for `all` the one that has the most. */
  readonly mint?: MintUrl;
};
/** What paying an invoice will cost. Nothing is reserved yet. */
export type WithdrawalQuote = {
  readonly operation: OperationId;
  readonly mint: MintUrl;
  readonly amount: Sat;
  /** At most this for Lightning; what it does not use comes back if `returnsChange`. */
  readonly feeReserve: Sat;
  /** At most this for the mint, whatever becomes of the payment. */
  readonly inputFee: Sat;
  /** The mint gives back what Lightning did not cost (NUT-08); else it keeps it. */
  readonly returnsChange: boolean;
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

/** What somebody with the same words had made at a mint (an older or another database), and what became of it. */
export type FoundMoney = {
  readonly operation: OperationId;
  readonly mint: MintUrl;
  /** Unspent, and in this wallet now. */
  readonly recovered: Sat;
  /** Spent already. */
  readonly spent: Sat;
  /** Counted as ready here until now, and spent by them. */
  readonly lost: Sat;
};

/** Money of a keyset that ends soon (NUT-02) and could not be moved into another one yet, or that has ended. */
export type EndingMoney = {
  /** `sent`: in tokens that nobody has claimed; they can be taken back before it ends. */
  readonly held: 'ready' | 'sent';
  readonly mint: MintUrl;
  readonly keyset: string;
  readonly amount: Sat;
  /** Milliseconds since the Unix epoch. */
  readonly endsAt: number;
  readonly ended: boolean;
};

export type RestoreReport = {
  readonly recovered: Sat;
  readonly proofs: number;
  readonly unreachable: readonly MintUrl[];
  /** Keysets whose keys a mint does not give any more. */
  readonly unsearched: readonly string[];
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

/** Which rows of the ledger. */
export type LedgerFilter = {
  /** Words that are all in the task, model, provider or node; upper and lower case of ASCII are the same. */
  readonly text?: string | undefined;
  readonly owner?: string | undefined;
  readonly state?: string | undefined;
  /** Since this moment, and before this one (ms). */
  readonly from?: number | undefined;
  readonly until?: number | undefined;
};
/** The row after which to go on. */
export type LedgerPlace = Pick<LedgerEntry, 'ts' | 'id'>;

/** What the runs of one owner with one model cost on one day. */
export type SpendSummary = Pick<LedgerEntry, 'owner' | 'model'> & {
  /** `2026-11-22`, where the bot is. */
  readonly day: string;
  readonly runs: number;
  /** With fees. */
  readonly spent: Sat;
  /** Budgets of runs that are not settled; most of it may come back. */
  readonly open: Sat;
  /** It is that of so many owners together, who spent less than those who are named. */
  readonly others?: number;
};

/** `days`: a moment of each day (ms), one after the other. `most`: as many names are told apart, others being one of them. */
export type SpendQuestion = {
  readonly days: readonly number[];
  readonly most: number;
  readonly by: 'model' | 'owner';
  /** Only theirs. */
  readonly owner?: string | undefined;
};
/** What one model, or one owner, or all `isOthers` together, cost on the day of that moment. */
export type DaySpend = Pick<SpendSummary, 'runs' | 'spent' | 'open'> & {
  readonly day: number;
  /** undefined: no model is known, or it is nobody's. */
  readonly name: string | undefined;
  readonly isOthers?: true;
};

/**
 * What became of a kept token: `new`: to be redeemed; `redeemed`: it brought money; `known`: what is in it had come in as
 * something else; `spent`: it is somebody else's.
 */
export type KeptState = 'new' | 'redeemed' | 'known' | 'spent';

/** What is ours now, told inside the transaction that books it. */
export type Redeemed =
  /** A token that `keep` had put away. */
  | { readonly kind: 'kept'; readonly token: KeptTokenId; readonly received: Received }
  /** A token of ours that nobody had claimed; `sent` is the operation that made it. */
  | { readonly kind: 'reclaimed'; readonly sent: OperationId; readonly received: Received };

/** `all`: at start. `due`: later, with pauses that grow while a mint is away. */
export type RecoveryScope = 'all' | 'due';

/**
 * When a transaction has to be on the disk. A killed process undoes neither.
 * - `now`: when it returns.
 * - `soon`: with the next one that is `now`, at the latest; a power cut before that undoes it, as if it had not come so
 *   far. For a step that nothing outside rests on yet: waiting for the disk is most of what a step costs.
 */
export type Durability = 'now' | 'soon';
