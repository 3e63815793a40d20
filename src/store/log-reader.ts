import { type LogLine, logMark, readLogTail } from '@nostr-dm-agent/kit/log';
import type { LogEntryFacts, LogFacts, LogQueryFacts } from '@nostr-dm-agent/page';
import { logsIn } from './logs-folder.ts';
import type { RunStore } from './runs-table.ts';

/** Newest first. */
export type LogReader = (query: LogQueryFacts, most: number) => LogFacts;

type LogReaderDeps = {
  readonly runs: Pick<RunStore, 'get' | 'numbered'>;
  /** Takes out what was not known to be a secret when it was written. */
  readonly redact: (text: string) => string;
};

const longestFact = 300;
const longestWhole = 8_000;

/** Reads the log that is kept in the bot's home. What was read last is remembered as long as nothing is written. */
export function createLogReader(home: string, { runs, redact }: LogReaderDeps): LogReader {
  const folder = logsIn(home);
  let last: { readonly asked: string; readonly found: LogFacts } | undefined;
  const read: LogReader = ({ level, text, run }, most) => {
    const id = run === undefined ? undefined : runs.numbered(run)?.id;
    if (run !== undefined && id === undefined) return { entries: [], hasMore: false };
    const { lines, hasMore } = readLogTail(folder, { level, text, run: id }, most);
    return { entries: lines.map(entry), hasMore };
  };
  const entry = ({ at, level, message, facts }: LogLine): LogEntryFacts => {
    const named = Object.entries(facts).map(([name, value]): readonly [string, string] => [
      name,
      name === 'run' && typeof value === 'string' ? String(runs.get(value)?.seq ?? value) : plain(value),
    ]);
    const shown = named.map(([name, text]) => [redact(name), redact(text).slice(0, longestFact)] as const);
    const isWhole =
      Object.values(facts).every(isPlain) && named.every(([, text]) => text.length <= longestFact);
    const whole = isWhole ? undefined : redact(JSON.stringify(facts, undefined, 2)).slice(0, longestWhole);
    return { at, level, message: redact(message), facts: shown, whole };
  };
  return (query, most) => {
    const asked = JSON.stringify([query, most, logMark(folder)]);
    if (last?.asked !== asked) last = { asked, found: read(query, most) };
    return last.found;
  };
}

const isScalar = (value: unknown): boolean => typeof value !== 'object' || value === null;
const isPlain = (value: unknown): boolean =>
  isScalar(value) || (Array.isArray(value) && value.every(isScalar));

/** An error by what it says, everything else as it is. */
function plain(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && isPlain(value)) return value.join(', ');
  const message = typeof value === 'object' && value !== null ? Reflect.get(value, 'message') : undefined;
  return typeof message === 'string' ? message : JSON.stringify(value);
}
