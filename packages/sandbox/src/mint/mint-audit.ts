import type { Database } from 'bun:sqlite';

/** The mint's books, in sat. */
export type MintAudit = {
  /** Signed and not yet spent, by keyset: what the mint owes to whoever holds the proofs. */
  readonly outstanding: Readonly<Record<string, number>>;
  readonly totalOutstanding: number;
  /** Outstanding proofs that a payment under way holds. */
  readonly pending: number;
  /** What came in over Lightning and was issued. */
  readonly minted: number;
  /** What went out over Lightning, routing fees included. */
  readonly melted: number;
  /** Input fees, and change that had no blank output. */
  readonly earned: number;
  /** Invoices that were paid and never issued. */
  readonly paidUnissued: number;
  /** `minted = outstanding + melted + earned`; false would be a fault of this mint. */
  readonly balanced: boolean;
};

export function auditMint(db: Database): MintAudit {
  const total = (sql: string): number => db.query<{ n: number | null }, []>(sql).get()?.n ?? 0;
  const rows = db
    .query<{ id: string; n: number }, []>(
      `SELECT k.id, coalesce((SELECT sum(amount) FROM signatures WHERE keyset = k.id), 0)
              - coalesce((SELECT sum(amount) FROM proofs WHERE keyset = k.id AND state = 'SPENT'), 0) AS n
       FROM keysets k`,
    )
    .all();
  const totalOutstanding = rows.reduce((sum, row) => sum + row.n, 0);
  const minted = total("SELECT sum(amount) AS n FROM mint_quotes WHERE state = 'ISSUED'");
  const melted = total("SELECT sum(amount + fee_paid) AS n FROM melt_quotes WHERE state = 'PAID'");
  const earned = total('SELECT sum(amount) AS n FROM earnings');
  return {
    outstanding: Object.fromEntries(rows.map((row) => [row.id, row.n])),
    totalOutstanding,
    pending: total("SELECT sum(amount) AS n FROM proofs WHERE state = 'PENDING'"),
    minted,
    melted,
    earned,
    paidUnissued: total("SELECT sum(amount) AS n FROM mint_quotes WHERE state = 'PAID'"),
    balanced: minted === totalOutstanding + melted + earned,
  };
}
