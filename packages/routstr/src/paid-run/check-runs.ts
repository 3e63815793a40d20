import type { CheckFindings } from '@nostr-dm-agent/cashu-wallet';
import { msatToSatFloor, type Sat } from '@nostr-dm-agent/kit/sat';
import { askForKey } from './key-at-node.ts';
import { ledgerFigures } from './ledger-row.ts';
import { meteredOn } from './node-account-books.ts';
import { isIn, isOfUserKey, type PaidRun, type PaidRunBody } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';

/** A part of the wallet's `check` where no bot is: the keys that users have in hand. The other runs are `nameOpenRuns`' to name. */
export async function checkUserKeys(
  deps: PaidRunDeps,
  findings: CheckFindings,
  signal: AbortSignal,
): Promise<void> {
  const keys = deps.store.open().filter(isOfUserKey);
  await Promise.all(keys.map((run) => checkAtNode(deps, run, findings, signal)));
}

/** A part of the wallet's `check`: money at nodes against their word, and the ledger against the runs. Does not throw but for the signal. */
export async function checkRuns(
  deps: PaidRunDeps,
  findings: CheckFindings,
  signal: AbortSignal,
): Promise<void> {
  const open = deps.store.open();
  await Promise.all(open.map((run) => checkAtNode(deps, run, findings, signal)));
  for (const run of open) {
    if (!agrees(deps, run)) findings.addProblem({ kind: 'ledger-other', run: run.id });
  }
  for await (const run of deps.store.unlikeLedger(signal)) findings.addProblem({ kind: 'ledger-other', run });
}

type AtNode = Extract<PaidRunBody, { readonly token: string; readonly creditedMsat?: number | undefined }>;

/** What its key should have, and whether anybody may be spending from it. */
async function checkAtNode(
  deps: PaidRunDeps,
  run: PaidRun,
  findings: CheckFindings,
  signal: AbortSignal,
): Promise<void> {
  if (!('token' in run.body)) return;
  const body: AtNode = run.body;
  const { id, node } = run;
  const amount = expectedAt(deps, run, body);
  const skip = (why: string): void => findings.skip({ what: 'run', run: id, node, amount, why });
  // Before it is credited, and once the change is here, the money is the wallet's to look at.
  if (isIn(run, 'token_issued', 'reclaim', 'change_held')) return;
  const info = await askForKey(deps, { id, node, body }, signal);
  if (info.state === 'unavailable') return skip('node_away');
  // What a user spends is the node's word alone: it counts as being there.
  const spent = isOfUserKey(run) && info.state === 'known' ? (info.balance.totalSpentMsat ?? 0) : 0;
  const found =
    info.state === 'known'
      ? msatToSatFloor(Math.max(0, info.balance.availableMsat + info.balance.reservedMsat + spent))
      : undefined;
  if (isIn(run, 'needs_operator')) return skip('doubtful');
  // The meter counts what the node has not booked, and the other way round.
  if (deps.live.includes(run) || deps.store.openOn(id).length > 0) return skip('under_way');
  const silent = isOfUserKey(run) && info.state === 'known' && info.balance.totalSpentMsat === undefined;
  // An old node keeps no sum, and nobody counted.
  if (silent) return skip('under_way');
  if (found === undefined || found < amount) {
    findings.addProblem({ kind: 'node', run: id, node, expected: amount, found });
  } else if (!isIn(run, 'kept')) skip('owed');
}

/** In sat: what the meter counted is off it. */
function expectedAt({ store }: PaidRunDeps, run: PaidRun, body: AtNode): Sat {
  const credited = ('creditedMsat' in body ? body.creditedMsat : undefined) ?? 0;
  if (isOfUserKey(run)) return msatToSatFloor(credited);
  const counted = isIn(run, 'kept')
    ? store.bookedOn(run.id) * 1000 + meteredOn(store, run.id)
    : 'meteredMsat' in body
      ? Math.max(body.meteredMsat ?? 0, 'mostMsat' in body ? (body.mostMsat ?? 0) : 0)
      : 0;
  return msatToSatFloor(Math.max(0, credited - counted));
}

/** The row of a run says what the run says. */
function agrees({ store, wallet }: PaidRunDeps, run: PaidRun): boolean {
  const figures = ledgerFigures(run, run.body, () => store.bookedOn(run.id));
  if (figures === undefined || run.ledger === undefined) return true;
  const row = wallet.ledger.find(run.ledger);
  return (
    row !== undefined &&
    row.state === figures.state &&
    row.budget === figures.budget &&
    row.spent === figures.spent &&
    row.refund === figures.refund &&
    row.fee === figures.fee
  );
}
