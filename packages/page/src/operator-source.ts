/** What whoever runs the bot sees of it, for admins alone. */
export type OperatorSource = {
  /** The last lines that are like this, newest first. */
  readonly log: (query: LogQueryFacts) => LogFacts;
};

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogQueryFacts = {
  /** And what is graver. */
  readonly level?: LogLevel | undefined;
  readonly text?: string | undefined;
  /** A run's number. */
  readonly run?: number | undefined;
};
export type LogFacts = {
  readonly entries: readonly LogEntryFacts[];
  /** There is more, further back. */
  readonly hasMore: boolean;
};
export type LogEntryFacts = {
  /** Unix milliseconds. */
  readonly at: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly facts: readonly (readonly [name: string, text: string])[];
  /** All of it, where the facts are only the gist. */
  readonly whole: string | undefined;
};
