import { addSat, msatToSatCeil, msatToSatFloor, remainingSat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { type ApiKey, keyOf } from '../node/api-key.ts';
import type { KeyFacts, KeyNews } from '../remote/key-facts.ts';
import { isIn, isOpen, type PaidRun, type PaidRunState } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import type { PaidRunStore } from './paid-run-store.ts';

/** Long enough to be told from others, and of no use without the rest. */
const labelLength = 11;

/** A user's key as the books have it. */
export function factsOf(store: Pick<PaidRunStore, 'topUpsOf'>, run: PaidRun): KeyFacts {
  const { id, node, ticket, createdAt, body } = run;
  const topUps = store.topUpsOf(id).filter((row) => isOpen(row.body));
  const invoiced = [run, ...topUps].find((row) => isIn(row, 'invoiced'));
  const coming = topUps.filter((row) => !isIn(row, 'invoiced', 'needs_operator'));
  return {
    id,
    node,
    source: ticket.source ?? 'wallet',
    state: stateOf(body.state),
    label: secretOf(run)?.slice(0, labelLength),
    createdAt,
    arriving: addSat(...coming.map((row) => row.ticket.budget)),
    ...sumsOf(run),
    invoice:
      invoiced === undefined
        ? undefined
        : {
            invoice: invoiced.body.invoice,
            amount: invoiced.ticket.budget,
            expiresAt: invoiced.body.expiresAt,
          },
  };
}

/** The whole key; undefined: there is none yet, or no more. */
export const secretOf = ({ body }: PaidRun): ApiKey | undefined =>
  'token' in body ? keyOf(body.token) : undefined;

function stateOf(state: PaidRunState): KeyFacts['state'] {
  switch (state) {
    case 'invoiced':
      return 'waiting';
    case 'kept':
      return 'kept';
    case 'refund_due':
    case 'change_held':
      return 'leaving';
    case 'needs_operator':
      return 'doubtful';
    case 'settled':
    case 'void':
    case 'merged':
      return 'closed';
    default:
      return 'arriving';
  }
}

type Sums = Pick<KeyFacts, 'deposited' | 'spent' | 'refunded' | 'fee'>;
function sumsOf({ body }: PaidRun): Sums {
  const none: Sums = { deposited: zeroSat, spent: zeroSat, refunded: zeroSat, fee: zeroSat };
  if (body.state === 'settled') {
    // Rows of before do not say it: then without what the mint took of the change.
    const { spent, change, fee, deposited = addSat(spent, change) } = body;
    return { deposited, spent, refunded: change, fee };
  }
  if (!('creditedMsat' in body) || body.creditedMsat === undefined) return none;
  const deposited = msatToSatFloor(body.creditedMsat);
  const seen = 'spentMsat' in body ? body.spentMsat : 'meteredMsat' in body ? body.meteredMsat : undefined;
  return { ...none, deposited, spent: msatToSatCeil(seen ?? 0), fee: remainingSat(body.out, deposited) };
}

/** What its user does not know yet of what became of a row; undefined: nothing is certain, or they know. */
export function newsOf(deps: PaidRunDeps, run: PaidRun, told: PaidRunState | undefined): KeyNews | undefined {
  const { store } = deps;
  if (told === run.body.state || isIn(run, 'invoiced')) return undefined;
  const parent = run.ticket.parent === undefined ? undefined : store.find(run.ticket.parent);
  const key = factsOf(store, parent ?? run);
  const did = parent !== undefined ? 'topup' : told === 'kept' ? 'refund' : 'make';
  const { body, ticket } = run;
  switch (body.state) {
    case 'kept':
      return { key, did: 'make', came: 'kept', amount: key.deposited };
    case 'merged':
      return { key, did, came: 'kept', amount: ticket.budget };
    case 'settled':
      return { key, did, came: 'back', amount: body.change };
    case 'needs_operator':
      return { key, did, came: 'doubtful', amount: ticket.budget };
    case 'void':
      return ofVoid(deps, run, key, did);
    default:
      return undefined;
  }
}

/** No token was made. What was pasted for it may be in the wallet, or on its way there. */
function ofVoid(
  deps: PaidRunDeps,
  { ticket }: PaidRun,
  key: KeyFacts,
  did: KeyNews['did'],
): KeyNews | undefined {
  const nothing: KeyNews = { key, did, came: 'nothing', amount: zeroSat };
  if (ticket.keptToken === undefined) return nothing;
  const state = deps.wallet.keptState(ticket.keptToken);
  if (state === 'new') return undefined;
  return state === 'redeemed' ? { key, did, came: 'back', amount: ticket.budget } : nothing;
}
