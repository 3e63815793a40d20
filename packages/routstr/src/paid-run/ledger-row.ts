import type { LedgerEntry } from '@nostr-dm-agent/cashu-wallet';
import {
  msatToSatCeil,
  msatToSatFloor,
  remainingSat,
  type Sat,
  sat,
  subtractSat,
} from '@nostr-dm-agent/kit/sat';
import { isNodeAccount, isOfUserKey, type PaidRun, type PaidRunBody } from './paid-run.ts';

type Figures = Pick<LedgerEntry, 'budget' | 'refund' | 'spent' | 'fee' | 'state'>;

/**
 * What the ledger says of a run in this state; undefined: it stays as it is, or has no row. A run on an account has its
 * row, and the account's own is what is left: Σ budget − Σ refund of settled rows is what left the wallet for good.
 *
 * @param booked what the settled runs on this account cost
 */
export function ledgerFigures(run: PaidRun, body: PaidRunBody, booked: () => Sat): Figures | undefined {
  const { state } = body;
  const none = sat(0);
  switch (state) {
    case 'created':
    case 'invoiced':
    case 'void':
    case 'merged':
      return undefined;
    case 'settled':
      return { budget: body.out, refund: body.change, spent: body.spent, fee: body.fee, state };
    case 'unreckoned': {
      const spent = msatToSatCeil(body.meteredMsat);
      return { budget: body.out, refund: remainingSat(body.out, spent), spent, fee: none, state };
    }
    default: {
      // A top-up that comes back cost fees; else it is in the books of its run.
      if (run.ticket.parent !== undefined) return undefined;
      const open = { refund: none, spent: none, state };
      const credited = 'creditedMsat' in body ? body.creditedMsat : undefined;
      const fee = credited === undefined ? none : subtractSat(body.out, msatToSatFloor(credited));
      if (isOfUserKey(run)) {
        const spent = 'spentMsat' in body ? msatToSatCeil(body.spentMsat ?? 0) : none;
        return { ...open, budget: body.out, fee, spent };
      }
      if (!isNodeAccount(run)) return { ...open, budget: body.out, fee: none };
      return { ...open, budget: remainingSat(body.out, booked()), fee };
    }
  }
}
