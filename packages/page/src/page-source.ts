import type { PublicKey } from '@nostr-dm-agent/nostr';
import type {
  DiffFacts,
  InviteFacts,
  NowFacts,
  OwnerFacts,
  ProvidersFacts,
  RelayFacts,
  SaidFacts,
  SessionChoices,
  SessionFacts,
} from './facts.ts';
import type { MoneySource } from './money-source.ts';
import type { OperatorSource } from './operator-source.ts';
import type { SchedulesSource } from './schedule-facts.ts';
import type { Visitor } from './visitor.ts';

/** What the page is told, by whoever serves it. Facts; the page makes the sentences. */
export type PageSource = {
  /** Whoever may look, as of now: an owner who was removed is out with their next click. */
  readonly visitorOf: (publicKey: PublicKey) => Visitor | undefined;
  readonly now: (visitor: Visitor) => NowFacts;
  readonly money: MoneySource;
  readonly sessions: SessionsSource;
  readonly schedules: SchedulesSource;
  /** @param find what they look for among those that can be connected */
  readonly providers: (visitor: Visitor, find: string) => ProvidersFacts;
  readonly relays: () => readonly RelayFacts[];
  readonly owners: (visitor: Visitor) => readonly OwnerFacts[];
  readonly invites: () => readonly InviteFacts[];
  readonly operator: OperatorSource;
  /**
   * Does a command of the visitor's as if they had sent it, and gives what they would read. What is no command is not
   * done: tasks are sent by message.
   * @param about the ask that it answers, and no other
   */
  readonly act: (
    visitor: Visitor,
    order: { readonly command: string; readonly about?: string | undefined },
    signal: AbortSignal,
  ) => Promise<readonly string[]>;
  readonly health: () => Health;
  /** In Prometheus' text format. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
};

/** A visitor's own conversations. */
export type SessionsSource = {
  /** The last used first. */
  readonly list: (visitor: Visitor) => readonly SessionFacts[];
  /** undefined: they have none with this id. */
  readonly find: (
    visitor: Visitor,
    id: string,
  ) => { readonly session: SessionFacts; readonly said: readonly SaidFacts[] } | undefined;
  /** What one of its tasks changed. undefined: there is no such task. */
  readonly diff: (
    visitor: Visitor,
    task: { readonly session: string; readonly number: number },
    signal: AbortSignal,
  ) => Promise<DiffFacts | undefined>;
  readonly choices: (visitor: Visitor) => SessionChoices;
};

/** How it goes with each part. `down`: it does not do its work. */
export type Health = { readonly parts: Readonly<Record<string, HealthOfPart>> };
export type HealthOfPart = {
  readonly state: 'ok' | 'degraded' | 'down';
  /** A sentence; undefined when there is nothing to say. */
  readonly fact?: string | undefined;
};
export const isUp = ({ parts }: Health): boolean =>
  Object.values(parts).every(({ state }) => state !== 'down');
