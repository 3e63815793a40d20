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
const parts = `parts AS MATERIALIZED (SELECT json_extract(data, '$.partOf') AS whole, fee FROM operations
  WHERE kind = 'send' AND state = 'regrouped')`;
const feeOfParts = '(SELECT coalesce(sum(fee), 0) FROM parts WHERE whole = o.id)';

/** What must not be there whenever no transaction is under way. */
const problemQueries = [
  `SELECT 'reserved-by-closed' AS kind, sum(amount) AS amount, operation FROM proofs
   WHERE state = 'reserved' AND (operation IS NULL OR operation NOT IN (SELECT id FROM operations WHERE open = 1))
   GROUP BY operation`,
  `SELECT 'sent-without-token' AS kind, sum(amount) AS amount, operation FROM proofs
   WHERE state = 'sent' AND (operation IS NULL OR operation NOT IN (
     SELECT id FROM operations WHERE kind = 'send' AND state IN ('issued', 'handed_over', 'reclaiming')))
   GROUP BY operation`,
  `SELECT 'made-other' AS kind, o.id AS operation, coalesce(sum(p.amount), 0) AS made, o.amount AS amount
   FROM operations o LEFT JOIN proofs p ON p.origin = o.id
   WHERE o.state IN ('done', 'found') AND o.kind IN ('receive', 'mint') GROUP BY o.id HAVING made <> o.amount`,
  // What was put in is what came out, what was paid, and the fee. Older money that was found since may have been its own
  // (an operation that was undone, and went through all the same).
  `WITH ${parts} SELECT 'inputs-other' AS kind, operation, made, amount FROM (
     SELECT o.id AS operation, ${putIn} AS amount,
       ${cameOut} + o.fee - ${feeOfParts} + CASE o.kind WHEN 'melt' THEN o.amount ELSE 0 END AS made
     FROM operations o
     WHERE NOT EXISTS (SELECT 1 FROM operations f WHERE f.kind = 'receive' AND f.state = 'found' AND f.mint = o.mint
         AND f.created_at >= o.created_at)
       AND ((o.kind = 'send' AND o.state IN ('issued', 'handed_over', 'claimed', 'reclaiming', 'reclaimed', 'regrouped'))
       OR (o.kind = 'melt' AND o.state = 'paid')))
   WHERE made <> amount`,
  `SELECT 'ledger' AS kind, id AS run FROM spend_log
   WHERE state = 'settled' AND budget_sats <> spent_sats + refund_sats + fee_sats`,
] as const;

/** Where the books contradict themselves; asks nobody. */
export function bookProblems({ store }: Core): readonly BookProblem[] {
  return problemQueries.flatMap((sql) =>
    store.db
      .query(sql)
      .all()
      .map((row) => problemRow.parse(row)),
  );
}
