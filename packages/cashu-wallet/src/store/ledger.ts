import { addSat } from '@nostr-dm-agent/kit/sat';
import type { Ledger } from '../faces.ts';
import { ledgerColumns as columns, ledgerRow } from './ledger-rows.ts';
import { searchLedger } from './ledger-search.ts';
import { openSpendDays } from './spend-days.ts';
import { spendOfDays } from './spend-of-days.ts';
import { satSchema } from './stored-proof.ts';
import type { Store } from './wallet-database.ts';

/** So many owners are told apart in a summary. */
const mostTold = 12;

/** The ledger of paid runs, in the wallet's own database: a run's change and its row change together. */
export function createLedger(store: Store): Ledger {
  const { db } = store;
  const days = openSpendDays(store);
  const sum = 'SELECT coalesce(sum(spent_sats + fee_sats), 0) AS n FROM spend_log WHERE';
  const sumAll = db.query<{ n: number }, [number, number]>(`${sum} ts >= ? AND ts < ?`);
  const sumOf = db.query<{ n: number }, [string, number, number]>(`${sum} owner = ? AND ts >= ? AND ts < ?`);
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
    find: (id) => {
      const found = db.query(`SELECT ${columns} FROM spend_log WHERE id = ?`).get(id);
      return found === null ? undefined : ledgerRow.parse(found);
    },
    latest: (limit, owner) =>
      (owner === undefined
        ? db.query(`SELECT ${columns} FROM spend_log ORDER BY id DESC LIMIT ?`).all(limit)
        : db
            .query(`SELECT ${columns} FROM spend_log WHERE owner = ? ORDER BY id DESC LIMIT ?`)
            .all(owner, limit)
      ).map((each) => ledgerRow.parse(each)),
    // Of the day on which it begins row by row, of later ones by their sums.
    spentSince: (ts, owner) => {
      const next = days.nextDay(ts);
      const first = owner === undefined ? sumAll.get(ts, next) : sumOf.get(owner, ts, next);
      return addSat(satSchema.parse(first?.n ?? 0), days.spentAfter(ts, owner));
    },
    summary: (since, owner) => days.summary(since, owner, mostTold),
    search: (filter, range, signal) => searchLedger(db, filter, range, signal),
    spendOfDays: (question) => spendOfDays(db, question),
  };
}
