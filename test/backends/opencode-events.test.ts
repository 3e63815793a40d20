import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { z } from 'zod';
import type { AgentEvent, AgentFailureKind } from '../../src/backends/backend.ts';
import { toDetail } from '../../src/backends/cover-secrets.ts';
import { createLoopGuard } from '../../src/backends/loop-guard.ts';
import { createTranscript, parseOpencodeEvent } from '../../src/backends/opencode-events.ts';
import { judge } from '../../src/backends/opencode-failures.ts';

const folder = join(import.meta.dirname, '../fixtures/opencode');
const index = z
  .array(z.object({ file: z.string(), exitCode: z.number().nullable(), stderr: z.string() }))
  .parse(await Bun.file(join(folder, 'index.json')).json());

const replay = async (file: string) => {
  const recorded = index.find((entry) => entry.file === file);
  if (recorded === undefined) throw new Error(`no recording ${file}`);
  const events: AgentEvent[] = [];
  const transcript = createTranscript('/workspace', (event) => events.push(event));
  const guard = createLoopGuard();
  let verdict: AgentFailureKind | undefined;
  let unknown = 0;
  for (const line of (await Bun.file(join(folder, file)).text()).trim().split('\n')) {
    const event = parseOpencodeEvent(line);
    if (event === undefined) unknown++;
    else {
      transcript.add(event);
      verdict ??= guard(event)?.kind;
    }
  }
  const facts = transcript.read();
  const failure = judge(facts, { code: recorded.exitCode ?? undefined, signal: undefined }, recorded.stderr);
  return { facts, events, failure, verdict, unknown };
};

/** What each recorded run of the real opencode comes to: the answer, or why there is none. */
const expected: Record<
  string,
  { answer?: string; failure?: AgentFailureKind; status?: number; guard?: AgentFailureKind }
> = {
  'plain.jsonl': { answer: 'Hello from the fake model. All good.' },
  'write.jsonl': { answer: 'File written.' },
  'bash.jsonl': { answer: 'Done with bash.' },
  'multi-step.jsonl': { answer: 'All four tool calls are done.' },
  'tool-errors.jsonl': { failure: 'permission_denied' },
  'subagent-task.jsonl': { answer: 'task done' },
  'question-tool.jsonl': { answer: 'after question' },
  'big-output.jsonl': {},
  'reasoning.jsonl': { answer: 'Answer after reasoning.' },
  'empty-answer.jsonl': { answer: '', failure: 'no_answer' },
  'finish-length.jsonl': { answer: 'trunc', failure: 'output_limit' },
  'no-usage.jsonl': { answer: 'no usage here' },
  'error-402.jsonl': { failure: 'budget_exhausted', status: 402 },
  'error-402-detail.jsonl': { failure: 'budget_exhausted', status: 402 },
  'error-402-midrun.jsonl': { answer: 'Working on it.', failure: 'budget_exhausted', status: 402 },
  'error-402-retried.jsonl': { failure: 'budget_exhausted', status: 402 },
  'error-401.jsonl': { failure: 'unauthorized', status: 401 },
  'error-403.jsonl': { failure: 'unauthorized', status: 403 },
  'error-400.jsonl': { failure: 'model_unknown', status: 400 },
  'error-404.jsonl': { failure: 'model_unknown', status: 404 },
  'error-429.jsonl': { failure: 'rate_limited', status: 429 },
  'retry-429-recovered.jsonl': { answer: 'Recovered after 429.' },
  'error-500.jsonl': { failure: 'provider_down', status: 500 },
  'error-502.jsonl': { failure: 'provider_down', status: 502 },
  'error-503.jsonl': { failure: 'provider_down', status: 503 },
  'error-conn-refused.jsonl': { failure: 'provider_down' },
  'stream-cut.jsonl': { failure: 'provider_down' },
  'stream-error-chunk.jsonl': { failure: 'budget_exhausted' },
  'stream-no-finish-LOOP.jsonl': { guard: 'provider_nonsense' },
  'html-200-LOOP.jsonl': { guard: 'provider_nonsense' },
  'error-413-compaction-LOOP.jsonl': { guard: 'context_overflow' },
  'error-413-nocompaction.jsonl': { failure: 'context_overflow' },
  'tool-LOOP.jsonl': {},
  'timeout-no-headers.jsonl': { failure: 'provider_down' },
  'model-not-found.jsonl': { failure: 'model_unknown' },
  'permission-ask-rejected.jsonl': { failure: 'permission_denied' },
  'permission-denied-tool.jsonl': { answer: 'Done with bash.' },
  'permission-denied-pattern.jsonl': { answer: 'Done with bash.' },
  'permission-external-dir.jsonl': { failure: 'permission_denied' },
  'permission-continue-on-deny.jsonl': { answer: 'after ext' },
  'agent-plan-write-denied.jsonl': { answer: 'File written.' },
  'auto-approve.jsonl': { answer: 'Done with bash.' },
};

test('every recorded run has its expectation', () => {
  expect(Object.keys(expected).toSorted()).toEqual(index.map(({ file }) => file).toSorted());
});

