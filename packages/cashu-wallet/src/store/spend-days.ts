import type { Sat } from '@nostr-dm-agent/kit/sat';
import { nullable } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import type { SpendSummary } from '../wallet-types.ts';
import { summaryRow } from './ledger-rows.ts';
import { dayOf, fillSpendDays } from './spend-days-table.ts';
import { satSchema } from './stored-proof.ts';
import type { Store } from './wallet-database.ts';

/** What the clock of this place says at some moments of the summers and winters of years: another place, other days. */
const zone = `SELECT group_concat(strftime('%d%H%M', ts, 'unixepoch', 'localtime')) AS zone FROM (
  SELECT 1735689600 AS ts UNION ALL SELECT 1751328000 UNION ALL SELECT 1767225600 UNION ALL SELECT 1782864000)`;
const zoneKey = 'spend_zone';

const othersRow = z.object({
  day: z.string(),
  model: nullable(z.string()),
  runs: z.number(),
  spent: satSchema,
  open: satSchema,
});
const topRow = z.object({ owner: z.string(), owners: z.number() });

export type SpendDays = {
  /** What was spent on days that begin after this moment (ms); of one owner when they are named. */
  readonly spentAfter: (ts: number, owner: string | undefined) => Sat;
  /** When the first of them begins (ms). */
  readonly nextDay: (ts: number) => number;
  readonly summary: (since: number, owner: string | undefined, most: number) => readonly SpendSummary[];
};

/** The days are counted anew when the bot has moved to another time zone. */
export function openSpendDays({ db, write }: Pick<Store, 'db' | 'write'>): SpendDays {
  write(() => {
    const { zone: here } = db.query<{ zone: string }, []>(zone).get() ?? { zone: '' };
    const known = db
      .query<{ value: string }, [string]>('SELECT value FROM settings WHERE key = ?')
      .get(zoneKey);
    if (known?.value === here) return;
    if (known !== null) db.exec(`DELETE FROM spend_days; ${fillSpendDays}`);
    db.query('INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)').run(zoneKey, here);
  });
  const named = "day, nullif(owner, '') AS owner, nullif(model, '') AS model, runs, spent, open";
  const after = db.query<{ n: number }, [number, string, number]>(
    `SELECT coalesce(sum(spent), 0) AS n FROM spend_days WHERE grain = ? AND owner = ? AND day > ${dayOf('?')}`,
  );
  const ofOwner = db.query(
    `SELECT ${named} FROM spend_days WHERE grain = 3 AND owner = ? AND day >= ${dayOf('?')} ORDER BY 1 DESC, 5 DESC, 3`,
  );
  const dearest = db.query(
    `SELECT owner, count(*) OVER () AS owners FROM spend_days WHERE grain = 2 AND day >= ${dayOf('?')}
     GROUP BY owner ORDER BY sum(spent) DESC, owner LIMIT ?`,
  );
  const ofThese = `FROM spend_days WHERE grain = 3 AND owner IN (SELECT value FROM json_each(?2)) AND day >= ${dayOf('?1')}`;
  const ofTop = db.query(`SELECT ${named} ${ofThese} ORDER BY 1 DESC, 5 DESC, 3`);
  const ofOthers = db.query(
    `SELECT every.day, nullif(every.model, '') AS model, every.runs - coalesce(top.runs, 0) AS runs,
       every.spent - coalesce(top.spent, 0) AS spent, every.open - coalesce(top.open, 0) AS open
     FROM spend_days every LEFT JOIN (SELECT day, model, sum(runs) AS runs, sum(spent) AS spent, sum(open) AS open
       ${ofThese} GROUP BY 1, 2) top USING (day, model)
     WHERE every.grain = 1 AND every.owner = '' AND every.day >= ${dayOf('?1')} ORDER BY 1 DESC, 4 DESC, 2`,
  );
  return {
    spentAfter: (ts, owner) =>
      satSchema.parse(after.get(owner === undefined ? 0 : 2, owner ?? '', ts)?.n ?? 0),
    nextDay: (ts) => {
      const day = new Date(ts);
      return new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1).getTime();
    },
    summary: (since, owner, most) => {
      if (owner !== undefined) return ofOwner.all(owner, since).map((each) => summaryRow.parse(each));
      const top = dearest.all(since, most).map((each) => topRow.parse(each));
      const names = JSON.stringify(top.map((each) => each.owner));
      const rows = ofTop.all(since, names).map((each) => summaryRow.parse(each));
      const others = (top[0]?.owners ?? 0) - top.length;
      if (others === 0) return rows;
      return [
        ...rows,
        ...ofOthers.all(since, names).map((each) => ({ ...othersRow.parse(each), owner: undefined, others })),
      ].toSorted((a, b) => (a.day < b.day ? 1 : a.day > b.day ? -1 : 0));
    },
  };
}
