import type { LedgerEntry, OperationSummary } from '@nostr-dm-agent/cashu-wallet';
import type { KeyFacts } from '@nostr-dm-agent/routstr/remote';

const columns = [
  'time',
  'kind',
  'id',
  'state',
  'amount_sat',
  'spent_sat',
  'refund_sat',
  'fee_sat',
  'at',
  'model',
  'note',
] as const;
type Row = Readonly<Record<(typeof columns)[number], string | number | undefined>>;

/** One table (RFC 4180), oldest first: paid runs and keys of the ledger, the wallet's operations, keys. Times are ISO 8601 in UTC. */
export function booksAsCsv(books: {
  readonly ledger: readonly LedgerEntry[];
  readonly operations: readonly OperationSummary[];
  readonly keys: readonly KeyFacts[];
}): string {
  const rows = [
    ...books.ledger.map(ofRun),
    ...books.operations.map(ofOperation),
    ...books.keys.map(ofKey),
  ].toSorted((a, b) => a.time.localeCompare(b.time));
  const header = columns.join(',');
  return [header, ...rows.map((row) => columns.map((column) => cell(row[column])).join(','))].join('\r\n');
}

const ofRun = (entry: LedgerEntry) =>
  row(entry.ts, {
    kind: 'run',
    id: entry.id,
    state: entry.state,
    amount_sat: entry.budget,
    spent_sat: entry.spent,
    refund_sat: entry.refund,
    fee_sat: entry.fee,
    at: entry.nodeUrl,
    model: entry.model,
    note: entry.promptPrefix,
  });

const ofOperation = (operation: OperationSummary) =>
  row(operation.createdAt, {
    kind: operation.kind,
    id: operation.operation,
    state: operation.state,
    amount_sat: operation.amount,
    fee_sat: operation.fee,
    at: operation.mint,
    note: operation.note,
  });

const ofKey = (key: KeyFacts) =>
  row(key.createdAt, {
    kind: 'key',
    id: key.id,
    state: key.state,
    amount_sat: key.deposited,
    spent_sat: key.spent,
    refund_sat: key.refunded,
    fee_sat: key.fee,
    at: key.node,
    note: key.label,
  });

const empty = Object.fromEntries(columns.map((column) => [column, undefined])) as Row;
const row = (ts: number, values: Partial<Row>): Row & { readonly time: string } => ({
  ...empty,
  ...values,
  time: new Date(ts).toISOString(),
});

/** A spreadsheet runs what begins like a formula: what an agent or a mint wrote is no such thing. */
function cell(value: string | number | undefined): string {
  const text = value === undefined ? '' : String(value);
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
