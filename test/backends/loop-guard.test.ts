import { afterAll, expect, test } from 'bun:test';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { createBackends } from '../../src/backends/all-backends.ts';
import { createLoopGuard, loopBounds } from '../../src/backends/loop-guard.ts';
import type { OpencodeEvent } from '../../src/backends/opencode-events.ts';
import { writeOpencodeUserConfig } from '../../src/sandbox/opencode-user-config.ts';
import { makePlace, watch } from '../support/backend.ts';

const sessionID = 'ses_1';
const tokens = { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } };
const finish = (reason: string): OpencodeEvent => ({
  type: 'step_finish',
  sessionID,
  part: { reason, tokens },
});
const call = (command: string): OpencodeEvent => ({
  type: 'tool_use',
  sessionID,
  part: { tool: 'bash', state: { status: 'completed', input: { command } } },
});
const overflow: OpencodeEvent = {
  type: 'error',
  error: { name: 'ContextOverflowError', data: { message: 'too large' } },
};
const compacted: OpencodeEvent = {
  type: 'text',
  sessionID,
  part: { messageID: 'msg_1', text: 'Continue', synthetic: true },
};
const times = <T>(count: number, event: T): T[] => Array.from({ length: count }, () => event);
const verdictOf = (events: readonly OpencodeEvent[]) => {
  const guard = createLoopGuard();
  return events.map(guard).find((verdict) => verdict !== undefined)?.kind;
};

test('answers without an end are stopped after a few', () => {
  expect(verdictOf(times(loopBounds.unknownFinishes, finish('unknown')))).toBe('provider_nonsense');
  expect(
    verdictOf([...times(3, finish('unknown')), finish('tool-calls'), ...times(3, finish('unknown'))]),
  ).toBeUndefined();
});

test('a request that stays too large after compaction is given up', () => {
  expect(verdictOf([overflow, finish('stop'), compacted, overflow])).toBe('context_overflow');
  expect(verdictOf([overflow, finish('stop'), compacted, finish('tool-calls'), overflow])).toBeUndefined();
});

test('compacting over and over is given up, compacting now and then is not', () => {
  expect(verdictOf(times(3, [finish('stop'), compacted]).flat())).toBe('context_overflow');
  const work = times(10, finish('tool-calls'));
  expect(verdictOf(times(5, [...work, compacted]).flat())).toBeUndefined();
});

test('the same call twelve times in a row is a loop, twelve different ones are work', () => {
  expect(verdictOf(times(loopBounds.sameCalls, call('ls')))).toBe('loop');
  expect(verdictOf(times(11, [call('ls'), call('pwd')]).flat())).toBeUndefined();
});

const place = makePlace();
const model = startModel();
afterAll(async () => {
  await model.stop();
  place.remove();
});

test.each([
  ['loop', 'loop'],
  ['end without a finish reason', 'provider_nonsense'],
  ['answer with html', 'provider_nonsense'],
] as const)(
  'a real opencode told to “%s” is ended: %s',
  async (task, kind) => {
    await writeOpencodeUserConfig(`${place.user}/.config`, model.url);
    const opencode = createBackends(place.settings, place.deps).get('opencode');
    const { observer } = watch();
    const result = await opencode?.run(place.request(task), observer, AbortSignal.timeout(60_000));
    expect(result?.outcome).toBe('failed');
    expect(result?.failure?.kind).toBe(kind);
    expect(model.requests.length).toBeLessThan(60);
  },
  70_000,
);
