import { addSat, msatToSatFloor, type Sat } from '@nostr-dm-agent/kit/sat';
import type { NodeUrl } from '../node/node-url.ts';
import { isIn, isNodeAccount, isOpen, type PaidRun, type PaidRunIn } from './paid-run.ts';
import type { PaidRunStore } from './paid-run-store.ts';

/** What the commands and the replies need to know of an account, from what is on disk. */
export type NodeAccountBooks = {
  readonly node: NodeUrl;
  /** `kept`: runs can use it. `arriving`: its first deposit is not credited. `leaving`: its refund was asked for. `doubtful`: a person has to look. */
  readonly state: 'arriving' | 'kept' | 'leaving' | 'doubtful';
  /** What should be there: deposits less what runs cost, those under way as far as it is known. */
  readonly balance: Sat;
  /** Runs that may spend from it now. */
  readonly runs: number;
  /** Deposits that are not credited yet. */
  readonly depositing: Sat;
};

/** Oldest first. */
export const accountsIn = (store: Pick<PaidRunStore, 'open'>): readonly PaidRun[] =>
  store.open().filter(isNodeAccount);

/** The one that deposits at a node go to. */
export const accountAt = (store: Pick<PaidRunStore, 'open'>, node: NodeUrl): PaidRun | undefined =>
  accountsIn(store).findLast((account) => account.node === node && !isIn(account, 'needs_operator'));

/** What runs on an account that are not billed yet cost by the meter's count, in msat. */
export const meteredOn = (store: Pick<PaidRunStore, 'openOn'>, account: string): number =>
  store.openOn(account).reduce((sum, run) => sum + run.body.meteredMsat, 0);

/** Runs that may spend from an account now. */
export const spendingOn = (
  store: Pick<PaidRunStore, 'openOn'>,
  account: string,
): readonly PaidRunIn<'spending'>[] => store.openOn(account).filter((run) => isIn(run, 'spending'));

export function readBooks(
  store: Pick<PaidRunStore, 'openOn' | 'bookedOn' | 'topUpsOf'>,
  account: PaidRun,
): NodeAccountBooks {
  const { id, body, node, ticket } = account;
  const state = stateOf(account);
  const credited = 'creditedMsat' in body ? (body.creditedMsat ?? 0) : 0;
  const msat = body.state === 'change_held' ? 0 : credited - store.bookedOn(id) * 1000 - meteredOn(store, id);
  const deposits = store.topUpsOf(id).filter((row) => isOpen(row.body) && !isIn(row, 'needs_operator'));
  return {
    node,
    state,
    balance: msatToSatFloor(Math.max(0, msat)),
    runs: spendingOn(store, id).length,
    depositing: addSat(
      ...deposits.map((row) => row.ticket.budget),
      ...(state === 'arriving' ? [ticket.budget] : []),
    ),
  };
}

function stateOf(account: PaidRun): NodeAccountBooks['state'] {
  if (isIn(account, 'kept')) return 'kept';
  if (isIn(account, 'needs_operator')) return 'doubtful';
  return isIn(account, 'refund_due', 'change_held') ? 'leaving' : 'arriving';
}
