import type { LedgerFacts } from './facts.ts';

const columns = [
  'id',
  'at',
  'task',
  'model',
  'provider',
  'state',
  'budget',
  'spent',
  'refund',
  'fee',
] as const;

/** RFC 4180; amounts in sat, times in ISO 8601. */
export const ledgerCsv = (rows: readonly LedgerFacts[]): string => {
  const lines = rows.map((row) =>
    columns.map((name) => cell(name === 'at' ? new Date(row.at).toISOString() : row[name])).join(','),
  );
  return [columns.join(','), ...lines, ''].join('\r\n');
};

/** What a spreadsheet would take for a formula begins with a mark that makes it text. */
function cell(value: string | number | undefined): string {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
