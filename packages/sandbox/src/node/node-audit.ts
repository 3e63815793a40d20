import type { Database } from 'bun:sqlite';
import type { EntryKind } from './node-store.ts';

/** The node's books: to the msat for what belongs to clients, to the sat for what it holds at mints. */
export type NodeAudit = {
  readonly accounts: number;
  /** Everything that clients paid in, and the most that came to one account. */
  readonly creditedMsat: number;
  readonly largestCreditMsat: number;
  /** The same for each account, by the hash that its key is made of. */
  readonly byAccount: Readonly<
    Record<
      string,
      { readonly creditedMsat: number; readonly spentMsat: number; readonly refundedMsat: number }
    >
  >;
  /** On accounts, reserved money included. */
  readonly balancesMsat: number;
  readonly reservedMsat: number;
  readonly spentMsat: number;
  /** Change tokens that were made, whether or not they arrived. */
  readonly refundedMsat: number;
  /** Fractions of a sat that a refund can't carry. */
  readonly forfeitedMsat: number;
  /** What `x-cashu` payments cost, rounded up to sat, and those that the node kept whole. */
  readonly keptMsat: number;
  /** Taken from a balance and nowhere to be found: a crash or a withheld refund. */
  readonly missingMsat: number;
  /** Proofs of the node, in sat, by mint. */
  readonly heldSat: Readonly<Record<string, number>>;
  /** The operator's own money in there. */
  readonly floatSat: number;
  /** What making change tokens cost at the mints. */
  readonly sendFeesSat: number;
  /** Held beyond what the books explain: a token that was redeemed and never credited; less: proofs lost in a crash. */
  readonly unexplainedSat: number;
  /** Nothing is missing and nothing unexplained. */
  readonly balanced: boolean;
  /** Every change token ever made. Which of them were received, the mint knows. */
  readonly changeTokens: readonly {
    readonly token: string;
    readonly amount: number;
    readonly mint: string;
    readonly account: string | null;
  }[];
};

export function auditNode(db: Database): NodeAudit {
  const entered = (kind: EntryKind): number =>
    db
      .query<{ n: number }, [string]>('SELECT coalesce(sum(amount), 0) AS n FROM entries WHERE kind = ?')
      .get(kind)?.n ?? 0;
  const sums = db
    .query<{ balance: number; reserved: number }, []>(
      'SELECT coalesce(sum(balance), 0) AS balance, coalesce(sum(reserved), 0) AS reserved FROM accounts',
    )
    .get() ?? { balance: 0, reserved: 0 };
  const held = db
    .query<{ mint: string; n: number }, []>('SELECT mint, sum(amount) AS n FROM proofs GROUP BY mint')
    .all();
  const credits = db
    .query<{ accounts: number; largest: number | null }, []>(
      `SELECT count(*) AS accounts, max(credit) AS largest
       FROM (SELECT sum(amount) AS credit FROM entries WHERE kind = 'credit' AND account IS NOT NULL GROUP BY account)`,
    )
    .get();
  const each = db
    .query<{ account: string; creditedMsat: number; spentMsat: number; refundedMsat: number }, []>(
      `SELECT account, sum(iif(kind = 'credit', amount, 0)) AS creditedMsat,
         sum(iif(kind = 'spend', amount, 0)) AS spentMsat, sum(iif(kind = 'refund', amount, 0)) AS refundedMsat
       FROM entries WHERE account IS NOT NULL GROUP BY account`,
    )
    .all();
  const creditedMsat = entered('credit');
  const spentMsat = entered('spend');
  const refundedMsat = entered('refund');
  const forfeitedMsat = entered('forfeit');
  const keptMsat = entered('keep');
  const floatSat = entered('float');
  const sendFeesSat = entered('send_fee');
  const missingMsat = creditedMsat - sums.balance - spentMsat - refundedMsat - forfeitedMsat - keptMsat;
  const unexplainedSat =
    held.reduce((sum, row) => sum + row.n, 0) -
    (floatSat + (creditedMsat - refundedMsat) / 1000 - sendFeesSat);
  return {
    accounts: credits?.accounts ?? 0,
    creditedMsat,
    largestCreditMsat: credits?.largest ?? 0,
    byAccount: Object.fromEntries(each.map(({ account, ...sums }) => [account, sums])),
    balancesMsat: sums.balance,
    reservedMsat: sums.reserved,
    spentMsat,
    refundedMsat,
    forfeitedMsat,
    keptMsat,
    missingMsat,
    heldSat: Object.fromEntries(held.map((row) => [row.mint, row.n])),
    floatSat,
    sendFeesSat,
    unexplainedSat,
    balanced: missingMsat === 0 && unexplainedSat === 0,
    changeTokens: db
      .query<{ token: string; amount: number; mint: string; account: string | null }, []>(
        "SELECT token, amount, mint, account FROM transactions WHERE type = 'out' ORDER BY rowid",
      )
      .all(),
  };
}
