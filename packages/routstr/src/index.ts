export type { AnnouncedNode, LookOptions, NodeLook, Verdict } from './discovery/announced-nodes.ts';
export {
  createNodeBoard,
  NODE_RELAYS,
  type NodeBoard,
  type NodeBulletins,
  ROUTSTR_REVIEWER,
  readBulletins,
} from './discovery/announcements.ts';
export type { Door, DoorKeys } from './meter/door.ts';
export type { ModelAnswer } from './meter/last-word.ts';
export type { Lease } from './meter/lease.ts';
export type { Meter } from './meter/meter.ts';
export { defaultLimits } from './meter/metered-run.ts';
export { refusals } from './meter/refusals.ts';
export type { RoutstrModel } from './models/model-list.ts';
export type { SyncResult } from './models/sync-models.ts';
export {
  cheapestSmallModel,
  minimumBudget,
  typicalTaskSat,
  type UsableModel,
  usableModels,
} from './models/usable-models.ts';
export { usdPerSat } from './models/usd-per-sat.ts';
export { createNodeInfoCache, type NodeInfoCache } from './node/node-info-cache.ts';
export { type NodeUrl, NodeUrlError, parseNodeUrl } from './node/node-url.ts';
export type { OneCallOutcome } from './node/one-call.ts';
export type { NotCredited } from './node/outcomes.ts';
export type { BudgetRefusal, ModelTerms } from './paid-run/budget-rules.ts';
export type { UnableNode } from './paid-run/fallback-nodes.ts';
export type { DepositResult, NodeAccountBalance, NodeAccountRefund } from './paid-run/node-account.ts';
export type { Owed } from './paid-run/owed-sums.ts';
export {
  type InState,
  isIn,
  type OperatorProblem,
  type PaidRun,
  type PaidRunIn,
  type PaidRunState,
} from './paid-run/paid-run.ts';
export type { PayingWallet } from './paid-run/paid-run-deps.ts';
export type { EvidenceEntry } from './paid-run/paid-run-store.ts';
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
export type { PaidRunCost, PreparedPaidRun, RunObserver, RunTicket } from './paid-run/run-ticket.ts';
export type { RunsLeft } from './paid-run/runs-left.ts';
export type { RoutstrProvider, RoutstrStatus } from './routstr-provider.ts';
