import { addSat, sat } from '@nostr-dm-agent/kit/sat';
import { nullable } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import { explainMintError } from '../mints/mint-errors.ts';
import { operationIdSchema, satSchema, sumProofs } from '../store/stored-proof.ts';
import type { Core } from '../wallet-core.ts';
import { MintError } from '../wallet-errors.ts';
import type { BookProblem, CheckReport, MintUrl } from '../wallet-types.ts';
import { statesOf } from './swap.ts';
import { isClaimed } from './take-back.ts';

/**
 * Proves that the books add up, and asks the mints for the state of every proof (NUT-07). A ready proof that a mint
 * calls spent is put aside, so that no operation trips over it; one that was put aside and is free comes back.
 */
export async function check(core: Core, signal: AbortSignal): Promise<CheckReport> {
  const problems = bookProblems(core);
  const unreachable: MintUrl[] = [];
  let spentElsewhere = sat(0);
  let checkedProofs = 0;
  for (const mint of core.mints.accepted()) {
    try {
      const session = await core.mints.open(mint, signal);
      const ready = core.proofs.all(mint, 'ready');
      const aside = core.proofs.all(mint, 'quarantined');
      const states = await statesOf(session, [...ready, ...aside]);
      const lost = ready.filter((_, i) => states[i] === 'SPENT');
      const free = aside.filter((_, i) => states[ready.length + i] === 'UNSPENT');
      core.store.write(() => {
        // Only what is still ready: a send may have taken some while the mint was asked.
        core.proofs.setStateFrom(lost, 'ready', 'quarantined');
        core.proofs.setStateFrom(free, 'quarantined', 'ready');
      });
      spentElsewhere = addSat(spentElsewhere, sumProofs(lost));
      checkedProofs += ready.length + aside.length;
      for (const state of ['issued', 'handed_over']) {
        for (const head of core.journal.inState('send', state)) {
          if (head.mint === mint) await isClaimed(core, head.operation, signal);
        }
      }
    } catch (cause) {
      signal.throwIfAborted();
      const error = explainMintError(mint, cause);
      if (!(error instanceof MintError)) throw error;
      core.log.warn({ mint, problem: error.problem.kind }, 'a mint could not be checked');
      unreachable.push(mint);
    }
  }
  return { consistent: problems.length === 0, problems, spentElsewhere, checkedProofs, unreachable };
}

const holder = nullable(operationIdSchema);
const problemRow = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('reserved-by-closed'), amount: satSchema, operation: holder }),
  z.object({ kind: z.literal('sent-without-token'), amount: satSchema, operation: holder }),
  z.object({
    kind: z.literal('made-other'),
    operation: operationIdSchema,
    made: satSchema,
    amount: satSchema,
  }),
  z.object({ kind: z.literal('ledger'), run: z.number() }),
]);

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
  `SELECT 'ledger' AS kind, id AS run FROM spend_log
   WHERE state = 'settled' AND budget_sats <> spent_sats + refund_sats + fee_sats`,
] as const;

function bookProblems({ store }: Core): readonly BookProblem[] {
  return problemQueries.flatMap((sql) =>
    store.db
      .query(sql)
      .all()
      .map((row) => problemRow.parse(row)),
  );
}
