import type { Mode } from './mode.ts';
import type { StandingPayment } from './payment.ts';

/** Where an agent's session is. */
export type SessionPlace = {
  readonly owner: string;
  readonly workspace: string;
  readonly mode: Mode;
  readonly backendSession: string;
  readonly standing: StandingPayment | undefined;
};

export type FileChange = { readonly file: string; readonly added: number; readonly removed: number };

/** What a run changed in its workspace. */
export type Changes =
  | { readonly state: 'known'; readonly files: readonly FileChange[] }
  /** `no_git`: nothing keeps what was there before. `shared`: another run worked there meanwhile. */
  | { readonly state: 'unknown'; readonly why: 'no_git' | 'shared' | 'cut_off' };

/** Why something can't be taken back or put back now. */
export type DeskRefusal =
  | { readonly state: 'refused'; readonly why: 'no_git' | 'busy' | 'nothing' | 'unsupported' | 'forgotten' }
  | { readonly state: 'failed'; readonly detail: string };

export type Todo = { readonly text: string; readonly state: 'open' | 'doing' | 'done' | 'dropped' };

/** The backend's ids of a task's message, and of what was said to its run in between. */
export type Prompts = readonly [task: string, ...words: readonly string[]];

/** What can be done with a backend's session beside running it. Nothing here costs a model call. */
export type SessionDesk = {
  /** The task's changes as a unified diff, one entry per file. */
  readonly diff: (
    place: SessionPlace,
    prompts: Prompts,
    signal: AbortSignal,
  ) => Promise<readonly (FileChange & { readonly diff: string })[] | DeskRefusal>;
  /** Puts the work tree back to before the task. */
  readonly undo: (
    place: SessionPlace,
    prompts: Prompts,
    signal: AbortSignal,
  ) => Promise<{ readonly state: 'done'; readonly files: readonly FileChange[] } | DeskRefusal>;
  readonly redo: (
    place: SessionPlace,
    signal: AbortSignal,
  ) => Promise<{ readonly state: 'done' } | DeskRefusal>;
  readonly todos: (place: SessionPlace, signal: AbortSignal) => Promise<readonly Todo[] | DeskRefusal>;
  /** A copy of the session to go on with. */
  readonly fork: (
    place: SessionPlace,
    signal: AbortSignal,
  ) => Promise<{ readonly state: 'done'; readonly backendSession: string } | DeskRefusal>;
  readonly rename: (
    place: SessionPlace,
    title: string,
    signal: AbortSignal,
  ) => Promise<{ readonly state: 'done' } | DeskRefusal>;
};
