import type { LogLevel } from '@nostr-dm-agent/kit/log';
import type { Visitor } from './visitor.ts';

/** What whoever runs the bot sees of it, for admins alone. */
export type OperatorSource = {
  /** The last lines that are like this, newest first. */
  readonly log: (query: LogQueryFacts) => LogFacts;
  readonly settings: (visitor: Visitor) => SettingsFacts;
  /** Has everything that the bot depends on looked at, unless that was done within the last minute. */
  readonly examine: () => void;
  /** What that found. */
  readonly diagnosis: () => DiagnosisFacts;
  /** Has announced nodes asked, unless that was done within the last minute. `model`: that of their next task. */
  readonly seekNodes: (visitor: Visitor, model: string | undefined) => void;
  readonly nodes: (visitor: Visitor, model: string | undefined) => NodesFacts;
};

export type NodesFacts = {
  readonly found:
    | {
        /** The present one first, then the best. */
        readonly nodes: readonly NodeFacts[];
        /** How many more are announced. */
        readonly more: number;
        /** False: no relay could be asked. */
        readonly complete: boolean;
        readonly at: number;
      }
    | undefined;
  readonly isSeeking: boolean;
  /** Which serves paid runs, and whether it is the one of the configuration. */
  readonly current: string;
  readonly configured: boolean;
  /** Whose prices these are. */
  readonly model: string | undefined;
  /** Models that are known by name. */
  readonly known: readonly string[];
};
export type NodeFacts = {
  readonly url: string;
  /** For reading. */
  readonly address: string;
  /** What it calls itself, in one line. */
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly verdict: 'trusted' | 'rejected' | 'unreviewed';
  readonly isCurrent: boolean;
  readonly answers: boolean;
  readonly hasModel: boolean;
  /** Of a typical task, in words. */
  readonly price: string | undefined;
  /** Whether it takes money of a mint of the wallet; undefined: it does not say. */
  readonly takesOurs: boolean | undefined;
};

export type DiagnosisFacts = {
  readonly found: { readonly findings: readonly FindingFacts[]; readonly at: number } | undefined;
  readonly isLooking: boolean;
};
export type FindingFacts = {
  readonly subject: string;
  readonly state: 'ok' | 'warning' | 'broken';
  readonly fact: string;
  readonly remedy?: string;
};

export type SettingsFacts = {
  /** The visitor's own, for their next task. */
  readonly own: {
    readonly mode: string;
    readonly model: string;
    readonly backend: string;
    readonly backends: readonly string[];
    readonly approvals: string;
    /** undefined: they have not chosen, it depends on how they write. */
    readonly stream: string | undefined;
    readonly provider: string;
  };
  /** Of what is paid from the wallet; undefined without one. Amounts in words. */
  readonly money:
    | {
        readonly budget: string;
        readonly dayLimit: string | undefined;
        readonly alert: string | undefined;
        readonly node: string;
        readonly mints: readonly string[];
      }
    | undefined;
  readonly variables: readonly VariableFacts[];
};
export type VariableFacts = {
  readonly name: string;
  readonly group: string;
  readonly meaning: string;
  /** undefined: nothing. Never a secret. */
  readonly value: string | undefined;
  /** `program`: set by the program that runs it (the sandbox). */
  readonly origin: 'file' | 'environment' | 'default' | 'program';
};

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
