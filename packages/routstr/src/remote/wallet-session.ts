import type {
  Balance,
  LedgerEntry,
  OperationId,
  OperationSummary,
  Received,
  SentToken,
  TokenPreview,
  TopUp,
  TopUpState,
  WalletConfig,
  WithdrawalQuote,
} from '@nostr-dm-agent/cashu-wallet';
import type { WalletAnswer } from '@nostr-dm-agent/cashu-wallet/remote';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { NodeUrl } from '../node/node-url.ts';
import type {
  KeyAtNode,
  KeyFacts,
  KeyInvoice,
  KeyNews,
  MadeKey,
  RefundedKey,
  ToppedUp,
} from './key-facts.ts';

/** What pays. A token is redeemed into the wallet first: who gave it would know the key that it becomes. */
export type KeyPayment =
  | { readonly from: 'token'; readonly token: string }
  | { readonly from: 'wallet'; readonly amount: Sat }
  /** The node makes the invoice; who pays it is not asked. */
  | { readonly from: 'invoice'; readonly amount: Sat };

/** Of something that waits for a payer. */
export type Waiting<Invoice> = {
  /** There is something to be paid: to be shown. It is on disk. */
  readonly onInvoice?: (invoice: Invoice) => void;
  /** It was asked again, and is not paid. */
  readonly onAsked?: () => void;
};

/**
 * The wallet and the persistent keys of this user, whoever has the wallet open: a bot that is running, another process
 * that serves it, or this one. It may change hands at any time; nobody sees that.
 *
 * Every method takes a signal. Aborting ends the waiting, here and where the work is done, and loses nothing: what was
 * begun is finished by whoever opens the wallet next, and told there (`news`). What is refused is an answer; what is
 * thrown is a RemoteError: facts (`RemoteErrorFacts`), `cause` kept.
 */
export type WalletSession = {
  /** What is in the wallet, from the disk; no mint is asked. */
  readonly balance: (signal: AbortSignal) => Promise<Balance>;
  /** What a token is; nobody is asked, nothing is redeemed. @throws RemoteError `TokenRefusedError` when it is none */
  readonly decode: (token: string, signal: AbortSignal) => Promise<TokenPreview>;
  readonly receive: (token: string, signal: AbortSignal) => Promise<Received & { readonly balance: Balance }>;

  /**
   * Makes a key at a node. Of an invoice it waits until it is paid: aborted, the key stays `waiting`, and `waitForKey`
   * or any later start finds a payment.
   */
  readonly makeKey: (
    request: KeyPayment & { readonly node: NodeUrl },
    signal: AbortSignal,
    waiting?: Waiting<KeyInvoice>,
  ) => Promise<Exclude<MadeKey, { state: 'unpaid' }>>;
  /** Goes on waiting for a key whose invoice was not paid yet. */
  readonly waitForKey: (
    id: string,
    signal: AbortSignal,
    waiting?: Waiting<KeyInvoice>,
  ) => Promise<Exclude<MadeKey, { state: 'unpaid' }>>;
  /** Adds money to a key, by its id. */
  readonly topUpKey: (
    id: string,
    payment: KeyPayment,
    signal: AbortSignal,
    waiting?: Waiting<KeyInvoice>,
  ) => Promise<Exclude<ToppedUp, { state: 'unpaid' }>>;
  /** Brings what is on a key home into the wallet; the key is worth nothing afterwards. */
  readonly refundKey: (id: string, signal: AbortSignal) => Promise<RefundedKey>;
  /** Those that may have money at a node, oldest first; `all`: closed ones, too. */
  readonly keys: (which: 'open' | 'all', signal: AbortSignal) => Promise<readonly KeyFacts[]>;
  /** By its id, or by the key itself (`sk-…`); its node is asked. undefined: it was not made here. */
  readonly keyInfo: (idOrKey: string, signal: AbortSignal) => Promise<KeyAtNode | undefined>;
  /** The whole key of one that is kept; undefined: there is none of this id, or it is not kept. */
  readonly keySecret: (id: string, signal: AbortSignal) => Promise<string | undefined>;
  /** What became of what was cut off earlier. Told once. */
  readonly news: (signal: AbortSignal) => Promise<readonly KeyNews[]>;

  /** An invoice that fills the wallet; waits until it is paid, or expired for good. */
  readonly topUpWallet: (
    amount: Sat,
    signal: AbortSignal,
    waiting?: Waiting<TopUp>,
  ) => Promise<{ readonly state: TopUpState; readonly balance: Balance }>;
  /** What paying an invoice or address costs; nothing is reserved. `withdraw` does it. */
  readonly quoteWithdrawal: (
    request: { readonly to: string; readonly amount?: Sat | 'all' },
    signal: AbortSignal,
  ) => Promise<WithdrawalQuote>;
  readonly withdraw: (operation: OperationId, signal: AbortSignal) => Promise<WalletAnswer<'pay'>>;
  /** A token that nets its receiver this; it is in `token`. */
  readonly send: (
    amount: Sat,
    signal: AbortSignal,
  ) => Promise<SentToken & { readonly token: string; readonly balance: Balance }>;
  /** Newest first. */
  readonly history: (
    limit: number,
    signal: AbortSignal,
  ) => Promise<{ readonly runs: readonly LedgerEntry[]; readonly operations: readonly OperationSummary[] }>;
  /** All of the books: ledger, operations, keys. Holds no secret. */
  readonly export: (signal: AbortSignal) => Promise<{
    readonly ledger: readonly LedgerEntry[];
    readonly operations: readonly OperationSummary[];
    readonly keys: readonly KeyFacts[];
  }>;
  /** Gives the wallet back, if this process has it: after what is under way. */
  readonly close: () => Promise<void>;
};

/** Whose wallet it is. */
export type SessionConfig = {
  /** `BOT_HOME`: where whoever has the wallet open has its socket. Made 0700 when it is missing. */
  readonly home: string;
  readonly wallet: WalletConfig;
};
