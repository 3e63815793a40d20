import type { LedgerFacts } from './money-source.ts';

const columns = [
  'id',
  'at',
  'task',
  'model',
  'provider',
  'node',
  'owner',
  'state',
  'budget',
  'spent',
  'refund',
  'fee',
] as const;

/** RFC 4180, as it is read from the disk; amounts in sat, times in ISO 8601. */
export async function* ledgerCsv(chunks: AsyncIterable<readonly LedgerFacts[]>): AsyncGenerator<string> {
  yield `${columns.join(',')}\r\n`;
  for await (const rows of chunks) yield rows.map((row) => `${line(row)}\r\n`).join('');
}

const line = (row: LedgerFacts): string =>
  columns.map((name) => cell(name === 'at' ? new Date(row.at).toISOString() : row[name])).join(',');

/** What a spreadsheet would take for a formula begins with a mark that makes it text. */
function cell(value: string | number | undefined): string {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A body that is made as fast as it is taken, and no longer than somebody takes it. */
export function streamed(texts: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    pull: async (controller) => {
      const { value, done } = await texts.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    cancel: async () => void (await texts.return(undefined)),
  });
}
