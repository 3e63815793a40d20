export { createEntryLinks, type EntryLinks } from './entry-links.ts';
export type {
  AskFacts,
  ConnectableFacts,
  DiffFacts,
  InviteFacts,
  LoginFacts,
  NowFacts,
  OwnerFacts,
  ProviderFacts,
  ProvidersFacts,
  RelayFacts,
  RunFacts,
  SaidFacts,
  SessionChoices,
  SessionFacts,
} from './facts.ts';
export type {
  DaySpend,
  LedgerFacts,
  LedgerQuery,
  MoneyFacts,
  MoneySource,
  StuckFacts,
  TopUpFacts,
} from './money-source.ts';
export type { PageAddress, ServedPage } from './open.ts';
export type { LogEntryFacts, LogFacts, LogQueryFacts, NodeFacts, OperatorSource } from './operator-source.ts';
export type { PageSessionStore, StoredPageSession } from './page-sessions.ts';
export type { Health, HealthOfPart, PageSource, SessionsSource } from './page-source.ts';
export type { ScheduleFacts, SchedulesSource } from './schedule-facts.ts';
export type { Visitor } from './visitor.ts';
