import { z } from 'zod';
import { nullable } from '../../db/columns.ts';
import type { Ledger, LedgerEntry } from '../types.ts';
import { satSchema } from './codec.ts';
import type { Store } from './store.ts';

const row = z
  .object({
    id: z.number(),
    ts: z.number(),
    provider: z.string(),
    budget_sats: satSchema,
    refund_sats: satSchema,
    spent_sats: satSchema,
    fee_sats: satSchema,
    model: nullable(z.string()),
    session_id: nullable(z.string()),
    prompt_prefix: z.string(),
    state: z.string(),
    node_url: nullable(z.string()),
  })
  .transform(
    (r): LedgerEntry => ({
      id: r.id,
      ts: r.ts,
      provider: r.provider,
      budget: r.budget_sats,
      refund: r.refund_sats,
      spent: r.spent_sats,
      fee: r.fee_sats,
      model: r.model,
      sessionId: r.session_id,
      promptPrefix: r.prompt_prefix,
      state: r.state,
      nodeUrl: r.node_url,
    }),
  );

/** The ledger of paid runs, in the wallet's own database: a run's change and its row change together. */
export function createLedger({ db }: Store): Ledger {
  return {
    append: (entry) =>
      Number(
        db
          .query(
            `INSERT INTO spend_log (ts, provider, budget_sats, refund_sats, spent_sats, fee_sats, model, session_id,
               prompt_prefix, state, node_url) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          )
          .run(
            entry.ts,
            entry.provider,
            entry.budget,
            entry.refund,
            entry.spent,
            entry.fee,
            entry.model ?? null,
            entry.sessionId ?? null,
            [...entry.promptPrefix].slice(0, 80).join(''),
            entry.state,
            entry.nodeUrl ?? null,
          ).lastInsertRowid,
      ),
    update: (id, { refund, spent, fee, state, budget }) => {
      db.query(
        `UPDATE spend_log SET refund_sats = ?, spent_sats = ?, fee_sats = ?, state = ?,
           budget_sats = coalesce(?, budget_sats) WHERE id = ?`,
      ).run(refund, spent, fee, state, budget ?? null, id);
    },
    latest: (limit) =>
      db
        .query('SELECT * FROM spend_log ORDER BY id DESC LIMIT ?')
        .all(limit)
        .map((each) => row.parse(each)),
    spentSince: (ts) =>
      satSchema.parse(
        db
          .query<{ n: number }, [number]>(
            'SELECT coalesce(sum(spent_sats + fee_sats), 0) AS n FROM spend_log WHERE ts >= ?',
          )
          .get(ts)?.n ?? 0,
      ),
  };
}
