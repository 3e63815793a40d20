import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { z } from 'zod';
import { errorCode } from '../error-code.ts';
import { parseJson } from '../json.ts';
import { logFile } from './kept-log.ts';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

/** A line of the log. */
export type LogLine = {
  /** Unix milliseconds. */
  readonly at: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly facts: Readonly<Record<string, unknown>>;
};

export type LogFilter = {
  /** And what is graver. */
  readonly level?: LogLevel | undefined;
  /** In the message or its facts, in any letter case. */
  readonly text?: string | undefined;
  /** The id of a run. */
  readonly run?: string | undefined;
};

export type LogTail = {
  /** Newest first. */
  readonly lines: readonly LogLine[];
  /** There is more, further back than was looked. */
  readonly hasMore: boolean;
};

const chunkBytes = 64 * 1024;
/** How far back is looked, in bytes, and in how many files. */
const farthest = 2 * 1024 * 1024;
const mostFiles = 20;

/** What a log that `keepLog` keeps says last. Reads from the end, and so far back that `most` are found, no farther than 2 MiB. */
export function readLogTail(folder: string, filter: LogFilter, most: number): LogTail {
  const isWanted = matcher(filter);
  const lines: LogLine[] = [];
  for (const text of linesBackwards(folder)) {
    if (text === undefined) return { lines, hasMore: true };
    const line = isWanted(text);
    if (line === undefined) continue;
    if (lines.length === most) return { lines, hasMore: true };
    lines.push(line);
  }
  return { lines, hasMore: false };
}

/** Whether two reads would be of the same log: a mark that changes with each line. */
export function logMark(folder: string): string {
  const opened = open(logFile(folder, 0));
  if (opened === undefined) return '';
  closeSync(opened.file);
  return `${opened.inode} ${opened.size}`;
}

/** Each line, the last first; undefined at the end: there would be more. */
function* linesBackwards(folder: string): Generator<string | undefined> {
  let left = farthest;
  for (let age = 0; age < mostFiles; age += 1) {
    const opened = open(logFile(folder, age));
    if (opened === undefined) return;
    try {
      let end = opened.size;
      // Bytes, as a character may be cut in two.
      let rest: Buffer = Buffer.alloc(0);
      while (end > 0) {
        if (left <= 0) return yield undefined;
        const begin = Math.max(0, end - chunkBytes);
        const chunk = Buffer.alloc(end - begin);
        const count = readSync(opened.file, chunk, 0, chunk.length, begin);
        left -= chunk.length;
        end = begin;
        const text = Buffer.concat([chunk.subarray(0, count), rest]);
        const first = begin === 0 ? -1 : text.indexOf('\n');
        // A line that is longer than a chunk: gathered on, within what is read at all.
        if (begin > 0 && first === -1) {
          rest = text;
          continue;
        }
        rest = text.subarray(0, first + 1);
        yield* text
          .subarray(first + 1)
          .toString('utf8')
          .split('\n')
          .reverse();
      }
    } finally {
      closeSync(opened.file);
    }
  }
}

/** A plain file; undefined when there is none that may be read. */
function open(
  path: string,
): { readonly file: number; readonly size: number; readonly inode: number } | undefined {
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
  try {
    const file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stat = fstatSync(file);
    if (stat.isFile()) return { file, size: stat.size, inode: stat.ino };
    closeSync(file);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
  return undefined;
}

const written = z.looseObject({
  level: z.enum(logLevels),
  time: z.iso.datetime(),
  msg: z.string(),
});

/** Reads a line if it is one, and one that is wanted. */
function matcher({ level = 'debug', text = '', run }: LogFilter): (text: string) => LogLine | undefined {
  const gravity = logLevels.indexOf(level);
  const wanted = text.toLowerCase();
  return (line) => {
    if (line === '') return undefined;
    // Cheap, before it is parsed.
    if (run !== undefined && !line.includes(run)) return undefined;
    const { success, data } = written.safeParse(parseJson(line));
    if (!success || logLevels.indexOf(data.level) < gravity) return undefined;
    const { level: found, time, msg, ...facts } = data;
    if (run !== undefined && facts.run !== run) return undefined;
    if (wanted !== '' && !`${msg}\n${JSON.stringify(facts)}`.toLowerCase().includes(wanted)) return undefined;
    return { at: Date.parse(time), level: found, message: msg, facts };
  };
}
