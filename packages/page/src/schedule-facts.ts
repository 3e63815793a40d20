import type { Visitor } from './visitor.ts';

/** What is done for a visitor at a time; theirs alone, also for an admin. The words are those of `!schedule`. */
export type SchedulesSource = {
  readonly list: (visitor: Visitor) => readonly ScheduleFacts[];
  readonly zone: (visitor: Visitor) => ZoneFacts;
};

export type ScheduleFacts = {
  /** Number that its owner knows it by. */
  readonly id: number;
  readonly kind: 'task' | 'reminder';
  readonly text: string;
  /** `weekdays 08:00`. */
  readonly times: string;
  readonly state: 'active' | 'paused' | 'missed';
  /** When it comes next, in its owner's zone, or why it does not. undefined: whenever it is asked for. */
  readonly next: string | undefined;
  /** Of a task: how it is worked on, and where. */
  readonly how: string | undefined;
  /** How often it was done. */
  readonly count: string | undefined;
  readonly last: LastFacts | undefined;
};
/** What came of it the last time, and the session in which that is read. `outcome` undefined: it is not over. */
export type LastFacts = {
  readonly at: string;
  readonly outcome: string | undefined;
  readonly session: string | undefined;
};

/** The zone of what they write, and of what they read here. */
export type ZoneFacts = {
  readonly name: string;
  /** They have said so; else it is that of the bot's machine. */
  readonly chosen: boolean;
  /** Its clocks change soon: a sentence. */
  readonly change: string | undefined;
};
