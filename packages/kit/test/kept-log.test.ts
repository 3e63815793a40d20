import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, createRedactor, keepLog, logMark, readLogTail } from '../src/logging/index.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kept-log-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const logs = () => join(folder, 'logs');
const newest = () => join(logs(), 'bot.log');
const line = (msg: string, facts: Record<string, unknown> = {}) =>
  `${JSON.stringify({ level: 'info', time: '2030-01-02T03:04:05.000Z', ...facts, msg })}\n`;
const said = (filter = {}, most = 100) =>
  readLogTail(logs(), filter, most).lines.map(({ message }) => message);

describe('a log that is kept', () => {
  test('has every line as JSON without secrets, whatever is shown, and for its owner alone', async () => {
    const shown: string[] = [];
    const redactor = createRedactor();
    redactor.add('hunter2hunter2');
    const kept = keepLog(logs());
    const log = await createLogger({
      level: 'info',
      format: 'pretty',
      color: false,
      redactor,
      destination: { write: (text) => void shown.push(text) },
      kept,
    });
    log.child({ run: 'r1' }).warn({ error: new Error('it was hunter2hunter2') }, 'could not');
    log.debug({}, 'not wanted');
    kept.close();
    expect(shown.join('')).toStartWith('[');
    const [only, ...more] = readLogTail(logs(), {}, 10).lines;
    expect(more).toEqual([]);
    expect(only).toMatchObject({
      level: 'warn',
      message: 'could not',
      facts: { run: 'r1', error: { message: 'it was [redacted]' } },
    });
    expect(statSync(newest()).mode & 0o777).toBe(0o600);
    expect(statSync(logs()).mode & 0o777).toBe(0o700);
  });

  test('takes so much room and no more; the oldest goes', () => {
    const kept = keepLog(logs(), { fileBytes: 1_000, files: 3 });
    for (let n = 0; n < 100; n += 1) kept.write(line(`line ${n}`));
    kept.close();
    expect(readdirSync(logs()).toSorted()).toEqual(['bot.1.log', 'bot.2.log', 'bot.log']);
    for (const name of readdirSync(logs()))
      expect(statSync(join(logs(), name)).size).toBeLessThanOrEqual(1_000);
    const all = said();
    expect(all.length).toBeGreaterThan(20);
    expect(all).toEqual(Array.from({ length: all.length }, (_, back) => `line ${99 - back}`));
  });

  test('goes on when somebody moves, empties or removes the file', () => {
    const kept = keepLog(logs());
    kept.write(line('one'));
    renameSync(newest(), join(logs(), 'moved'));
    kept.write(line('two'));
    expect(said()).toEqual(['two']);
    truncateSync(newest());
    kept.write(line('three'));
    expect(said()).toEqual(['three']);
    rmSync(newest());
    kept.write(line('four'));
    expect(said()).toEqual(['four']);
    kept.close();
  });

  test('says how much is missing once there is room again', () => {
    const kept = keepLog(logs());
    // No link is followed: what is written meanwhile goes nowhere.
    rmSync(newest());
    symlinkSync('/dev/full', newest());
    for (const word of ['lost', 'lost too']) kept.write(line(word));
    rmSync(newest());
    kept.write(line('back'));
    kept.close();
    const { lines } = readLogTail(logs(), {}, 10);
    expect(lines.map(({ message }) => message)).toEqual(['back', 'lines of the log could not be kept']);
    expect(lines[1]?.facts).toEqual({ lines: 2 });
  });

  test('begins a line of its own after one that was torn, and cuts one that is endless', () => {
    keepLog(logs()).close();
    appendFileSync(newest(), '{"level":"info","ti');
    const kept = keepLog(logs());
    kept.write(line('x'.repeat(200_000), { run: 'r1' }));
    kept.write(line('after'));
    kept.close();
    expect(statSync(newest()).size).toBeLessThan(10_000);
    const { lines } = readLogTail(logs(), { run: 'r1' }, 10);
    expect(lines.map(({ message, facts }) => [message.length, facts.cut])).toEqual([
      [4_000, `${line('x'.repeat(200_000), { run: 'r1' }).length} bytes`],
    ]);
    expect(said()).toHaveLength(2);
  });

  test('that is a link is not written', () => {
    keepLog(logs()).close();
    rmSync(newest());
    const elsewhere = join(folder, 'elsewhere');
    writeFileSync(elsewhere, '');
    symlinkSync(elsewhere, newest());
    expect(() => keepLog(logs())).toThrow();
    expect(readFileSync(elsewhere, 'utf8')).toBe('');
  });
});

describe('its end is read', () => {
  test('by level, text and run, newest first, over files', () => {
    const kept = keepLog(logs(), { fileBytes: 300, files: 9 });
    kept.write(line('Begun', { run: 'r1' }));
    kept.write(line('no room', { level: 'warn', run: 'r1', path: '/Tmp' }));
    kept.write(line('other', { level: 'error', run: 'r12' }));
    kept.write(line('not of r1 but with its id', { about: 'r1' }));
    kept.close();
    expect(existsSync(join(logs(), 'bot.1.log'))).toBe(true);
    expect(said({ run: 'r1' })).toEqual(['no room', 'Begun']);
    expect(said({ level: 'warn' })).toEqual(['other', 'no room']);
    expect(said({ text: 'BEGUN' })).toEqual(['Begun']);
    expect(said({ text: '/tmp' })).toEqual(['no room']);
    expect(said({ level: 'error', run: 'r1' })).toEqual([]);
    expect(readLogTail(logs(), {}, 2)).toMatchObject({ hasMore: true });
    expect(readLogTail(logs(), {}, 4)).toMatchObject({ hasMore: false });
  });

  test('no farther back than is quick, with letters whole and junk left out', () => {
    const kept = keepLog(logs(), { fileBytes: 8 * 1024 * 1024, files: 2 });
    kept.write(line('long ago'));
    for (let n = 0; n < 400; n += 1) kept.write(line(`${'ü€😀'.repeat(900)} ${n}`));
    kept.close();
    appendFileSync(newest(), 'junk\n{"level":"shout","msg":"junk"}\n\n[1]\n');
    const began = performance.now();
    const { lines, hasMore } = readLogTail(logs(), { text: 'long ago' }, 10);
    expect(performance.now() - began).toBeLessThan(1_000);
    expect([lines, hasMore]).toEqual([[], true]);
    const all = readLogTail(logs(), {}, 1_000).lines;
    expect(all.length).toBeGreaterThan(150);
    for (const { message } of all) expect(message).toMatch(/^(?:ü€😀){900} \d+$/u);
  });

  test('where there is none there is nothing', () => {
    expect(readLogTail(logs(), {}, 10)).toEqual({ lines: [], hasMore: false });
    expect(logMark(logs())).toBe('');
  });
});
