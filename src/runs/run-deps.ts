import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { ApprovalRule } from '../backends/approval.ts';
import type { AgentFailure, Backend, BackendName } from '../backends/backend.ts';
import type { Results } from '../files/result-files.ts';
import type { ScheduledEnd } from '../schedules/schedule.ts';
import type { Stores } from '../store/open-stores.ts';
import type { Asks } from './asks.ts';
import type { ChosenProvider } from './chosen-provider.ts';
import type { Messenger } from './messenger.ts';
import type { Provider } from './provider.ts';
import type { Run, Session } from './run.ts';
import type { RunBoard } from './run-board.ts';
import type { RunDeadlines } from './run-deadline.ts';

/** What runs are carried out with. */
export type RunDeps = {
  readonly stores: Pick<Stores, 'runs' | 'sessions' | 'settings' | 'atomically'>;
  readonly backends: ReadonlyMap<BackendName, Backend>;
  readonly providers: {
    readonly providers: ReadonlyMap<string, Provider>;
    /** Who pays for a run of this session. */
    readonly providerFor: (session: Session) => ChosenProvider;
  };
  readonly messenger: Messenger;
  /** Where sessions work, this machine or another. */
  readonly places: RunPlaces;
  readonly asks: Pick<Asks, 'ofRun'>;
  /** What a run of this session asks before it is done. */
  readonly approvalsFor: (session: Session, signal: AbortSignal) => Promise<ApprovalRule>;
  /** Why a run must not be begun here, for its owner; undefined when it may. */
  readonly refuseRun: (run: Run, signal: AbortSignal) => Promise<string | undefined>;
  /** A run has ended: what is known of its backend may have changed. */
  readonly lookAgain: (backend: BackendName, failure: AgentFailure | undefined) => void;
  readonly board: Pick<RunBoard, 'join'>;
  /**
   * A run is over: what its schedule makes of that, in the same transaction. `quiet`: its owner need not be told;
   * undefined: it is of none.
   */
  readonly scheduled: (run: Run) => ScheduledEnd | 'quiet' | undefined;
  /** What an answer names of what its agent made since then (ms). */
  readonly results: (run: Run, answer: string, since: number) => Results;
  readonly limits: RunLimits;
  /** Told between two steps, when everything is on disk. Tests end the process there. */
  readonly reached: (checkpoint: TaskCheckpoint) => void;
  readonly clock: Clock;
  readonly log: Logger;
};

export type RunPlaces = {
  /** Its tasks can't be begun now: where they would work is away. They stay in the queue. */
  readonly waits: (session: Session) => boolean;
  /** A run begins: one whose agent has not begun may have been moved to where there is least to do. */
  readonly enter: (session: Session) => { readonly session: Session; readonly leave: () => void };
};

/** Milliseconds. */
export type RunLimits = RunDeadlines & {
  /** Between two progress messages; 0 = none. */
  readonly progressMs: number;
  /** How long model calls wait for more money (`BOT_HOLD_MINUTES`). */
  readonly holdMs: number;
  /** Settling has its own time, whatever ended the run. */
  readonly settleMs: number;
};

type TaskCheckpoint = 'task:preparing' | 'task:running' | 'task:settling' | 'task:settled' | 'task:done';
