import type { Ledger } from '../faces.ts';
import { ledgerColumns as columns, ledgerRow, openSum, runsSum, summaryRow } from './ledger-rows.ts';
import { searchLedger, spendOfDays } from './ledger-search.ts';
import { satSchema } from './stored-proof.ts';
import type { Store } from './wallet-database.ts';

/** The ledger of paid runs, in the wallet's own database: a run's change and its row change together. */
export function createLedger({ db }: Store): Ledger {
  const sum = 'SELECT coalesce(sum(spent_sats + fee_sats), 0) AS n FROM spend_log WHERE';
  const sumAll = db.query<{ n: number }, [number]>(`${sum} ts >= ?`);
  const sumOf = db.query<{ n: number }, [string, number]>(`${sum} owner = ? AND ts >= ?`);
  return {
    append: ({ ts, provider, budget, refund, spent, fee, promptPrefix, state, ...rest }) => {
      const { model = null, sessionId = null, nodeUrl = null, owner = null } = rest;
      const prompt = [...promptPrefix].slice(0, 80).join('');
      const { lastInsertRowid } = db
        .query(
          `INSERT INTO spend_log (ts, provider, budget_sats, refund_sats, spent_sats, fee_sats, model, session_id,
             prompt_prefix, state, node_url, owner) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        )
        .run(ts, provider, budget, refund, spent, fee, model, sessionId, prompt, state, nodeUrl, owner);
      return Number(lastInsertRowid);
    },
    update: (id, { refund, spent, fee, state, budget = null }) => {
      db.query(
        `UPDATE spend_log SET refund_sats = ?, spent_sats = ?, fee_sats = ?, state = ?,
           budget_sats = coalesce(?, budget_sats) WHERE id = ?`,
      ).run(refund, spent, fee, state, budget, id);
    },
    latest: (limit, owner) =>
      (owner === undefined
        ? db.query(`SELECT ${columns} FROM spend_log ORDER BY id DESC LIMIT ?`).all(limit)
        : db
            .query(`SELECT ${columns} FROM spend_log WHERE owner = ? ORDER BY id DESC LIMIT ?`)
            .all(owner, limit)
      ).map((each) => ledgerRow.parse(each)),
    spentSince: (ts, owner) =>
      satSchema.parse(owner === undefined ? (sumAll.get(ts)?.n ?? 0) : (sumOf.get(owner, ts)?.n ?? 0)),
    summary: (since, owner) =>
      db
        .query(
          `SELECT date(ts / 1000, 'unixepoch', 'localtime') AS day, owner, model,
             ${runsSum} AS runs, sum(spent_sats + fee_sats) AS spent, ${openSum} AS open
           FROM spend_log WHERE ts >= ?1 AND (?2 IS NULL OR owner = ?2)
           GROUP BY 1, 2, 3 ORDER BY 1 DESC, 5 DESC, 3`,
        )
        .all(since, owner ?? null)
        .map((each) => summaryRow.parse(each)),
    search: (filter, range, signal) => searchLedger(db, filter, range, signal),
    spendOfDays: (question, signal) => spendOfDays(db, question, signal),
  };
}
