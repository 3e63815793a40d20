import { setImmediate as breathe } from 'node:timers/promises';
import { nullable } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import type { BookProblem } from '../check-types.ts';
import { operationIdSchema, satSchema } from '../store/stored-proof.ts';
import type { Core } from '../wallet-core.ts';

const holder = nullable(operationIdSchema);
const made = { operation: operationIdSchema, made: satSchema, amount: satSchema };
const problemRow = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('reserved-by-closed'), amount: satSchema, operation: holder }),
  z.object({ kind: z.literal('sent-without-token'), amount: satSchema, operation: holder }),
  z.object({ kind: z.literal('made-other'), ...made }),
  z.object({ kind: z.literal('inputs-other'), ...made }),
  z.object({ kind: z.literal('ledger'), run: z.number() }),
]);

/** What an operation put in. What is spent of a token that it made is its receiver's doing. */
const putIn = `(SELECT coalesce(sum(amount), 0) FROM proofs
  WHERE operation = o.id AND state = 'spent' AND origin IS NOT o.id)`;
const cameOut = '(SELECT coalesce(sum(amount), 0) FROM proofs WHERE origin = o.id)';
/** Fees of swaps that were made for a payment, or to gather what a send takes, stand in that, too. */
const feeOfParts = `(SELECT coalesce(sum(p.fee), 0) FROM operations p
  WHERE p.kind = 'send' AND p.state = 'regrouped' AND json_extract(p.data, '$.partOf') = o.id)`;

/** What must not be there whenever no transaction is under way: of what is live, and what an index has of the ledger. */
const problemQueries = [
  `SELECT 'reserved-by-closed' AS kind, sum(amount) AS amount, operation FROM proofs
   WHERE state = 'reserved' AND state <> 'spent'
     AND (operation IS NULL OR operation NOT IN (SELECT id FROM operations WHERE open = 1))
   GROUP BY operation`,
  `SELECT 'sent-without-token' AS kind, sum(amount) AS amount, operation FROM proofs
   WHERE state = 'sent' AND state <> 'spent' AND (operation IS NULL OR operation NOT IN (
     SELECT id FROM operations WHERE kind = 'send' AND state IN ('issued', 'handed_over', 'reclaiming')))
   GROUP BY operation`,
  `SELECT 'ledger' AS kind, id AS run FROM spend_log
   WHERE state = 'settled' AND budget_sats <> spent_sats + refund_sats + fee_sats`,
] as const;

/** And of all operations that ever were, those numbered ?1 to ?2. */
const sliceQueries = [
  `SELECT 'made-other' AS kind, id AS operation, made, amount FROM (
     SELECT o.id, o.amount, ${cameOut} AS made FROM operations o
     WHERE o.seq BETWEEN ?1 AND ?2 AND +o.state IN ('done', 'found') AND +o.kind IN ('receive', 'mint'))
   WHERE made <> amount`,
  // What was put in is what came out, what was paid, and the fee. Older money that was found since may have been its own
  // (an operation that was undone, and went through all the same).
  `SELECT 'inputs-other' AS kind, operation, made, amount FROM (
     SELECT o.id AS operation, ${putIn} AS amount,
       ${cameOut} + o.fee - ${feeOfParts} + CASE o.kind WHEN 'melt' THEN o.amount ELSE 0 END AS made
     FROM operations o
     WHERE o.seq BETWEEN ?1 AND ?2
       AND ((+o.kind = 'send' AND +o.state IN ('issued', 'handed_over', 'claimed', 'reclaiming', 'reclaimed', 'regrouped'))
       OR (+o.kind = 'melt' AND +o.state = 'paid'))
       AND NOT EXISTS (SELECT 1 FROM operations f WHERE f.kind = 'receive' AND f.state = 'found' AND f.mint = o.mint
         AND f.created_at >= o.created_at))
   WHERE made <> amount`,
] as const;

/** So many operations in one piece: some ten milliseconds. */
const sliceLength = 1_000;
const lastRow = z.object({ last: z.number().nullable() });

/** Where the books contradict themselves; asks nobody. Others have their turn between two pieces. */
export async function bookProblems(
  { store: { db } }: Core,
  signal: AbortSignal,
): Promise<readonly BookProblem[]> {
  const read = (sql: string, ...range: readonly number[]) =>
    db
      .query(sql)
      .all(...range)
      .map((row) => problemRow.parse(row));
  const problems = problemQueries.flatMap((sql) => read(sql));
  const last = lastRow.parse(db.query('SELECT max(seq) AS last FROM operations').get()).last ?? 0;
  for (let from = 1; from <= last; from += sliceLength) {
    problems.push(...sliceQueries.flatMap((sql) => read(sql, from, from + sliceLength - 1)));
    await breathe();
    signal.throwIfAborted();
  }
  return problems;
}
