import { sat } from '@nostr-dm-agent/kit/sat';
import { type ApiKey, isApiKey } from '../node/api-key.ts';
import type { InvoiceState } from '../node/node-lightning.ts';
import { askForKey, worthOf } from './key-at-node.ts';
import { isIn, type PaidRun, type PaidRunIn } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { wait } from './postpone.ts';

/** A node credits a payment that comes so long after its invoice has expired. */
const lateMs = 24 * 3_600_000;

/**
 * Asks a node once whether an invoice of its own was paid. Paid, its amount is a key's: a new one's, or that of the one
 * it was to fill. Unpaid for a day after its end, or unknown by then, it is forgotten: no money moved.
 */
export async function askInvoice(
  deps: PaidRunDeps,
  run: PaidRunIn<'invoiced'>,
  signal: AbortSignal,
): Promise<PaidRun> {
  const { store } = deps;
  const said = await deps.nodes.at(run.node).lightning.invoiceState(run.body.invoiceId, signal);
  store.record(run.id, 'invoice', said.state, said.evidence);
  const isOver = deps.clock.now() > run.body.expiresAt + lateMs;
  switch (said.state) {
    case 'paid': {
      const key = run.body.key ?? said.key;
      if (key === undefined) return wait(deps, run, 'doubt');
      return isApiKey(key) ? paid(deps, run, key, said, signal) : wait(deps, run, 'operator');
    }
    case 'pending':
    case 'expired':
    case 'unknown':
    case 'cancelled': {
      if (isOver) return store.move(run.id, ['invoiced'], { state: 'void' });
      return wait(deps, run, said.state === 'pending' ? 'under_way' : 'node_away');
    }
    case 'unclear':
      return wait(deps, run, 'operator');
    case 'unavailable':
      return wait(deps, run, 'node_away');
  }
}

async function paid(
  deps: PaidRunDeps,
  run: PaidRunIn<'invoiced'>,
  key: ApiKey,
  { evidence }: InvoiceState,
  signal: AbortSignal,
): Promise<PaidRun> {
  const { store, wallet } = deps;
  const amount = run.ticket.budget;
  const token = { operation: undefined, token: key, out: amount, face: amount };
  const parent = run.ticket.parent === undefined ? undefined : store.get(run.ticket.parent);
  if (parent === undefined) {
    const info = await askForKey(deps, { ...run, body: { token: key } }, signal);
    if (info.state === 'unavailable') return wait(deps, run, 'node_away');
    // A key that the node gives and does not know is worth nothing yet.
    const worth = info.state === 'known' ? worthOf(info.balance) : 0;
    if (worth < amount * 500) return wait(deps, run, 'doubt');
    const creditedMsat = Math.min(worth, amount * 1000);
    const kept = store.move(run.id, ['invoiced'], { ...token, state: 'kept', creditedMsat });
    deps.reached('run:kept');
    return kept;
  }
  const creditedMsat = amount * 1000;
  const done = wallet.transaction(() => {
    // Its key is on its way home, or there: so is this.
    if (!isIn(parent, 'kept', 'refund_due')) {
      const dueSince = deps.clock.now();
      return store.move(run.id, ['invoiced'], { ...token, state: 'refund_due', creditedMsat, dueSince });
    }
    store.move(parent.id, [parent.body.state], {
      ...parent.body,
      out: sat(parent.body.out + amount),
      face: sat(parent.body.face + amount),
      creditedMsat: parent.body.creditedMsat + creditedMsat,
    });
    return store.move(run.id, ['invoiced'], { state: 'merged' });
  });
  store.record(run.id, 'credit', 'paid', evidence);
  deps.reached('run:merged');
  return done;
}
