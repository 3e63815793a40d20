import { afterAll, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { createAcp } from '../../src/backends/acp/acp-backend.ts';
import type { Approval, Verdict } from '../../src/backends/approval.ts';
import type { AgentRequest } from '../../src/backends/backend.ts';
import { makePlace, watch } from '../support/backend.ts';
import { writeScriptedAcp } from '../support/scripted-acp.ts';

const place = makePlace();
afterAll(place.remove);
const path = writeScriptedAcp(place.root);
const agent = createAcp({ name: 'scripted', command: [path] }, place.settings, place.behind('auto'));
const never = new AbortController().signal;
const run = (task: string, more: Partial<AgentRequest> = {}, signal = never, verdict?: Verdict) => {
  const seen = watch();
  const asked: Approval[] = [];
  const onApproval = async (approval: Approval): Promise<Verdict> => {
    asked.push(approval);
    return verdict ?? { answer: 'once' };
  };
  const done = agent.run(place.request(task, more), { ...seen.observer, onApproval }, signal);
  return { done, seen, asked };
};
const there = (name: string) => existsSync(join(place.workspace, name));

test('a task is told by the protocol and answered', async () => {
  const { done, seen } = run('say hello there');
  const result = await done;
  expect(result).toMatchObject({ outcome: 'answered', answer: 'hello there', steps: 1, unknownEvents: 0 });
  expect(result.backendSession).toMatch(/^s\d+$/);
  expect(seen.events.map(({ type }) => type)).toEqual(['step', 'delta', 'session']);
});

test('what it asks is done at once, asked or refused, by the rule and the mode', async () => {
  const off = run('run touch off.txt');
  expect(await off.done).toMatchObject({ answer: 'ran it', tools: { execute: 1 } });
  expect([off.asked, there('off.txt')]).toEqual([[], true]);
  const yes = run('run touch yes.txt', { approvals: 'commands' });
  await yes.done;
  expect(yes.asked).toMatchObject([{ what: { kind: 'command', command: 'touch yes.txt' } }]);
  expect(there('yes.txt')).toBe(true);
  const no = run('run touch no.txt', { approvals: 'all' }, never, { answer: 'no', why: 'not now' });
  expect((await no.done).answer).toBe('left it');
  const plan = run('run touch plan.txt', { mode: 'plan' });
  expect((await plan.done).answer).toBe('left it');
  expect([plan.asked, there('no.txt'), there('plan.txt')]).toEqual([[], false, false]);
});

test('a conversation goes on, and one that is lost is named so', async () => {
  expect(await run('say more', { backendSession: 's1' }).done).toMatchObject({
    answer: 'more',
    backendSession: 's1',
  });
  expect(await run('say more', { backendSession: 'lost' }).done).toMatchObject({
    outcome: 'failed',
    failure: { kind: 'session_unknown' },
  });
});

test('a stop is heard; who does not hear is ended', async () => {
  for (const task of ['hang', 'deaf']) {
    const stopping = new AbortController();
    const { done, seen } = run(task, {}, stopping.signal);
    await until(() => seen.events.some(({ type }) => type === 'delta'), 'the agent has begun');
    const before = performance.now();
    stopping.abort('stopped');
    expect(await done).toMatchObject({ outcome: 'stopped', answer: 'begun', failure: undefined });
    expect(performance.now() - before).toBeLessThan(8_000);
  }
});

test('what can’t be understood is counted, not believed; what is without end is cut', async () => {
  const noise = await run('noise').done;
  expect(noise).toMatchObject({ outcome: 'answered', answer: 'heard: noise' });
  expect(noise.unknownEvents).toBeGreaterThanOrEqual(5);
  const much = await run('much').done;
  expect(much.answer.length).toBeLessThanOrEqual(1024 * 1024);
});

test('an agent that dies, fails or is not there says so in its kind', async () => {
  expect(await run('die').done).toMatchObject({ outcome: 'failed', failure: { kind: 'crashed' } });
  expect(await run('fail 402').done).toMatchObject({ failure: { kind: 'budget_exhausted', status: 402 } });
  expect(await run('fail 503').done).toMatchObject({ failure: { kind: 'provider_down' } });
  const absent = createAcp({ name: 'qwen', preset: 'qwen' }, place.settings, place.behind('auto'));
  const none = { ...place.settings, ambient: { ...place.settings.ambient, PATH: '/nowhere' } };
  const missing = createAcp({ name: 'qwen', preset: 'qwen' }, none, place.behind('auto'));
  expect(absent.name).toBe('qwen');
  const result = await missing.run(place.request('x'), {}, never);
  expect(result.failure?.detail).toContain('npm install -g @qwen-code/qwen-code');
});

test('nothing that it started outlives the run', async () => {
  await run('leave').done;
  expect(Bun.spawnSync(['pgrep', '-f', 'sleep 7391']).stdout.toString()).toBe('');
});
