import type { EventId, Protocol, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import type { ApprovalRule } from '../backends/approval.ts';
import type { AgentResult, BackendName, Mode } from '../backends/backend.ts';

/** One agent conversation. */
export type Session = {
  /** Short, so that it can be typed on a phone. */
  readonly id: string;
  readonly owner: PublicKey;
  /** Name of the workspace, and the directory that it stood for when the session began. */
  readonly workspace: string;
  readonly directory: string;
  readonly backend: BackendName;
  readonly mode: Mode;
  /** undefined: the default of the configuration, else of the backend. */
  readonly model: string | undefined;
  /** What its agent asks before it does it; undefined: the default. */
  readonly approvals: ApprovalRule | undefined;
  /** Provider that this session is bound to; undefined: whichever the owner has chosen at the time of a run. */
  readonly provider: string | undefined;
  /** The backend's own id; undefined until the first run named it. */
  readonly backendSession: string | undefined;
  /** The beginning of its first task; empty before that. */
  readonly title: string;
  readonly createdAt: number;
  readonly usedAt: number;
};

/**
 * States of a run (docs/design.md#states-of-a-run). Every path out of `preparing` goes through `settling`.
 *
 *   queued ─► preparing ─► running ─► settling ─► done
 *     │           │                       ▲
 *     │           └─ refused by provider ─┘   (outcome `refused`)
 *     └─► done (outcome `dropped`, `missed`)
 */
export const runStates = ['queued', 'preparing', 'running', 'settling', 'done'] as const;
export type RunState = (typeof runStates)[number];

export const runOutcomes = [
  'answered',
  'failed',
  'stopped', // by the owner
  'timeout', // BOT_RUN_TIMEOUT_MINUTES
  'idle', // BOT_RUN_IDLE_MINUTES
  'interrupted', // the bot was stopped or died
  'refused', // the provider did not pay
  'dropped', // taken off the queue
  'missed', // still queued when the bot came back too late
] as const;
export type RunOutcome = (typeof runOutcomes)[number];

/** Why a run is being ended from outside; the abort reason of its signal. */
export type StopReason = 'stopped' | 'timeout' | 'idle' | 'interrupted';

/** One execution of the agent for one task. */
export type Run = {
  /** Number that the owner sees. */
  readonly seq: number;
  readonly id: string;
  readonly owner: PublicKey;
  readonly session: string;
  /** The message that asked for it. */
  readonly message: EventId;
  readonly messageKind: number;
  readonly protocol: Protocol;
  readonly fallbackRelays: readonly RelayUrl[];
  readonly task: string;
  readonly mode: Mode;
  readonly model: string | undefined;
  /** Who pays; set when the run is prepared. */
  readonly provider: string | undefined;
  /** Sat, for this run only (`… !!500`). */
  readonly budget: number | undefined;
  /** `compact`: the conversation is shortened, and `task` says so to its reader. */
  readonly job: 'task' | 'compact';
  readonly state: RunState;
  readonly outcome: RunOutcome | undefined;
  readonly pid: number | undefined;
  readonly answer: string | undefined;
  readonly result: RunResult | undefined;
  readonly queuedAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  /** When what it changed was taken back. */
  readonly undoneAt: number | undefined;
  /** The beginning of its answer, as it was sent before its end; undefined: nothing was, or it has ended. */
  readonly told: string | undefined;
  /** In so many messages. */
  readonly parts: number;
  /** The schedule that it is of, and the time that it is for (ms; undefined: out of turn). */
  readonly schedule: number | undefined;
  readonly dueAt: number | undefined;
  /** Pictures that its model is shown: paths within the workspace. */
  readonly pictures: readonly string[];
};

/** The facts of a run that are kept beside its answer. */
export type RunResult = Omit<AgentResult, 'answer' | 'outcome'>;

/** What is asked of the queue. */
export type RunOrder = Pick<
  Run,
  | 'owner'
  | 'session'
  | 'message'
  | 'messageKind'
  | 'protocol'
  | 'fallbackRelays'
  | 'task'
  | 'mode'
  | 'model'
  | 'budget'
> &
  Partial<Pick<Run, 'job' | 'schedule' | 'dueAt' | 'pictures'>>;
