import type { Sat } from '@nostr-dm-agent/kit/sat';

/** What goes on and what waits; a visitor's own, or everybody's for an admin. */
export type NowFacts = {
  readonly runs: readonly RunFacts[];
  readonly asks: readonly AskFacts[];
};

export type RunFacts = {
  /** Number that its owner knows it by. */
  readonly number: number;
  readonly task: string;
  readonly state: 'waiting' | 'running' | 'settling';
  readonly session: string;
  readonly workspace: string;
  readonly mode: string;
  readonly model: string | undefined;
  readonly provider: string | undefined;
  /** Milliseconds: since it began, or since it waits. */
  readonly forMs: number;
  readonly steps: number;
  /** What its agent did last, in a few words. */
  readonly doing: string | undefined;
  readonly spent: { readonly spent: number; readonly budget: number } | undefined;
  /** Whose it is, where that is another owner. */
  readonly owner: string | undefined;
};

/** What an agent waits for, from this visitor alone. `id`: what an answer is about; `text`: all that a decision needs. */
export type AskFacts = { readonly id: string; readonly text: string } & (
  | { readonly kind: 'approval' }
  | { readonly kind: 'question'; readonly options: readonly string[] }
);

export type MoneyFacts = {
  /** An admin's view of the whole wallet; absent for members. */
  readonly wallet:
    | {
        readonly mints: readonly ({ readonly mint: string } & Holdings)[];
        /** At nodes: of runs under way, owed after runs, kept across runs. */
        readonly nodes: { readonly running: Sat; readonly due: Sat; readonly kept: Sat };
      }
    | undefined;
  /** What a member may spend, where shares are kept apart. */
  readonly share: Sat | undefined;
  /** Newest first. */
  readonly ledger: readonly LedgerFacts[];
  /** What is open, a sentence each. */
  readonly open: readonly string[];
};
export type Holdings = {
  readonly ready: Sat;
  readonly reserved: Sat;
  readonly sent: Sat;
  readonly incoming: Sat;
};
export type LedgerFacts = {
  readonly id: number;
  /** Unix milliseconds. */
  readonly at: number;
  readonly task: string;
  readonly model: string | undefined;
  readonly provider: string;
  readonly state: string;
  readonly budget: Sat;
  readonly spent: Sat;
  readonly refund: Sat;
  readonly fee: Sat;
};

/** A conversation with an agent; a visitor's own. */
export type SessionFacts = {
  readonly id: string;
  readonly title: string;
  readonly workspace: string;
  readonly mode: string;
  readonly branch: string | undefined;
  /** The one that the next task goes on with. */
  readonly current: boolean;
  /** Unix milliseconds. */
  readonly usedAt: number;
};
/** What was said in one, oldest first. */
export type SaidFacts = {
  readonly number: number;
  readonly at: number;
  readonly task: string;
  readonly answer: string | undefined;
  /** Undefined: it is not over. */
  readonly outcome: string | undefined;
};

export type RelayFacts = {
  readonly url: string;
  readonly served: boolean;
  /** Why not, or what does not come through although the rest does. */
  readonly problem: string | undefined;
};

export type OwnerFacts = {
  readonly npub: string;
  readonly role: 'admin' | 'member';
  /** Named in `BOT_OWNERS`: only whoever runs the bot can change them. */
  readonly configured: boolean;
  readonly you: boolean;
};

/** Who can pay for the visitor's tasks: theirs alone, also for an admin. */
export type ProvidersFacts = {
  /** What their tasks use, unless their session says otherwise. */
  readonly preferred: string;
  /** The session that their next task goes on with, and who pays there whatever is preferred. */
  readonly session: { readonly id: string; readonly provider: string | undefined } | undefined;
  /** `local` and `routstr` first, then their own connections. */
  readonly providers: readonly ProviderFacts[];
  /** What can be connected, as far as it was asked for. */
  readonly found: readonly ConnectableFacts[];
  /** So many can be connected in all. */
  readonly known: number;
};
export type ProviderFacts = {
  readonly id: string;
  /** `absent`: it can't be used here, see `fact`. */
  readonly status: 'connected' | 'expired' | 'error' | 'revoked' | 'absent';
  /** It is no connection of theirs: there is nothing to check or to forget. */
  readonly builtIn: boolean;
  readonly fact: string;
  /** Unix milliseconds. */
  readonly usedAt: number | undefined;
  readonly error: string | undefined;
};
/** `key`: what a key of theirs is called. */
export type ConnectableFacts = {
  readonly id: string;
  readonly name: string;
  readonly connected: boolean;
  readonly takesKey: boolean;
};
