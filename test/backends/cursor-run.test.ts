import { afterAll, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { createBackends } from '../../src/backends/all-backends.ts';
import type { AgentRequest } from '../../src/backends/backend.ts';
import { makePlace, watch } from '../support/backend.ts';

// Cursor's agent needs an account: in its place stands an executable that prints what the real one was recorded to print.
const place = makePlace();
const { root, workspace, deps, request } = place;
afterAll(() => place.remove());

const session = '3f1c7f0e-0000-4000-8000-000000000001';
const init = {
  type: 'system',
  subtype: 'init',
  apiKeySource: 'login',
  cwd: workspace,
  session_id: session,
  model: 'Auto',
  permissionMode: 'default',
};
const said = (text: string) => ({
  type: 'assistant',
  message: { role: 'assistant', content: [{ type: 'text', text }] },
  session_id: session,
});
const tool = (subtype: string, name: string, args: object, result?: object) => ({
  type: 'tool_call',
  subtype,
  call_id: 'call_1\nfc_1',
  tool_call: { [name]: { args, ...(result ? { result } : {}) } },
  session_id: session,
});
const done = (result: string, more = {}) => ({
  type: 'result',
  subtype: 'success',
  duration_ms: 4986,
  duration_api_ms: 4986,
  is_error: false,
  result,
  session_id: session,
  ...more,
});

const recorded = [
  init,
  {
    type: 'user',
    message: { role: 'user', content: [{ type: 'text', text: 'the task' }] },
    session_id: session,
  },
  { type: 'thinking', subtype: 'delta', text: 'Let me look', session_id: session, timestamp_ms: 1 },
  { type: 'thinking', subtype: 'completed', session_id: session, timestamp_ms: 2 },
  said('I will list the files.'),
  tool('started', 'shellToolCall', { command: 'ls' }),
  tool('completed', 'shellToolCall', { command: 'ls' }, { success: { exitCode: 0, stdout: 'a.txt' } }),
  tool('completed', 'readToolCall', { path: 'b.txt' }, { error: { errorMessage: 'not found' } }),
  { type: 'something_new', session_id: session },
  said('There is one file: a.txt'),
  done('I will list the files.There is one file: a.txt'),
];

let stand = 0;
/** A backend whose executable keeps what it was given, prints these lines and does the rest of its script. */
const cursorThat = (output: readonly (object | string)[], rest = 'exit 0', around = deps) => {
  const folder = join(root, `cursor-${++stand}`);
  mkdirSync(folder);
  const text = output.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  writeFileSync(join(folder, 'output'), output.length === 0 ? '' : `${text}\n`);
  const bin = join(folder, 'cursor-agent');
  writeFileSync(
    bin,
    `#!/bin/sh
if [ "$1" = --version ]; then echo 2026.11.01-abcdef; exit 0; fi
if [ "$1" = models ]; then printf 'Available models\\n\\nauto - Auto\\nsonnet-4.5 - Claude 4.5 Sonnet\\n'; exit 0; fi
for argument; do echo "$argument"; done > ${folder}/arguments
env > ${folder}/environment
cat > ${folder}/task
cat ${folder}/output
${rest}
`,
  );
  chmodSync(bin, 0o755);
  const ambient = { ...place.settings.ambient, CURSOR_API_KEY: 'cursor-key', OTHER_SECRET: 'no' };
  const backend = createBackends({ ...place.settings, ambient, cursorBin: bin }, around).get('cursor');
  if (backend === undefined) throw new Error('no cursor');
  const given = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const started = (): boolean => existsSync(join(folder, 'task'));
  const run = async (more: Partial<AgentRequest> = {}, signal = AbortSignal.timeout(30_000)) => {
    const seen = watch();
    const result = await backend.run(request('say "hi"\n--force', more), seen.observer, signal);
    return { ...result, events: seen.events };
  };
  return { backend, given, started, run };
};

test('a run is told as it happens and ends with its answer', async () => {
  const { run, given } = cursorThat(recorded);
  const result = await run({ model: 'sonnet-4.5' });
  expect(result).toMatchObject({
    outcome: 'answered',
    answer: 'There is one file: a.txt',
    failure: undefined,
    backendSession: session,
    steps: 2,
    tools: { shell: 1, read: 1 },
    model: 'Auto',
    unknownEvents: 1,
  });
  expect(result.events.filter(({ type }) => type === 'tool')).toEqual([
    { type: 'tool', tool: 'shell', title: 'ls', ok: true },
    { type: 'tool', tool: 'read', title: 'b.txt', ok: false },
  ]);
  expect(given('task')).toBe('say "hi"\n--force');
  expect(given('arguments').trim().split('\n')).toEqual([
    ...['--print', '--output-format', 'stream-json', '--trust', '--workspace', workspace, '--force'],
    ...['--model', 'sonnet-4.5'],
  ]);
});

test('“ask” and “plan” are its own read-only modes, and a session goes on', async () => {
  for (const mode of ['ask', 'plan'] as const) {
    const { run, given } = cursorThat(recorded);
    await run({ mode, backendSession: session });
    const told = given('arguments').trim().split('\n');
    expect(told).not.toContain('--force');
    expect(told.slice(-4)).toEqual(['--mode', mode, '--resume', session]);
  }
});

test('it sees the user’s login and nothing else of theirs', async () => {
  const { run, given } = cursorThat(recorded);
  await run();
  const environment = given('environment');
  expect(environment).toContain(`HOME=${place.user}\n`);
  expect(environment).toContain('CURSOR_API_KEY=cursor-key');
  expect(environment).toContain('NOSTR_DM_AGENT_RUN=');
  expect(environment).not.toContain('OTHER_SECRET');
});

const wall = await place.behind('bwrap').jail.wall(AbortSignal.timeout(20_000));
test.if(wall.kind === 'bwrap')(
  'behind bubblewrap it has its login and its owner’s conversations, and sees nothing else of the user',
  async () => {
    for (const [name, text] of [
      ['.config/cursor/auth.json', 'the-login'],
      ['.cursor/mcp.json', 'no-such-thing'],
      ['.ssh/id_ed25519', 'no-such-key'],
    ] as const) {
      mkdirSync(join(place.user, name, '..'), { recursive: true });
      writeFileSync(join(place.user, name), text);
    }
    const look = `cat ~/.config/cursor/auth.json ~/.cursor/mcp.json ${place.user}/.ssh/id_ed25519 ${place.settings.home}/* 2>/dev/null
      ls ~/.cursor/chats; date +%s > ~/.cursor/chats/kept; pwd; touch made`;
    const rest = `said=$( (${look}) | tr '\\n' ' ')
      printf '{"type":"result","subtype":"success","is_error":false,"result":"%s","session_id":"${session}"}\\n' "$said"
      printf '{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"%s"}]},"session_id":"${session}"}\\n' "$said"`;
    const { run } = cursorThat([init], rest, place.behind('bwrap'));
    expect((await run()).answer.trim()).toBe(`the-login${workspace}`);
    expect((await run()).answer.trim()).toBe(`the-loginkept ${workspace}`);
    expect((await run({ owner: 'b'.repeat(64) })).answer.trim()).toBe(`the-login${workspace}`);
    expect(existsSync(join(workspace, 'made'))).toBe(true);
  },
  30_000,
);

test('nobody else can pay for it', async () => {
  const { run, started } = cursorThat(recorded);
  const payment = { credentials: 'provided', variables: {}, configuration: {} } as const;
  expect(await run({ payment })).toMatchObject({ outcome: 'failed', failure: { kind: 'bad_configuration' } });
  expect(started()).toBe(false);
});

test.each([
  ['rate_limited', [init, done('Rate limit exceeded', { is_error: true })], 'exit 1'],
  ['model_unknown', ['T: Named models unavailable. Free plans can only use Auto.'], 'exit 1'],
  ['unauthorized', [], 'echo "Error: Authentication required. Please run agent login first" >&2; exit 1'],
  ['crashed', [init], 'kill -SEGV $$'],
  ['no_answer', [init, done('')], 'exit 0'],
] as const)('what goes wrong is told as what it is: %s', async (kind, output, rest) => {
  expect(await cursorThat(output, rest).run()).toMatchObject({ outcome: 'failed', failure: { kind } });
});

test('it is stopped with all that it started', async () => {
  const { run, started } = cursorThat([init], 'setsid sleep 782 & sleep 783');
  const stop = new AbortController();
  const running = run({}, stop.signal);
  await until(started, 'it has the task');
  stop.abort();
  expect(await running).toMatchObject({ outcome: 'stopped', failure: undefined });
});

test('its health and its models', async () => {
  const { backend } = cursorThat([]);
  const signal = AbortSignal.timeout(30_000);
  expect(await backend.health(signal)).toMatchObject({ state: 'untested', version: '2026.11.01-abcdef' });
  expect(await backend.models({ credentials: 'own', variables: {}, configuration: {} }, signal)).toEqual([
    { id: 'auto', name: 'Auto' },
    { id: 'sonnet-4.5', name: 'Claude 4.5 Sonnet' },
  ]);
  const nowhere = { ...place.settings, cursorBin: join(root, 'nowhere') };
  expect(await createBackends(nowhere, deps).get('cursor')?.health(signal)).toMatchObject({
    state: 'missing',
  });
});
