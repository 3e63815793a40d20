import type { Database } from 'bun:sqlite';
import { subtractSat } from '@nostr-dm-agent/kit/sat';
import { nullable } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import type { DaySpend, SpendQuestion } from '../wallet-types.ts';
import { dayOf } from './spend-days-table.ts';
import { satSchema } from './stored-proof.ts';

const row = z.object({
  day: z.number(),
  name: nullable(z.string()),
  runs: z.number(),
  spent: satSchema,
  open: satSchema,
});

/** Which rows of `spend_days` answer a question: for all together, and for each name. */
function grainsOf({ by, owner }: SpendQuestion) {
  const [all, each] = owner === undefined ? [0, by === 'model' ? 1 : 2] : [2, by === 'model' ? 3 : 2];
  const whose = `owner = ${owner === undefined ? "''" : '$owner'}`;
  const isByOwner = by === 'owner' && owner === undefined;
  return {
    all: `grain = ${all} AND ${whose}`,
    each: isByOwner ? `grain = ${each}` : `grain = ${each} AND ${whose}`,
  };
}

/**
 * What runs cost on each of these days, by model or by owner, from the sums that are kept (`spend_days`): the dearest by their names,
 * all others together, so that a thousand owners are not read to show five.
 */
export function spendOfDays(db: Database, question: SpendQuestion): readonly DaySpend[] {
  const { days, by, owner, most } = question;
  const { all, each } = grainsOf(question);
  const given = { days: JSON.stringify(days), ...(owner === undefined ? {} : { owner }) };
  const asked = `WITH asked AS MATERIALIZED (SELECT value AS moment, ${dayOf('value')} AS day FROM json_each($days))`;
  const range = 'day BETWEEN (SELECT min(day) FROM asked) AND (SELECT max(day) FROM asked)';
  const names = db
    .query<{ name: string }, [Record<string, string | number>]>(
      `${asked} SELECT ${by} AS name FROM spend_days WHERE ${each} AND ${range}
       GROUP BY 1 ORDER BY sum(spent) DESC, 1 LIMIT $limit`,
    )
    .all({ ...given, limit: most + 1 })
    .map(({ name }) => name);
  const told = names.length <= most ? names : names.slice(0, most - 1);
  const figures = 'asked.moment AS day, spend_days.runs, spend_days.spent, spend_days.open';
  const found = db
    .query(
      `${asked} SELECT ${figures}, nullif(${by}, '') AS name FROM spend_days JOIN asked USING (day)
       WHERE ${each} AND ${by} IN (SELECT value FROM json_each($names)) ORDER BY 1, 3 DESC`,
    )
    .all({ ...given, names: JSON.stringify(told) })
    .map((one) => row.parse(one));
  if (told.length === names.length) return found;
  const sums = db
    .query(
      `${asked} SELECT ${figures}, NULL AS name FROM spend_days JOIN asked USING (day) WHERE ${all} ORDER BY 1`,
    )
    .all(given)
    .map((one) => row.parse(one));
  return [...found, ...sums.map((sum) => othersOf(sum, found))];
}

function othersOf(sum: DaySpend, found: readonly DaySpend[]): DaySpend {
  let { runs, spent, open } = sum;
  for (const row of found) {
    if (row.day !== sum.day) continue;
    runs -= row.runs;
    spent = subtractSat(spent, row.spent);
    open = subtractSat(open, row.open);
  }
  return { ...sum, runs, spent, open, isOthers: true };
}
