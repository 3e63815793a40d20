import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { InboundMessage } from '@nostr-dm-agent/nostr';
import type { Mode } from '../backends/backend.ts';
import type { Owner } from '../config/config.ts';
import type { PreparedFile } from '../files/outgoing-files.ts';
import type { WholeText } from '../runs/messenger.ts';

/** In the order of the help. */
export const families = [
  'Tasks',
  'Sessions',
  'Queue',
  'Schedule',
  'Wallet',
  'Provider',
  'Bot',
  'Owners',
] as const;
export type Family = (typeof families)[number];

/** A command as it was sent. */
export type Call = {
  readonly owner: Owner;
  readonly message: InboundMessage;
  /** What stands after the command's own words, trimmed. */
  readonly argument: string;
  /** An earlier life of the bot had begun it. */
  readonly resumed: boolean;
};

/** What comes of a command: a reply, with more to it or without, or a task for the agent. */
export type Outcome = string | FullReply | OrderedTask;
export type FullReply = {
  readonly reply: string;
  /** The Cashu token in the reply is meant to be there; elsewhere tokens are taken out. */
  readonly holdsToken?: true;
  /** What comes as a file when it is too long; default: the reply, as `reply.md`. */
  readonly whole?: WholeText | 'none';
  /** Files that show what it says; where they can't be sent it says enough. */
  readonly beside?: readonly PreparedFile[];
  /** Messages of their own after it. */
  readonly also?: readonly string[];
  /** Written in the transaction that stores the reply. */
  readonly commit?: () => void;
};
export type OrderedTask = {
  readonly task: string;
  readonly mode?: Mode;
  readonly model?: string;
  readonly job?: 'task' | 'compact';
  /** Of a run that is done again: what its model is shown. */
  readonly pictures?: readonly string[];
  /** A model wrote down what was said. */
  readonly isSpoken?: boolean;
  /** Of this run. Undefined: as the end of the task says (`… !!500`), else the provider's. */
  readonly budget?: Sat | undefined;
};

/** What a command is, apart from what it does: the help, the “did you mean” and the README are made from it. */
type Description = {
  /** Its words after the `!`, e.g. `queue drop`. */
  readonly path: string;
  /** What may follow, e.g. `<n>`. Absent: nothing. */
  readonly parameters?: string;
  readonly family: Family;
  /** One line, without a full stop. */
  readonly summary: string;
  /** What `!help <command>` says beyond the summary. */
  readonly detail?: string;
  /** Absent: its own words alone. */
  readonly examples?: readonly [string, ...string[]];
  /** What follows is for a model: a task or a question. */
  readonly takesTask?: true;
  /** Does what was meant also when it comes long after it was sent. */
  readonly timeless?: true;
};

/** Who may use a command at the least; and what a member may do instead of one for admins, a sentence or two. */
type Access = { readonly role: 'member' } | { readonly role: 'admin'; readonly instead: string };

/**
 * `immediate`: only reads and writes the bot's own database, in one transaction with its reply, so it happens exactly once.
 * `lasting`: waits for something outside. One that was cut off by the end of the bot is run again at the next start when
 * it is `repeatable`; else the owner is told.
 */
export type Command = Description & Access & (Immediate | Lasting);
type Immediate = { readonly kind: 'immediate'; readonly run: (call: Call) => Outcome };
export type Lasting = {
  readonly kind: 'lasting';
  readonly repeatable: boolean;
  readonly run: (call: Call, signal: AbortSignal) => Promise<Outcome>;
};

/** For what shows money: runs that are over, and answered, have their change back first, if that takes but a moment. */
export const afterBooks = (
  settled: () => Promise<void>,
  run: (call: Call) => Outcome,
): Pick<Lasting, 'kind' | 'repeatable' | 'run'> => ({
  kind: 'lasting',
  repeatable: true,
  run: async (call) => {
    await settled();
    return run(call);
  },
});

/** Bad input. The reply says what was wrong, what is expected, and an example. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** One sentence. */
  readonly problem: string;
  constructor(problem: string, options?: ErrorOptions) {
    super(problem, options);
    this.problem = problem;
  }
}

/** Well said, but it cannot be done now, or not by this owner. The reply is this sentence alone. */
export class RefusalError extends Error {
  override readonly name = 'RefusalError';
  /** What stands in the way, and what to do instead. */
  readonly reason: string;
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.reason = reason;
  }
}
