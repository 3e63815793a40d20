import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { MintUrl, OperationId, OperationKind } from './wallet-types.ts';

/** Where the books do not add up. */
export type BookProblem =
  /** Reserved by an operation that is closed, or by none. */
  | { readonly kind: 'reserved-by-closed'; readonly amount: Sat; readonly operation: OperationId | undefined }
  | { readonly kind: 'sent-without-token'; readonly amount: Sat; readonly operation: OperationId | undefined }
  /** An operation that brought in `amount`, and whose proofs are worth something else. */
  | {
      readonly kind: 'made-other';
      readonly operation: OperationId;
      readonly made: Sat;
      readonly amount: Sat;
    }
  /** One that put in `amount`, of which came out, was paid and was its fee something else. */
  | {
      readonly kind: 'inputs-other';
      readonly operation: OperationId;
      readonly made: Sat;
      readonly amount: Sat;
    }
  /** One that is booked, and that the mint calls unpaid. */
  | { readonly kind: 'top-up-unpaid'; readonly operation: OperationId; readonly amount: Sat }
  /** Money at a node that says that it has less than it should, or does not know it. Sums in sat. */
  | {
      readonly kind: 'node';
      readonly run: string;
      readonly node: string;
      readonly expected: Sat;
      /** undefined: it does not know it. */
      readonly found: Sat | undefined;
    }
  /** A run, and its row of the ledger, which say something else. */
  | { readonly kind: 'ledger-other'; readonly run: string }
  /** A settled row of the ledger in which `budget = spent + refund + fee` does not hold. */
  | { readonly kind: 'ledger'; readonly run: number };

/** What a check has put right. */
export type Mended =
  /** An operation that was open and is not any more. */
  | {
      readonly kind: 'settled';
      readonly operation: OperationId;
      readonly what: OperationKind;
      readonly state: string;
      readonly amount: Sat;
    }
  /** A top-up that was paid and never issued: its money is here now. */
  | { readonly kind: 'issued'; readonly operation: OperationId; readonly amount: Sat }
  /** Signed for operations that had failed, and unspent: here now. */
  | {
      readonly kind: 'came-through';
      readonly mint: MintUrl;
      readonly amount: Sat;
      readonly operation: OperationId;
    }
  /** A token that somebody has claimed. */
  | { readonly kind: 'claimed'; readonly operation: OperationId; readonly amount: Sat }
  /** Counted as ready, and spent at the mint: `operation` stands in the history and has the proofs' names. */
  | {
      readonly kind: 'put-aside';
      readonly mint: MintUrl;
      readonly amount: Sat;
      readonly operation: OperationId;
    }
  /** Counted as ready, and in the middle of a payment of somebody with the same words: put aside until that ends. */
  | { readonly kind: 'being-paid'; readonly mint: MintUrl; readonly amount: Sat }
  /** Put aside before, and unspent: ready again. */
  | { readonly kind: 'free-again'; readonly mint: MintUrl; readonly amount: Sat }
  /** Reserved by nobody who needs it, and unspent: ready again. */
  | { readonly kind: 'let-go'; readonly mint: MintUrl; readonly amount: Sat };

/** What a check could not look at, and why: the kind of a `MintProblem`, or as is said below. */
export type NotLooked =
  /** Nothing of it, or not all. `not-accepted`: it was taken out, and is not asked. */
  | { readonly what: 'mint'; readonly mint: MintUrl; readonly why: string }
  | {
      readonly what: 'top-ups';
      readonly mint: MintUrl;
      readonly count: number;
      /** `too-many`: the next check asks for them. */
      readonly why: string;
    }
  /** How it ends is not known yet, or a person has to look. `why`: `open`, or their trouble. */
  | {
      readonly what: 'operation';
      readonly operation: OperationId;
      readonly kind: OperationKind;
      readonly mint: MintUrl;
      readonly amount: Sat;
      readonly why: string;
    }
  /** Money at a node that was not asked, or could not say; `why`: `under_way`, `node_away`, `doubtful`, `owed` or `no_bot`. */
  | {
      readonly what: 'run';
      readonly run: string;
      readonly node: string;
      readonly amount: Sat;
      readonly why: string;
    }
  /** It signs no more, and was not searched for older money to its end: the mint said no, or some is being paid with. */
  | { readonly what: 'old-keyset'; readonly mint: MintUrl; readonly keyset: string }
  /** Its mint shows it no longer; the state of its proofs was had, whether they can be spent is not known. */
  | {
      readonly what: 'keyset';
      readonly mint: MintUrl;
      readonly keyset: string;
      readonly amount: Sat;
      readonly why: 'gone';
    };

export type CheckReport = {
  /** Nothing contradicts anything: the books themselves, and those of whoever was asked. */
  readonly consistent: boolean;
  readonly problems: readonly BookProblem[];
  /** Proofs that the mint calls spent although they were ready here: the seed is used elsewhere, or stolen. */
  readonly spentElsewhere: Sat;
  /** Ready, reserved, in tokens that are out, put aside: each held against its mint (NUT-07). */
  readonly checkedProofs: number;
  /** Held against their quotes, now or in an earlier check that had a final answer. */
  readonly checkedTopUps: number;
  readonly mended: readonly Mended[];
  readonly notLooked: readonly NotLooked[];
  /** Mints that did not answer. */
  readonly unreachable: readonly MintUrl[];
};

/** What a check has come to know so far; others add what they know (`WalletJournal.addCheck`). */
export type CheckFindings = {
  readonly add: (mended: Mended) => void;
  readonly addProblem: (problem: BookProblem) => void;
  readonly skip: (part: NotLooked) => void;
};
/** A part of `check` by somebody who keeps their books in this wallet. Is not to throw but for the signal. */
export type FurtherCheck = (findings: CheckFindings, signal: AbortSignal) => Promise<void>;
