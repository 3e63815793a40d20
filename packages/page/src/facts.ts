/** What goes on and what waits; a visitor's own, or everybody's for an admin. */
export type NowFacts = {
  /** Those that run, and the first of those that wait. */
  readonly runs: readonly RunFacts[];
  /** How many wait in all; absent: those are all. */
  readonly waiting?: number;
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

/** A conversation with an agent; a visitor's own. */
export type SessionFacts = {
  readonly id: string;
  readonly title: string;
  readonly workspace: string;
  readonly mode: string;
  readonly branch: string | undefined;
  /** Chosen for it; undefined: the default, and whichever provider its owner has chosen. */
  readonly model: string | undefined;
  readonly provider: string | undefined;
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
  readonly model: string | undefined;
  readonly provider: string | undefined;
  /** What it changed in the workspace; undefined: nobody can tell. */
  readonly changed: readonly ChangedFile[] | undefined;
  /** Its changes were taken back. */
  readonly undone: boolean;
};
export type ChangedFile = { readonly file: string; readonly added: number; readonly removed: number };
/** The diff of one task, as `!diff` gives it, or why there is none. */
export type DiffFacts =
  | { readonly state: 'known'; readonly files: readonly (ChangedFile & { readonly diff: string })[] }
  | { readonly state: 'refused'; readonly why: string };
/** What a session can be begun with. */
export type SessionChoices = {
  readonly workspaces: readonly string[];
  readonly providers: readonly string[];
  /** The workspace, and who pays, where nothing else is said. */
  readonly workspace: string;
  readonly provider: string;
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
  /** Sat that they may spend a day; undefined: no limit of their own. */
  readonly limit: number | undefined;
  /** Sat spent or at stake today; undefined: there is no wallet. */
  readonly used: number | undefined;
  /** Npub of the admin who let them in, and when (ms). */
  readonly added: { readonly by: string; readonly at: number } | undefined;
};
/** A code that nobody has used yet. */
export type InviteFacts = {
  /** Its number in `!invite list`. */
  readonly number: number;
  readonly by: string;
  readonly madeAt: number;
  readonly expiresAt: number;
};

/** Who can pay for the visitor's tasks: theirs alone, also for an admin. */
export type ProvidersFacts = {
  /** What their tasks use, unless their session says otherwise. */
  readonly preferred: string;
  /** The session that their next task goes on with, and who pays there whatever is preferred. */
  readonly session: { readonly id: string; readonly provider: string | undefined } | undefined;
  /** `local` and `routstr` first, then their own connections. */
  readonly providers: readonly ProviderFacts[];
  /** A login of theirs that waits for what they do elsewhere. */
  readonly login: LoginFacts | undefined;
  /** What can be connected, as far as it was asked for. */
  readonly found: readonly ConnectableFacts[];
  /** Keys that are on the host already, and could be connected; for whoever runs it. `from`: a variable, or `auth.json`. */
  readonly oldKeys: readonly { readonly id: string; readonly name: string; readonly from: string }[];
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
export type LoginFacts = {
  readonly provider: string;
  readonly url: string;
  /** The provider's words, a code perhaps. */
  readonly instructions: string;
  /** They are given a code there, and bring it back. */
  readonly wantsCode: boolean;
};
export type ConnectableFacts = {
  readonly id: string;
  readonly name: string;
  readonly connected: boolean;
  readonly takesKey: boolean;
  readonly logsIn: boolean;
  /** It is an address that may announce a provider: what it says is asked for first. */
  readonly announces: boolean;
};
