import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { Visitor } from './visitor.ts';

/** The wallet, the ledger and what was spent; a member's own, all of it for an admin. */
export type MoneySource = {
  readonly hasWallet: () => boolean;
  /** Npubs of those who may have rows in the ledger, for admins. */
  readonly spenders: () => readonly string[];
  /** undefined: there is no wallet. */
  readonly view: (visitor: Visitor) => MoneyFacts | undefined;
  /** Rows of the ledger, newest first, so many at once; none where there is no wallet. */
  readonly ledger: (
    visitor: Visitor,
    query: LedgerQuery,
    range: { readonly before?: LedgerPlace | undefined; readonly atOnce: number },
    signal: AbortSignal,
  ) => AsyncIterable<readonly LedgerFacts[]>;
  /** `most`: as many names are told apart, all others being one of them. */
  readonly spend: (
    visitor: Visitor,
    question: { readonly days: number; readonly by: 'model' | 'owner'; readonly most: number },
  ) => { readonly days: readonly DayOfSpend[]; readonly spent: readonly DaySpend[] };
};

export type MoneyFacts = {
  /** An admin's view of the whole wallet; absent for members. */
  readonly wallet:
    | {
        readonly all: Holdings;
        /** `owed`: by nodes, of budgets that were made there. */
        readonly mints: readonly ({ readonly mint: string; readonly owed: Sat } & Holdings)[];
        /** At nodes: of runs under way, owed after runs, kept across runs. */
        readonly nodes: { readonly running: Sat; readonly due: Sat; readonly kept: Sat };
      }
    | undefined;
  /** What a member may spend, where shares are kept apart. */
  readonly share: Sat | undefined;
  /** Spent or at stake today, by this visitor; what they may. */
  readonly today: { readonly used: Sat; readonly limit: Sat | undefined };
  /** Invoices of theirs that wait, or ended a moment ago. */
  readonly topUps: readonly TopUpFacts[];
  /** Automatic top-ups, a sentence each; undefined: not for this visitor. */
  readonly autoTopUp: { readonly isOn: boolean; readonly lines: readonly string[] } | undefined;
  /** What is open, a sentence each. */
  readonly open: readonly string[];
  /** What a person must look at. */
  readonly stuck: readonly StuckFacts[];
};
export type Holdings = {
  readonly ready: Sat;
  readonly reserved: Sat;
  readonly sent: Sat;
  readonly incoming: Sat;
};
export type TopUpFacts = {
  readonly id: string;
  readonly amount: Sat;
  readonly mint: string;
  readonly invoice: string;
  /** The same for a Cashu wallet (NUT-18). */
  readonly request: string | undefined;
  /** Unix milliseconds; undefined: never. */
  readonly expiresAt: number | undefined;
  readonly state: 'unpaid' | 'paid' | 'expired';
};
/** Money that does not come home by itself, and all that helps to get it. */
export type StuckFacts = {
  readonly id: string;
  /** What is wrong, in a sentence. */
  readonly problem: string;
  readonly inDoubt: Sat;
  /** What it was for; undefined: it is somebody else's task. */
  readonly task: string | undefined;
  /** Whom to ask: a node, or a mint. */
  readonly where: string;
  /** Npub of who runs it, as it says itself. */
  readonly operator: string | undefined;
  /** Unix milliseconds. */
  readonly since: number;
  /** What is to be done, in order. */
  readonly todo: readonly string[];
  readonly amounts: readonly { readonly name: string; readonly amount: string }[];
  /** Its last answers, oldest first. */
  readonly evidence: readonly {
    readonly at: number;
    readonly step: string;
    readonly outcome: string;
    readonly status: number | undefined;
    readonly said: string;
    readonly requestId: string | undefined;
  }[];
};

/** Which rows of the ledger. */
export type LedgerQuery = {
  /** In task, model, provider or node. */
  readonly text?: string | undefined;
  /** An npub; for admins. */
  readonly owner?: string | undefined;
  readonly state?: string | undefined;
  /** Days (`2026-11-22`), both included, where the bot is. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
};
export type LedgerPlace = { readonly ts: number; readonly id: number };
export type LedgerFacts = {
  readonly id: number;
  /** Unix milliseconds. */
  readonly at: number;
  readonly task: string;
  readonly model: string | undefined;
  readonly provider: string;
  readonly node: string | undefined;
  /** Npub; undefined: the bot's. */
  readonly owner: string | undefined;
  readonly state: string;
  readonly budget: Sat;
  readonly spent: Sat;
  readonly refund: Sat;
  readonly fee: Sat;
};

/** `key` names it; `name` is for people. */
export type DayOfSpend = { readonly key: number; readonly name: string };
/** What one model or one owner cost on one day, fees included; `open`: budgets that are not reckoned. */
export type DaySpend = {
  readonly day: number;
  /** undefined: all others together. */
  readonly name: string | undefined;
  readonly runs: number;
  readonly spent: Sat;
  readonly open: Sat;
};
