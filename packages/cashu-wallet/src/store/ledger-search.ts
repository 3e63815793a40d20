import type { Database } from 'bun:sqlite';
import { setImmediate as breathe } from 'node:timers/promises';
import type { LedgerEntry, LedgerFilter, LedgerPlace } from '../wallet-types.ts';
import { ledgerColumns, ledgerRow } from './ledger-rows.ts';

/** Rows that are looked at before others have their turn: some milliseconds. */
const lookedAtOnce = 5_000;

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
