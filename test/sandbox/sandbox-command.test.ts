import { afterAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { commandOnTerminal, runCommand } from '../support/command.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'nostr-dm-agent-command-')));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A directory to be in, and a folder of its own for temporary files, to see what is left there. */
function newPlace() {
  const directory = mkdtempSync(join(root, 'd-'));
  const temporary = join(directory, 'temporary');
  mkdirSync(temporary);
  return {
    where: { directory, environment: { TMPDIR: temporary } },
    homes: () => readdirSync(temporary).filter((name) => name.startsWith('nostr-dm-agent-sandbox-')),
    temporary,
  };
}

/** Processes that were started with this text in their environment or arguments. */
const processesWith = (text: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) =>
      ['environ', 'cmdline'].some((file) => {
        try {
          return readFileSync(`/proc/${pid}/${file}`, 'utf8').includes(text);
        } catch {
          return false; // ended meanwhile
        }
      }),
    );

const linux = process.platform === 'linux';

test('piped lines are DMs to a real bot with a real opencode; its task is paid, the numbers add up, nothing is left behind', async () => {
  const { where, homes, temporary } = newPlace();
  const lines = [
    '!wallet balance',
    'write hello.txt with the text hi there then read hello.txt',
    '!wallet history',
    '!wallet balance',
    '!nonsense',
  ];
  const { code, stdout, stderr } = await runCommand(['sandbox'], where, lines.join('\n'));
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('ready') });
  const answers = stdout.split(/^bot> /m).slice(1);
  expect(answers).toHaveLength(6);
  expect(answers[0]).toContain('!help');
  expect(answers[1]).toBe('10,000 sat ready\n');
  expect(answers[2]).toContain('hi there');
  const [, cost] = /\n— agent · .* · (\d+) of 2000 sat · claude-sonnet-4.5\n$/.exec(answers[2] ?? '') ?? [];
  expect(Number(cost)).toBeGreaterThan(0);
  expect(answers[3]).toContain(`Spent today ${cost} sat, in all ${cost} sat, fees included.`);
  expect(answers[4]).toBe(`${(10_000 - Number(cost)).toLocaleString('en-US')} sat ready\n`);
  expect(answers[5]).toContain('!nonsense');
  if (linux) await until(() => processesWith(temporary).length === 0, 'all processes are gone');
  expect(homes()).toEqual([]);
}, 180_000);

test('a visit of one command leaves no process and no home, though a backend was just being looked at', async () => {
  const { where, homes, temporary } = newPlace();
  const { code } = await runCommand(['sandbox'], where, '!ping');
  expect(code).toBe(0);
  if (linux) expect(processesWith(temporary)).toEqual([]);
  expect(homes()).toEqual([]);
}, 180_000);

test('a line that gets no answer in time makes the exit code 1', async () => {
  const { where, homes } = newPlace();
  const args = ['sandbox', '--deadline', '8'];
  const { code, stdout, stderr } = await runCommand(args, where, 'hang silently\n!ping\n');
  expect(code).toBe(1);
  expect(stderr).toContain('No answer within 8 s: hang silently');
  expect(stdout).toContain('bot> pong');
  expect(homes()).toEqual([]);
}, 180_000);

test('an upstream takes the place of the model, with its key, and the key is shown nowhere', async () => {
  const keys: (string | undefined)[] = [];
  const upstream = startModel({
    models: ['big'],
    authorize: (bearer) => {
      keys.push(bearer);
      return undefined;
    },
  });
  try {
    const { where } = newPlace();
    const flags = ['--upstream', upstream.url, '--upstream-key', 'hunter2hunter2', '--upstream-model', 'big'];
    const { code, stdout, stderr } = await runCommand(
      ['sandbox', '--verbose', ...flags],
      where,
      'say upstream here\n',
    );
    expect(code).toBe(0);
    expect(stdout).toContain('upstream here');
    expect(new Set(keys)).toEqual(new Set(['hunter2hunter2']));
    expect(stdout + stderr).not.toContain('hunter2');
  } finally {
    await upstream.stop();
  }
}, 180_000);

test.each([
  [['--upstream-model', 'x'], '--upstream URL'],
  [['--upstream', 'nonsense', '--upstream-model', 'x'], 'http(s) URL'],
  [['--upstream', 'http://127.0.0.1:1/v1'], '--upstream-model'],
])('%j does not go together: exit code 2', async (flags, hint) => {
  const { where, homes } = newPlace();
  const { code, stderr } = await runCommand(['sandbox', ...flags], where);
  expect(code).toBe(2);
  expect(stderr).toContain(hint);
  expect(homes()).toEqual([]);
});

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)(
  '%s in the middle of a task ends all of it',
  async (signal, expected) => {
    const { where, homes, temporary } = newPlace();
    const terminal = commandOnTerminal(['sandbox'], where);
    try {
      await terminal.answer('you> ', 'run sleep 600 and wait\r');
      await until(() => terminal.screen().includes('👀'), 'the task has begun', 60_000);
      expect(homes()).toHaveLength(1);
      terminal.signal(signal);
      expect(await terminal.exited).toBe(expected);
    } finally {
      terminal.kill();
    }
    expect(homes()).toEqual([]);
    if (linux) await until(() => processesWith(temporary).length === 0, 'all processes are gone');
  },
  180_000,
);

test('on a terminal it is a chat that /quit ends', async () => {
  const { where, homes } = newPlace();
  const terminal = commandOnTerminal(['sandbox'], where);
  try {
    await terminal.answer('you> ', '!ping\r');
    await terminal.answer('bot> pong', '/quit\r');
    expect(await terminal.exited).toBe(0);
  } finally {
    terminal.kill();
  }
  expect(terminal.screen()).toContain('Goodbye.');
  expect(homes()).toEqual([]);
}, 180_000);
