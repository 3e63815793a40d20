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
export type { NotCredited, TopUpOutcome } from './node/outcomes.ts';
export { type NodeUrl, NodeUrlError, parseNodeUrl } from './node/url.ts';
export type { BudgetRefusal } from './paid-run/budget.ts';
export type { Unable } from './paid-run/fallback.ts';
export type { AccountBalance, AccountRefund, DepositResult } from './paid-run/node-account.ts';
export {
  type InState,
  isIn,
  type PaidRun,
  type PaidRunIn,
  type PaidRunState,
  type Trouble,
} from './paid-run/paid-run.ts';
export type { QuickResult } from './paid-run/quick.ts';
export { createPaidRunStore, type EvidenceEntry } from './paid-run/store.ts';
export type { Owed } from './paid-run/sums.ts';
export type { RoutstrProvider, RunNews } from './provider.ts';
export type { Hold, PreparedRun, Provider, RunFailure, RunTicket, Settlement } from './types.ts';
