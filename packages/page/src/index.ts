export { createEntryLinks, type EntryLinks } from './entry-links.ts';
export type {
  AskFacts,
  ConnectableFacts,
  LedgerFacts,
  MoneyFacts,
  NowFacts,
  OwnerFacts,
  ProviderFacts,
  ProvidersFacts,
  RelayFacts,
  RunFacts,
  SaidFacts,
  SessionFacts,
} from './facts.ts';
export type { PageAddress, ServedPage } from './open.ts';
export type { OperatorSource } from './operator-source.ts';
export type { PageSessionStore, StoredPageSession } from './page-sessions.ts';
export type { Health, HealthOfPart, PageSource } from './page-source.ts';
export type { Visitor } from './visitor.ts';
