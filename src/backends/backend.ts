import type { ApprovalRule, Asked } from './approval.ts';
import type { LimitMet } from './jail/limits.ts';
import type { BeginLogin } from './login.ts';
import type { Mode } from './mode.ts';
import type { RunPayment, StandingPayment } from './payment.ts';
import type { Changes, SessionDesk, Todo } from './session-desk.ts';

export { type Mode, modes } from './mode.ts';
export type { RunPayment, StandingPayment } from './payment.ts';

/** What is there without `BOT_AGENTS`. */
export const builtInBackends = ['opencode', 'cursor'] as const;
/** One of those, or a name of `BOT_AGENTS`. A stored one may be of a configuration that has changed since. */
export type BackendName = string;

/** One task for the agent. */
export type AgentRequest = {
  /** Marks every process of the run (`NOSTR_DM_AGENT_RUN`), so that all descendants can be found and ended. */
  readonly runId: string;
  /** Whose task it is. Agents of different owners share no folder but the workspace. */
  readonly owner: string;
  /** Goes to the agent on stdin, verbatim; never in argv. */
  readonly task: string;
  readonly mode: Mode;
  /** Pictures that the model is shown beside the task: paths within the workspace. Absent: none. */
  readonly pictures?: readonly string[];
  /** As the backend names it (`routstr/…`, `anthropic/…`); undefined = the backend's default. */
  readonly model: string | undefined;
  /** Absolute path of the directory in which the agent works. */
  readonly workspace: string;
  /** The backend's own session id to go on with; undefined = a new session. */
  readonly backendSession: string | undefined;
  /** Unique title of a new session, by which it is found again if the agent dies before it names its id. */
  readonly title: string;
  readonly payment: RunPayment;
  /**
   * The payment is not there yet, and `payment` is empty. A server that is kept ready may be asked meanwhile: its calls wait
   * at its door. A process of the run's own waits for it. When it fails the signal is aborted.
   */
  readonly paying?: Promise<RunPayment>;
  /** What is asked before it is done. Absent: nothing. */
  readonly approvals?: ApprovalRule;
  /** `compact`: the conversation is shortened by the model, and `task` is empty. Absent: `task`. */
  readonly job?: 'task' | 'compact';
  /** How a server that is kept ready would be paid; undefined: this run gets a process of its own. */
  readonly standing?: StandingPayment | undefined;
};

/** What the agent does while it runs, in the order it happens. */
export type AgentEvent =
  | { readonly type: 'session'; readonly backendSession: string }
  | { readonly type: 'step' }
  | { readonly type: 'tool'; readonly tool: string; readonly title: string; readonly ok: boolean }
  | { readonly type: 'text'; readonly text: string }
  /** A piece of a text as it is written, none left out. `part`: which text it belongs to; a `text` follows when it is complete. */
  | { readonly type: 'delta'; readonly part: string; readonly text: string }
  | { readonly type: 'todos'; readonly todos: readonly Todo[] }
  /** The model could not be reached and is asked again. */
  | { readonly type: 'retry'; readonly message: string };

export type Tokens = {
  readonly input: number;
  readonly output: number;
  readonly reasoning: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
};

/** How any program says that the machine it runs on is what fails it. */
export const machineWords: readonly (readonly [RegExp, AgentFailureKind])[] = [
  [/ENOSPC|EDQUOT|no space left on device|(?:database or )?disk is full|disk quota exceeded/i, 'disk_full'],
  [
    /EROFS|read-only file system|readonly database|unable to open database file|EACCES|EPERM/i,
    'not_writable',
  ],
];

/** Why a run gave no (full) answer; each kind becomes one sentence for the owner in `replies/`. */
export const agentFailureKinds = [
  'budget_exhausted', // 402
  'unauthorized', // 401, 403
  'model_unknown', // 404, or a model that is not in the configuration
  'bad_request', // other 400
  'rate_limited', // 429
  'provider_down', // 5xx, connection refused, stream cut
  'provider_nonsense', // HTML, error object inside the stream, no finish reason
  'context_overflow', // 413, context_length_exceeded
  'output_limit', // finish reason `length`
  'permission_denied', // a rule that asks was rejected and the agent stopped
  'loop', // the same step over and over
  'no_answer', // ended well and said nothing
  'session_unknown', // the backend has forgotten its session
  'store_damaged', // its sessions could not be read; they were moved aside
  'store_locked', // another program holds its sessions
  'bad_configuration',
  'workspace_code', // the workspace brings plugins, which could not be kept from opencode
  'path_changed', // the workspace, or what git runs in it, is a link or was replaced
  'no_wall', // BOT_ISOLATION asks for a wall that can't be built
  'limit', // it took more than the jail gives: memory, processes, disk
  'workspace_gone', // the directory is not there
  'no_server', // what only an agent server can do, and there can be none now
  'host_away', // the agent host that the session is on can't be reached
  'host_lost', // it was, in mid-run
  'host_unpaid', // on agent hosts the wallet pays, run by run; other providers' keys do not leave this machine
  'disk_full',
  'not_writable', // what it has to write is read-only, or somebody else's
  'backend_missing', // the executable is not there, or does not run
  'backend_unknown', // it runs, and says nothing that is understood
  'crashed', // ended by a signal that was not ours, or a non-zero exit without a reason
] as const;
export type AgentFailureKind = (typeof agentFailureKinds)[number];

export type AgentFailure = {
  readonly kind: AgentFailureKind;
  /** What the provider or the backend said, redacted and at most 300 characters; undefined when it said nothing. */
  readonly detail: string | undefined;
  /** HTTP status of the provider's answer, if there was one. */
  readonly status: number | undefined;
};

