import type { Database } from 'bun:sqlite';
import { setImmediate as breathe } from 'node:timers/promises';
import { addSat, zeroSat } from '@nostr-dm-agent/kit/sat';
import type { DaySpend, LedgerEntry, LedgerFilter, LedgerPlace, SpendQuestion } from '../wallet-types.ts';
import { ledgerColumns, ledgerRow, openSum, pieceRow, runsSum } from './ledger-rows.ts';

/** Rows that are looked at before others have their turn: some milliseconds. */
const lookedAtOnce = 5_000;
/** Work in one piece, in milliseconds, before others have theirs. */
const pieceMs = 10;
const hourMs = 3_600_000;
const minuteMs = 60_000;

/**
 * Rows of a filter, newest first, so many at a time and as they are wanted. A ledger of a million rows is looked through
 * in slices, and others have their turn in between.
 */
export async function* searchLedger(
  db: Database,
  filter: LedgerFilter,
  { before, atOnce }: { readonly before?: LedgerPlace | undefined; readonly atOnce: number },
  signal: AbortSignal,
): AsyncGenerator<readonly LedgerEntry[]> {
  const { indexed, others } = conditionsOf(filter);
  const from = filter.from ?? 0;
  const inOrder = `FROM spend_log WHERE ${indexed.sql} AND ts >= ? AND ts <= ? AND (ts < ? OR id < ?)`;
  const newestFirst = 'ORDER BY ts DESC, id DESC';
  const boundary = db.query<LedgerPlace, (string | number)[]>(
    `SELECT ts, id ${inOrder} ${newestFirst} LIMIT 1 OFFSET ?`,
  );
  const rows = db.query(
    `SELECT ${ledgerColumns} ${inOrder} AND (ts > ? OR id >= ?) AND ${others.sql} ${newestFirst} LIMIT ?`,
  );
  const last = { ts: (filter.until ?? Number.MAX_SAFE_INTEGER) - 1, id: Number.MAX_SAFE_INTEGER };
  for (let place: LedgerPlace = before !== undefined && before.ts <= last.ts ? before : last; ; ) {
    signal.throwIfAborted();
    const { ts, id } = place;
    const end = boundary.get(...indexed.values, from, ts, ts, id, lookedAtOnce - 1);
    const [least, leastId] = [end?.ts ?? from, end?.id ?? 0];
    const found = rows
      .all(...indexed.values, least, ts, ts, id, least, leastId, ...others.values, atOnce)
      .map((row) => ledgerRow.parse(row));
    const more = found.length === atOnce ? found.at(-1) : undefined;
    if (found.length > 0) yield found;
    if (more !== undefined) place = { ts: more.ts, id: more.id };
    else if (end !== null) place = end;
    else return;
    await breathe();
  }
}

type Condition = { readonly sql: string; readonly values: readonly string[] };

/** Those that an index answers, and those that each row is looked at for. */
function conditionsOf({ text, owner, state }: LedgerFilter): { indexed: Condition; others: Condition } {
  const words = (text ?? '').split(/\s+/).filter((word) => word !== '');
  const like = ['prompt_prefix', 'model', 'provider', 'node_url']
    .map((column) => `coalesce(${column}, '') LIKE ?1 ESCAPE '\\'`)
    .join(' OR ');
  const values = words.map((word) => `%${word.replace(/[\\%_]/g, '\\$&')}%`);
  const others = [
    ...words.map(() => `(${like.replaceAll('?1', '?')})`),
    ...(state === undefined ? [] : ['state = ?']),
  ];
  return {
    indexed: owner === undefined ? { sql: 'true', values: [] } : { sql: 'owner = ?', values: [owner] },
    others: {
      sql: others.length === 0 ? 'true' : others.join(' AND '),
      values: [
        ...values.flatMap((value) => [value, value, value, value]),
        ...(state === undefined ? [] : [state]),
      ],
    },
  };
}

/**
 * What runs cost on each of these days, by model or by owner: the figures of `summary`, in pieces of the day, and others
 * have their turn in between.
 *
 * @param midnights where each day begins (ms), and where the last one ends
 */
export async function spendOfDays(
  db: Database,
  { midnights, by, owner }: SpendQuestion,
  signal: AbortSignal,
): Promise<readonly DaySpend[]> {
  const ofPiece = db.query(
    `SELECT ${by} AS name, ${runsSum} AS runs, sum(spent_sats + fee_sats) AS spent, ${openSum} AS open
     FROM spend_log WHERE ts >= ? AND ts < ? ${owner === undefined ? '' : 'AND owner = ?'} GROUP BY 1`,
  );
  const sums = new Map<string, DaySpend>();
  let piece = hourMs;
  for (const [index, begin] of midnights.slice(0, -1).entries()) {
    const end = midnights[index + 1] ?? begin;
    for (let from = begin; from < end; ) {
      const since = performance.now();
      const until = Math.min(end, from + piece);
      for (const row of ofPiece.all(from, until, ...(owner === undefined ? [] : [owner])))
        add(sums, { ...pieceRow.parse(row), day: begin });
      from = until;
      const took = performance.now() - since;
      // A quiet month is asked for day by day, a busy hour by the minute.
      if (took > pieceMs) piece = Math.max(minuteMs, piece / 2);
      else if (took < pieceMs / 4) piece = Math.min(24 * hourMs, piece * 2);
      if (took < pieceMs / 4) continue;
      await breathe();
      signal.throwIfAborted();
    }
  }
  return [...sums.values()];
}

function add(sums: Map<string, DaySpend>, row: DaySpend): void {
  const key = `${row.day} ${row.name ?? ''}`;
  const { runs, spent, open } = sums.get(key) ?? { runs: 0, spent: zeroSat, open: zeroSat };
  sums.set(key, {
    ...row,
    runs: runs + row.runs,
    spent: addSat(spent, row.spent),
    open: addSat(open, row.open),
  });
}
