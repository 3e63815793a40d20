export {
  createNodeBoard,
  NODE_RELAYS,
  type NodeBoard,
  type NodeBulletins,
  ROUTSTR_REVIEWER,
  readBulletins,
} from './discovery/announcements.ts';
export type { AnnouncedNode, LookOptions, NodeLook, Verdict } from './discovery/nodes.ts';
export type { Meter } from './meter/meter.ts';
export { problems } from './meter/problems.ts';
export { defaultLimits } from './meter/types.ts';
export {
  cheapestSmallModel,
  minimumBudget,
  typicalTaskSat,
  type UsableModel,
  usableModels,
} from './models/mapping.ts';
export type { RoutstrModel } from './models/models.ts';
export type { SyncResult } from './models/sync-models.ts';
export { createNodeInfoCache, type NodeInfoCache } from './node/info-cache.ts';
export type { OneCallOutcome } from './node/one-call.ts';
export type { NotCredited } from './node/outcomes.ts';
export { type NodeUrl, NodeUrlError, parseNodeUrl } from './node/url.ts';
export type { BudgetRefusal } from './paid-run/budget.ts';
export type { PayingWallet } from './paid-run/deps.ts';
export type { UnableNode } from './paid-run/fallback.ts';
export type { AccountBalance, AccountRefund, DepositResult } from './paid-run/node-account.ts';
export {
  type InState,
  isIn,
  type OperatorProblem,
  type PaidRun,
  type PaidRunIn,
  type PaidRunState,
} from './paid-run/paid-run.ts';
export type {
  DepositRefusal,
  MoreRefusal,
  NodeRefusal,
  PastQuestion,
  QuestionRefusal,
  RunRefusal,
  TokenRefusal,
  Whereabouts,
} from './paid-run/payment-refusals.ts';
export type { QuickResult } from './paid-run/quick.ts';
export type { PaidRunCost, PreparedPaidRun, RunTicket } from './paid-run/run-ticket.ts';
export { createPaidRunStore, type EvidenceEntry } from './paid-run/store.ts';
export type { Owed } from './paid-run/sums.ts';
export type { MoreMoney, RoutstrProvider, RoutstrStatus } from './provider.ts';
