import type { EventId, Protocol, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import type { BackendName, Mode } from '../backends/backend.ts';
import type { When } from './when.ts';

/** Why one waits until it is told to go on. */
export const pauses = [
  'asked',
  'failures',
  'not_owner',
  'not_allowed',
  'no_workspace',
  'no_backend',
] as const;
export type Pause = (typeof pauses)[number];

/**
 * Something that is done at a time, by itself.
 *
 *   active ─► ended     once: it was done; dropped
 *     │ ▲
 *     │ └─ paused       until its owner says otherwise
 *     └─► missed        once, and the bot was off for too long: its owner says whether it is still wanted
 */
export const scheduleStates = ['active', 'paused', 'missed', 'ended'] as const;

export type Schedule = {
  /** Number that its owner knows it by. */
  readonly id: number;
  readonly owner: PublicKey;
  /** The message that asked for it: answers go where its own would. */
  readonly message: EventId;
  readonly messageKind: number;
  readonly protocol: Protocol;
  readonly fallbackRelays: readonly RelayUrl[];
  readonly when: When;
  readonly zone: string;
  readonly text: string;
  readonly work: ScheduledWork;
  readonly state: (typeof scheduleStates)[number];
  readonly pause: Pause | undefined;
  /** Unix milliseconds; undefined when it is not active, and where it waits for no time. */
  readonly nextAt: number | undefined;
  readonly createdAt: number;
  readonly lastAt: number | undefined;
  /** How often it was done, and how often of these there was nothing to report. */
  readonly runs: number;
  readonly quiet: number;
  /** Times that came while it still ran, since its last answer. */
  readonly skipped: number;
  /** In a row. */
  readonly failures: number;
  readonly refusals: number;
};

/** `reminder`: its text is sent as it is, and costs nothing. */
export type ScheduledWork =
  | { readonly kind: 'reminder' }
  | {
      readonly kind: 'task';
      readonly workspace: string;
      readonly backend: BackendName;
      readonly mode: Mode;
      readonly model: string | undefined;
      /** Sat, of each of its runs; undefined: the provider's. */
      readonly budget: number | undefined;
      /** Of its last run. */
      readonly session: string | undefined;
    };

/** What is asked for. */
export type NewSchedule = Omit<
  Schedule,
  'id' | 'state' | 'pause' | 'lastAt' | 'runs' | 'quiet' | 'skipped' | 'failures' | 'refusals' | 'nextAt'
> & { readonly nextAt: number | undefined };

/** What the owner of a run reads beside its answer. */
export type ScheduledEnd = {
  readonly id: number;
  /** A task that was asked for by name. */
  readonly name: string | undefined;
  /** When it was for, where that is long ago (ms). */
  readonly late: { readonly dueAt: number; readonly zone: string } | undefined;
  /** Times that came while it still ran. */
  readonly skipped: number;
  /** It waits now, after so many failures. */
  readonly pausedAfter: number | undefined;
};

/** Times that passed without it. */
export type Missed = {
  readonly times: number;
  /** There were more than could be counted. */
  readonly more: boolean;
  readonly lastAt: number;
  /** undefined: it comes no more. */
  readonly nextAt: number | undefined;
};

/** An npub that may start its owner's named tasks, and nothing else: a machine. */
export type Trigger = { readonly publicKey: PublicKey; readonly owner: PublicKey; readonly addedAt: number };
