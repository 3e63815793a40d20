/** An agent server outlives its runs: its calls come through a door, and each is paid by the run that has its session. */
import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { Door } from '../src/meter/door.ts';
import { ask, startMetered } from './support/metered.ts';
import { bill, chunk, done, stream, text, tool } from './support/model-upstream.ts';
import {
  costly,
  expectAllHome,
  lastEntry,
  type PaidWorld,
  ready,
  startPaidWorld,
} from './support/paid-world.ts';

const metered = startMetered({ commitMs: 100 });
const { upstream, meter } = metered;
afterAll(metered.close);

const callThrough =
  (door: Door) =>
  (session: string | undefined, parent?: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${door.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${door.key}`,
        'content-type': 'application/json',
        ...(session === undefined ? {} : { 'x-session-id': session }),
        ...(parent === undefined ? {} : { 'x-parent-session-id': parent }),
      },
      body: JSON.stringify(ask()),
      ...init,
    });

/** A door, calls through it, and runs that are open at the meter. */
function atDoor() {
  const door = meter.openDoor();
  const open = (runId: string) => metered.open({}, { runId });
  return { door, open, call: callThrough(door) };
}
const answering = () => upstream.play(() => stream([...text('hi'), bill(100), done]));
const hanging = () => upstream.play(() => stream([chunk({ content: 'a' })], 'hang'));
const codeOf = async (answer: Response | Promise<Response>): Promise<unknown> => {
  const response = await answer;
  return [response.status, JSON.parse(await response.text()).error.code];
};
const noLease = [403, 'no_lease'];
const runOver = [403, 'run_over'];

describe('What a call was answered with', () => {
  const tools = [{ type: 'function', function: { name: 'bash', parameters: {} } }];
  const offering = { body: JSON.stringify({ ...ask(), tools }) };
  test('is told to whoever leased its session, as soon as it is booked', async () => {
    const { door, open, call } = atDoor();
    const run = open('told').run;
    const heard: unknown[] = [];
    door.lease('ses_told', 'told', (answer) => heard.push({ ...answer, spent: run.usage().spentMsat }));
    const usage = { prompt_tokens: 7, completion_tokens: 3 };
    upstream.play(() => stream([...text('All of it.'), bill(100, usage), done]));
    await (await call('ses_told', undefined, offering)).text();
    await (await call('ses_sub', 'ses_told')).text();
    const tokens = { promptTokens: 7, completionTokens: 3 };
    expect(heard).toEqual([
      { session: 'ses_told', isStep: true, text: 'All of it.', ...tokens, spent: 100 },
      { session: 'ses_sub', isStep: false, text: 'All of it.', ...tokens, spent: 200 },
    ]);
  });

  test('has no text where its agent goes on, was cut off, or may read it as several texts', async () => {
    const { door, open, call } = atDoor();
    open('more');
    const texts: unknown[] = [];
    door.lease('ses_more', 'more', (answer) => texts.push(answer.text));
    const content = (words: string) => chunk({ content: words });
    for (const events of [
      [content('I look.'), ...tool('bash', { command: 'ls' })],
      [content('It goes on'), chunk({}, 'length')],
      [content('One.'), chunk({ reasoning_content: 'Hm.' }), content('Two.'), chunk({}, 'stop')],
      [chunk({ reasoning_content: 'Hm.' }), content('Both '), content('halves.'), chunk({}, 'stop')],
    ]) {
      upstream.play(() => stream([...events, bill(1), done]));
      await (await call('ses_more', undefined, offering)).text();
    }
    expect(texts).toEqual([undefined, undefined, undefined, 'Both halves.']);
    upstream.play(() => stream([content('Half')], 'cut'));
    await (await call('ses_more', undefined, offering)).text();
    expect(texts.slice(4).every((one) => one === undefined)).toBe(true);
  });
});

describe('A call through a door', () => {
  test('is paid by the run that its session, or its parent’s session, is leased to', async () => {
    answering();
    const { door, open, call } = atDoor();
    const one = open('one');
    const two = open('two');
    door.lease('ses_1', 'one');
    door.lease('ses_2', 'two');
    await Promise.all([call('ses_1'), call('ses_2')].map(async (answer) => (await answer).text()));
    await (await call('ses_1a', 'ses_1')).text();
    // Deeper, and without saying whose it is again.
    await (await call('ses_1b', 'ses_1a')).text();
    await (await call('ses_1b')).text();
    expect(one.run.usage()).toMatchObject({ requests: 4, spentMsat: 400 });
    expect(two.run.usage()).toMatchObject({ requests: 1, spentMsat: 100 });
    expect(upstream.authorizations.toSorted()).toEqual(
      [...[1, 2, 3, 4].map(() => `Bearer ${one.nodeKey}`), `Bearer ${two.nodeKey}`].toSorted(),
    );
    door.close();
  });

  test('that nobody pays for gets nothing, whatever it says of itself', async () => {
    answering();
    const { door, open, call } = atDoor();
    const { run } = open('one');
    door.lease('ses_1', 'one');
    expect(await codeOf(call(undefined))).toEqual(noLease);
    expect(await codeOf(call('ses_9'))).toEqual(noLease);
    // Its own parent, and two that are each other's.
    expect(await codeOf(call('ses_9', 'ses_9'))).toEqual(noLease);
    expect(await codeOf(call('ses_a', 'ses_b'))).toEqual(noLease);
    expect(await codeOf(call('ses_b', 'ses_a'))).toEqual(noLease);
    // The first word counts: it is a sub-agent of somebody else's session.
    expect(await codeOf(call('ses_a', 'ses_1'))).toEqual(noLease);
    const wrongKey = { headers: { authorization: 'Bearer sk-1', 'x-session-id': 'ses_1' } };
    expect(await codeOf(call('ses_1', undefined, wrongKey))).toEqual([401, 'key_refused']);
    expect(upstream.bodies).toHaveLength(0);
    expect(run.usage().requests).toBe(0);
    door.close();
    expect(await codeOf(call('ses_1'))).toEqual(runOver);
  });

  test('waits for the money of its run, and is answered when it is there', async () => {
    answering();
    const { door, open, call } = atDoor();
    door.lease('ses_1', 'late');
    const answer = call('ses_1', undefined);
    // Begun with comments meanwhile.
    const response = await answer;
    expect(upstream.bodies).toHaveLength(0);
    const { run } = open('late');
    const body = await response.text();
    expect(body).toStartWith(': waiting');
    expect(body).toEndWith(done);
    expect(run.usage().spentMsat).toBe(100);
    door.close();
  });

  test('waits for the money of its run, and is refused when it will not come', async () => {
    answering();
    const { door, open, call } = atDoor();
    const lease = door.lease('ses_1', 'never');
    const whole = call('ses_1', undefined, { body: JSON.stringify(ask({ stream: false })) });
    const streamed = await call('ses_1');
    const reading = streamed.text();
    await lease.release();
    expect(await codeOf(whole)).toEqual(runOver);
    expect(await reading).toContain('"code":"run_over"');
    expect(await codeOf(call('ses_1'))).toEqual(noLease);
    // Paid after all, when nobody has the lease any more.
    const { run } = open('never');
    expect(await codeOf(call('ses_1'))).toEqual(noLease);
    expect(run.usage().requests).toBe(0);
    door.close();
  });

  test('ends with its lease; what it cost is counted by then, and the session’s next run pays for the next', async () => {
    hanging();
    const { door, open, call } = atDoor();
    const one = open('one');
    const lease = door.lease('ses_1', 'one');
    const reader = (await call('ses_1')).body?.getReader();
    await reader?.read();
    expect(one.run.usage().inFlight).toBe(1);
    await lease.release();
    expect(one.run.usage()).toMatchObject({ inFlight: 0, requests: 1, last: { source: 'estimate' } });
    await expect(Promise.resolve(reader?.read())).rejects.toThrow();
    answering();
    expect(await codeOf(call('ses_1'))).toEqual(noLease);
    const two = open('two');
    door.lease('ses_1', 'two');
    await (await call('ses_1')).text();
    expect(two.run.usage().spentMsat).toBe(100);
    expect(one.run.usage().requests).toBe(1);
    expect(() => door.lease('ses_1', 'three')).toThrow(RangeError);
    await two.run.close();
    expect(await codeOf(call('ses_1'))).toEqual(runOver);
    door.close();
  });

  test('with a lease of the whole door needs no session; after its end it serves on until the agent is quiet', async () => {
    answering();
    const { door, open, call } = atDoor();
    const { run } = open('one');
    const lease = door.lease(undefined, 'one');
    await (await call(undefined)).text();
    const released = lease.release({ quietMs: 300 });
    await (await call('anything')).text();
    const before = performance.now();
    await released;
    expect(performance.now() - before).toBeGreaterThan(200);
    expect(await codeOf(call(undefined))).toEqual(noLease);
    expect(run.usage().requests).toBe(2);
    door.close();
  });
});

test('A session that only warms its server up is answered by the meter itself, so often and no more', async () => {
  answering();
  const { door, call } = atDoor();
  const end = door.answerItself('ses_w');
  const streamed = await (await call('ses_w')).text();
  expect(streamed).toContain('"finish_reason":"stop"');
  expect(streamed).toEndWith(done);
  const whole = await call('ses_w', undefined, { body: JSON.stringify(ask({ stream: false })) });
  expect(await whole.json()).toMatchObject({
    choices: [{ finish_reason: 'stop' }],
    usage: { total_tokens: 0 },
  });
  const large = ask({ messages: [{ role: 'user', content: 'x'.repeat(2_000_000) }] });
  expect((await call('ses_w', undefined, { body: JSON.stringify(large) })).status).toBe(400);
  for (let i = 0; i < 5; i += 1) expect((await call('ses_w')).status).toBe(200);
  expect(await codeOf(call('ses_w'))).toEqual(noLease);
  end();
  door.answerItself('ses_v')();
  expect(await codeOf(call('ses_v'))).toEqual(noLease);
  expect(upstream.bodies).toHaveLength(0);
  door.close();
});

describe('Two runs of one server at a real node', () => {
  let world: PaidWorld | undefined;
  afterEach(() => world?.end());

  test('with sub-agents each, at once: to each its own, to the sat', async () => {
    world = await startPaidWorld();
    const { node, upstream: model } = world;
    const door = world.meter.openDoor();
    const call = callThrough(door);
    const body = JSON.stringify({ ...ask({ max_tokens: 100 }), model: 'claude-sonnet-4.5' });
    for (let i = 0; i < 3; i += 1) model.reply({ usage: costly });
    const leases = [door.lease('ses_1', 'r1'), door.lease('ses_2', 'r2')];
    // They ask before their runs are paid.
    const calls = [
      call('ses_1', undefined, { body }),
      call('ses_2', undefined, { body }),
      call('ses_2a', 'ses_2', { body }),
    ];
    const [one, two] = await Promise.all([world.prepare('r1'), world.prepare('r2')]);
    expect(ready(one).key).not.toBe(ready(two).key);
    for (const answer of calls) expect(await (await answer).text()).toContain('[DONE]');
    await Promise.all(leases.map((lease) => lease.release()));
    const late = await call('ses_1', undefined, { body });
    expect(late.status).toBe(403);
    expect(await late.text()).not.toMatch(/429|50[0-4]|again/i);
    // By its bills alone, and the books say the same.
    const bill: object | undefined = world.provider().bill('r1');
    expect(bill).toEqual({ spent: 136, budget: 2000 });
    expect(await world.finalize('r1')).toMatchObject({ spent: 136 });
    expect(await world.finalize('r2')).toMatchObject({ spent: 271 });
    expect(lastEntry(world).spent).toBe(sat(271));
    expect(node.audit().balanced).toBe(true);
    await expectAllHome(world);
    door.close();
  });
});
