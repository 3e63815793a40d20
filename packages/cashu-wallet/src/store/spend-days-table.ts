/** In four grains: bit 0, by model; bit 1, by owner. */
const grains = '(SELECT 0 AS grain UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3)';
/** The day of a moment (ms, or a placeholder), where the bot is. */
export const dayOf = (ts: string) => `date(${ts} / 1000, 'unixepoch', 'localtime')`;
/** The figures of one row. That of money kept at a node has neither session nor model; it is no run. */
const runsOf = (row: string) => `(${row}session_id IS NOT NULL OR ${row}model IS NOT NULL)`;
const spentOf = (row: string) => `(${row}spent_sats + ${row}fee_sats)`;
const openOf = (row: string) => `(CASE WHEN ${row}state IN ('settled', 'kept') THEN 0
  ELSE max(0, ${row}budget_sats - ${row}spent_sats - ${row}refund_sats - ${row}fee_sats) END)`;

const count = (row: 'NEW.' | 'OLD.', sign: '' | '-') => `
  INSERT INTO spend_days (grain, owner, day, model, runs, spent, open)
  SELECT grain, CASE WHEN grain & 2 THEN coalesce(${row}owner, '') ELSE '' END, ${dayOf(`${row}ts`)},
    CASE WHEN grain & 1 THEN coalesce(${row}model, '') ELSE '' END,
    ${sign}${runsOf(row)}, ${sign}${spentOf(row)}, ${sign}${openOf(row)} FROM ${grains} WHERE true
  ON CONFLICT DO UPDATE SET runs = runs + excluded.runs, spent = spent + excluded.spent, open = open + excluded.open;`;

/** From the whole ledger. */
export const fillSpendDays = `
  INSERT INTO spend_days (grain, owner, day, model, runs, spent, open)
  SELECT grain, CASE WHEN grain & 2 THEN owner ELSE '' END AS whose, day,
    CASE WHEN grain & 1 THEN model ELSE '' END AS which, sum(runs), sum(spent), sum(open)
  FROM (SELECT coalesce(owner, '') AS owner, ${dayOf('ts')} AS day, coalesce(model, '') AS model,
    sum(${runsOf('')}) AS runs, sum(${spentOf('')}) AS spent, sum(${openOf('')}) AS open
    FROM spend_log GROUP BY 1, 2, 3), ${grains}
  GROUP BY grain, whose, day, which;`;

/**
 * Sums of the ledger, kept by triggers in the transaction that changes it, so that a million rows are not added up to answer
 * a question. Part of the wallet's schema: never edited once released.
 */
export const spendDaysTable = `
  CREATE TABLE spend_days (
    grain INTEGER NOT NULL,              -- 0: all; 1: by model; 2: by owner; 3: by both
    owner TEXT NOT NULL,                 -- empty: nobody's, or all
    day TEXT NOT NULL,                   -- where the bot is, see spend_zone in settings
    model TEXT NOT NULL,                 -- empty: none was chosen, or all
    runs INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    open INTEGER NOT NULL,
    PRIMARY KEY (grain, owner, day, model)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX spend_days_of_owners ON spend_days (grain, day, owner, spent) WHERE grain = 2;
  ${fillSpendDays}
  CREATE TRIGGER spend_log_added AFTER INSERT ON spend_log BEGIN ${count('NEW.', '')} END;
  CREATE TRIGGER spend_log_changed AFTER UPDATE ON spend_log BEGIN ${count('OLD.', '-')} ${count('NEW.', '')} END;
  CREATE TRIGGER spend_log_taken AFTER DELETE ON spend_log BEGIN ${count('OLD.', '-')} END;`;