for (const [file, want] of Object.entries(expected))
  test(`recorded run ${file}`, async () => {
    const { facts, failure, verdict, unknown } = await replay(file);
    expect(unknown).toBe(0);
    expect(verdict).toBe(want.guard);
    if (want.answer !== undefined) expect(facts.answer).toBe(want.answer);
    // A recording of a loop was cut off by hand: there is no end to judge.
    if (!file.includes('LOOP')) {
      expect(failure?.kind).toBe(want.failure);
      expect(failure?.status).toBe(want.status);
    }
  });

test('steps, tools and tokens are counted over all steps and told as they happen', async () => {
  const { facts, events } = await replay('multi-step.jsonl');
  expect(facts.steps).toBe(4);
  expect(facts.tools).toEqual({ write: 1, read: 1, edit: 1, bash: 1 });
  expect(facts.tokens).toEqual({ input: 3200, output: 200, reasoning: 0, cacheRead: 800, cacheWrite: 0 });
  expect(events[0]).toEqual({ type: 'session', backendSession: facts.session ?? '' });
  expect(events.filter(({ type }) => type === 'step')).toHaveLength(4);
});

test('a tool that failed is told as failed', async () => {
  const { events } = await replay('tool-errors.jsonl');
  const tools = events.filter((event) => event.type === 'tool');
  expect(tools.map(({ tool, ok }) => [tool, ok])).toEqual([
    ['nosuchtool', false],
    ['read', false],
    ['bash', false],
  ]);
});

test('a text of 200 kB arrives whole', () => {
  const text = 'y'.repeat(200_000);
  const line = JSON.stringify({ type: 'text', sessionID: 'ses_1', part: { messageID: 'msg_1', text } });
  expect(parseOpencodeEvent(line)).toMatchObject({ part: { text } });
});

test('what opencode itself writes after a compaction is not the answer', async () => {
  const { facts } = await replay('error-413-compaction-LOOP.jsonl');
  expect(facts.answer).not.toContain('Continue if you have next steps');
  expect(facts.answer).not.toContain('Fake title');
});

test('unknown lines and later versions are tolerated', () => {
  for (const line of [
    '',
    'no json',
    '[]',
    '{"type":"done","reason":"idle","rejected":[]}',
    '{"type":"text"}',
  ])
    expect(parseOpencodeEvent(line)).toBeUndefined();
});

const nothing = createTranscript('/workspace', () => undefined).read();
const exitOne = { code: 1, signal: undefined };

test('what opencode says before it begins is understood', () => {
  const kind = (stderr: string) => judge(nothing, exitOne, stderr)?.kind;
  // What the machine lacks, no further try mends.
  expect(kind('Error: ENOSPC: no space left on device, write')).toBe('disk_full');
  expect(kind('SQLiteError: database or disk is full')).toBe('disk_full');
  expect(kind('SQLiteError: attempt to write a readonly database')).toBe('not_writable');
  expect(kind("EROFS: read-only file system, open '/x'")).toBe('not_writable');
  expect(kind('Error: Configuration is invalid at /home/bot/opencode.json\n↳ Expected object')).toBe(
    'bad_configuration',
  );
  expect(kind('Session not found')).toBe('session_unknown');
  expect(kind('You must provide a message or a command')).toBe('bad_request');
  expect(kind('something else')).toBe('crashed');
  expect(judge(nothing, { code: 137, signal: undefined }, '')?.detail).toBe('ended by SIGKILL');
  expect(judge(nothing, { code: undefined, signal: 'SIGSEGV' }, '')).toEqual({
    kind: 'crashed',
    detail: 'ended by SIGSEGV',
    status: undefined,
  });
});

test('a detail is one short line without secrets', () => {
  const nsec = `nsec1${'q'.repeat(58)}`;
  const said = `Bearer abcdef123456 sk-abcdefghijklmnop cashuA${'e'.repeat(40)} cashuBo2F0gaJhaUgA ${nsec}\u001b[31m red\u0007\n${'x'.repeat(500)}`;
  const detail = toDetail(said);
  expect(detail.length).toBeLessThanOrEqual(300);
  for (const secret of ['abcdef123456', 'sk-abc', 'cashuA', 'cashuB', 'nsec1', '\u001b', '\u0007', '\n'])
    expect(detail).not.toContain(secret);
  expect(detail).toContain('red');
});

test('of an answer without end no more is kept than fits', () => {
  const transcript = createTranscript('/workspace', () => undefined);
  const part = {
    id: 'prt_1',
    messageID: 'msg_1',
    sessionID: 'ses_1',
    type: 'text',
    text: 'x'.repeat(300_000),
  };
  const event = parseOpencodeEvent(JSON.stringify({ type: 'text', timestamp: 1, sessionID: 'ses_1', part }));
  if (event === undefined) throw new Error('no event');
  for (let times = 0; times < 20; times++) transcript.add(event);
  expect(transcript.read().answer.length).toBeLessThan(1_100_000);
});