/** Facts of one finished execution. All descendants of the agent are gone when this exists. */
export type AgentResult = {
  /** `stopped`: ended by the caller's signal; its `reason` says why. */
  readonly outcome: 'answered' | 'failed' | 'stopped';
  /** The answer, or what there was of it; empty when nothing was said. */
  readonly answer: string;
  readonly failure: AgentFailure | undefined;
  readonly backendSession: string | undefined;
  readonly steps: number;
  /** Names of the tools used, with how often. */
  readonly tools: Readonly<Record<string, number>>;
  readonly tokens: Tokens;
  /** Model as the backend reports it, else as requested. */
  readonly model: string | undefined;
  /** Lines of the backend's output that no schema knew; tolerated and counted. */
  readonly unknownEvents: number;
  /** The workspace's instructions that are too long to be read to their end: `AGENTS.md`. */
  readonly cutInstructions?: string;
  /** Nobody could be asked: what would have had to be was refused. */
  readonly unasked?: boolean;
  /** Bounds of the jail that it met. */
  readonly limits: readonly LimitMet[];
  /** `.git` entries that it made or changed: their settings and hooks run when somebody uses git there. */
  readonly newGit: readonly string[];
  /** The backend's own id of the task's message: what `!diff` and `!undo` are about. */
  readonly prompt?: string | undefined;
  /** Those of what was said to it in between, and read. Absent: nothing was. */
  readonly words?: readonly string[];
  /** Absent: the backend does not know such things. */
  readonly changes?: Changes;
  /** What was said to it while it worked (`tell`), and it ended without reading. Absent: nothing. */
  readonly unheard?: readonly string[];
  /** Tokens of the conversation in the model's context, and how many fit; `of` undefined: not known. */
  readonly context?: { readonly used: number; readonly of: number | undefined };
};

export type BackendHealth =
  | {
      readonly state: 'ok';
      readonly path: string;
      readonly version: string;
    }
  /** It works, but it is not the version that the tests ran with. */
  | {
      readonly state: 'untested';
      readonly path: string;
      readonly version: string;
      readonly tested: string;
    }
  | { readonly state: 'missing'; readonly looked: readonly string[]; readonly problem: string };

/** Servers that were ended for another one's sake, for what they took in, or that died; and places that get none for their deaths. */
export type LatelyGone = {
  readonly madeRoom: number;
  readonly grown: number;
  readonly died: number;
  readonly without: number;
};

/** Whether servers are kept ready, and how many there are; else why each task starts a process of its own. */
export type KeptReady =
  | {
      readonly state: 'kept';
      readonly servers: number;
      readonly most: number;
      /** What became of others in the last hour. */
      readonly lately: LatelyGone;
    }
  | {
      readonly state: 'none';
      readonly why: 'off' | 'no_wall' | 'untested' | 'no_memory' | 'failed' | 'dying';
      readonly detail?: string | undefined;
    };

export type Model = { readonly id: string; readonly name: string };

export type RunObserver = {
  /** The subprocess exists. `pid` is stored so that a later start can end it. */
  readonly onSpawn?: (pid: number) => void;
  /** It has begun on another machine, which ends it by itself. */
  readonly onElsewhere?: () => void;
  readonly onEvent?: (event: AgentEvent) => void;
  /** Any byte of output: the run is not idle. */
  readonly onActivity?: () => void;
  /**
   * What the run comes to, as it is known before its agent is done: it has said its last word, and did nothing that is still to
   * be looked at. What `run` resolves with follows, and counts where it is another one.
   */
  readonly onAnswer?: (result: AgentResult) => void;
} & Asked;

/** The program that does the work. */
export type Backend = {
  readonly name: BackendName;
  /**
   * Runs the agent to its end and resolves when it and all of its descendants are gone. Aborting the signal ends
   * it politely first, then with SIGKILL. Does not throw for anything that the agent or its provider does: that is a
   * `failed` result.
   */
  readonly run: (request: AgentRequest, observer: RunObserver, signal: AbortSignal) => Promise<AgentResult>;
  /** Ends whatever an earlier life of the bot left behind of this run; returns how many processes. */
  readonly endLeftovers: (runId: string, signal: AbortSignal) => Promise<number>;
  readonly health: (signal: AbortSignal) => Promise<BackendHealth>;
  /** Models that can be chosen with `!model`, for the given payment. */
  readonly models: (payment: RunPayment, signal: AbortSignal) => Promise<readonly Model[]>;
  /** A sign of life of an owner: a server is made ready for their next task. Returns at once, never throws. */
  readonly warm?: (
    place: Pick<AgentRequest, 'owner' | 'workspace' | 'mode' | 'model' | 'standing' | 'approvals'>,
  ) => void;
  /** Absent: it keeps none. */
  readonly kept?: () => KeptReady;
  /**
   * A word to a run in hand, which its agent reads before the run is over, unless it is stopped or fails: `unheard`. False: the run
   * is not there any more, or can't be told.
   */
  readonly tell?: (runId: string, text: string, signal: AbortSignal) => Promise<boolean>;
  readonly desk?: SessionDesk;
  /** Begins a login to a provider of models. Absent: it has none of its own. */
  readonly login?: BeginLogin;
  /** Ends servers that an earlier life of the bot left behind; returns how many processes. */
  readonly endLeftServers?: (signal: AbortSignal) => Promise<number>;
  /** Ends every server that is kept ready. */
  readonly close?: () => Promise<void>;
};
