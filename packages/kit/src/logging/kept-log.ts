import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { LogDestination } from './create-logger.ts';

/** Files that lines are appended to; whoever opened them closes them. */
export type KeptLog = LogDestination & { readonly close: () => void };

/** How much is kept, in bytes: so many files of so much each. */
export type LogBounds = { readonly fileBytes: number; readonly files: number };
const bounds: LogBounds = { fileBytes: 4 * 1024 * 1024, files: 5 };

/** Of a longer line only its beginning is kept. */
const longestLine = 64 * 1024;

/** `bot.log` is the newest; `bot.1.log` was before it. */
export const logFile = (folder: string, age: number): string =>
  join(folder, age === 0 ? 'bot.log' : `bot.${age}.log`);

/**
 * Keeps lines in `folder` (0700; files 0600). A file that is full makes room, and the oldest goes. Each line is written
 * before `write` returns, so that the last words before an end are there. Others may move, empty or remove the file
 * meanwhile. What can't be written (a full disk) is counted, and said once it works again: it is no reason not to work.
 *
 * @throws when the file can't be opened now, or is a link
 */
export function keepLog(folder: string, { fileBytes, files }: LogBounds = bounds): KeptLog {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = logFile(folder, 0);
  let file: number | undefined = openToAppend(path);
  let isTorn = endsInALine(path) === false;
  let lost = 0;
  const close = (): void => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  const makeRoom = (): void => {
    close();
    rmSync(logFile(folder, files - 1), { force: true });
    for (let age = files - 2; age >= 0; age -= 1) {
      try {
        renameSync(logFile(folder, age), logFile(folder, age + 1));
      } catch (error) {
        // Somebody took it away. The newest is the one that has to go, or it would grow for ever.
        if (age === 0) throw error;
      }
    }
  };
  const append = (line: string): void => {
    const bytes = Buffer.from(isTorn ? `\n${line}` : line);
    const there = statSync(path, { throwIfNoEntry: false });
    if (file !== undefined && there?.ino !== fstatSync(file).ino) close();
    if (there !== undefined && there.size > 0 && there.size + bytes.length > fileBytes) makeRoom();
    file ??= openToAppend(path);
    isTorn = true;
    for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
    isTorn = false;
  };
  return {
    write: (line) => {
      try {
        if (lost > 0) append(lossLine(lost));
        lost = 0;
        append(Buffer.byteLength(line) > longestLine ? cut(line) : line);
      } catch {
        lost += 1;
      }
    },
    close,
  };
}

function openToAppend(path: string): number {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;
  return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
}

/** Whether what is there was written to its end; a power cut may have torn its last line. */
function endsInALine(path: string): boolean {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size } = fstatSync(file);
    const last = Buffer.alloc(1);
    return size === 0 || (readSync(file, last, 0, 1, size - 1) === 1 && last.toString() === '\n');
  } finally {
    closeSync(file);
  }
}

const lossLine = (lines: number): string =>
  `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), lines, msg: 'lines of the log could not be kept' })}\n`;

/** The same line with less in it, and JSON again. */
function cut(line: string): string {
  const whole: unknown = JSON.parse(line);
  const of = (name: string): unknown =>
    typeof whole === 'object' && whole !== null ? Reflect.get(whole, name) : undefined;
  const run = of('run');
  const kept = {
    level: of('level'),
    time: of('time'),
    ...(typeof run === 'string' ? { run: run.slice(0, 64) } : {}),
    cut: `${Buffer.byteLength(line)} bytes`,
    msg: String(of('msg')).slice(0, 4_000),
  };
  return `${JSON.stringify(kept)}\n`;
}
