import { afterAll, describe, expect, jest, test } from 'bun:test';
import { connect } from 'node:net';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { createHoldQueue } from '../src/meter/hold-queue.ts';
import type { Hold, RunUsage } from '../src/meter/metered-run.ts';
import { ask, startMetered } from './support/metered.ts';
import { bill, chunk, done, stream, text, tool } from './support/model-upstream.ts';

const world = startMetered();
const { upstream } = world;
afterAll(world.close);

const events = (body: string): unknown[] =>
  body
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice(6)));
const errorOf = async (response: Response): Promise<unknown> => JSON.parse(await response.text());
const finish = (body: string): string[] =>
  [...body.matchAll(/"finish_reason":"(\w+)"/g)].map((m) => m[1] ?? '');

/** What makes opencode 1.18.33 repeat a request, from its own source. */
const repeated = [
  /429|500|502|503|504|524/i,
  /rate increased too quickly|rate limit|rate-limit|rate_limit|too many requests|too_many_requests/i,
  /overloaded|service unavailable|internal error|internal_error|server error|server_error|provider returned error/i,
  /terminated|fetch failed|failed to fetch|network[-_\s]error|upstream connect|connection error|connection refused|connection lost/i,
  /^timeout$|\b(?:request|response|connection|network|stream|read) (?:timeout|timed out|time out)\b/i,
  /try your request again|retry your request|resource exhausted|resource_exhausted|exhausted|unavailable/i,
  /\btry again (?:later|in\b)|\b(?:currently|temporarily) at capacity\b/i,
];
const isFinal = (status: number, body: string): boolean =>
  status < 500 && ![408, 409, 413, 429].includes(status) && !repeated.some((pattern) => pattern.test(body));

describe('A run goes through the meter', () => {
  test('its answer arrives as the node sent it, with the key of its own account', async () => {
    const sent = [...text('Hello there friend.'), bill(1234, { remaining_balance_msats: 98_766 }), done];
    upstream.play(() => stream(sent));
    const seen: RunUsage[] = [];
    const { run, post, nodeKey, agentKey } = world.open({}, { onSpent: (usage) => seen.push(usage) });
    const response = await post(ask());
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(await response.text()).toBe(sent.join(''));
    expect(upstream.authorizations).toEqual([`Bearer ${nodeKey}`]);
    expect(upstream.bodies[0]).toMatchObject({ ...ask(), stream_options: { include_usage: true } });
    expect(run.usage()).toMatchObject({ spentMsat: 1234, requests: 1, inFlight: 0, remainingMsat: 98_766 });
    expect(seen.at(-1)?.last).toMatchObject({ msat: 1234, source: 'node', promptTokens: 1000 });
    await run.close();
    expect(world.lines.join('\n')).not.toContain(nodeKey.slice(4));
    expect(world.lines.join('\n')).not.toContain(agentKey.slice(8));
  });

  test('each piece arrives when it is sent, not when the answer is whole', async () => {
    const gate = Promise.withResolvers<void>();
    upstream.play(
      () =>
        new Response(
          new ReadableStream({
            start: async (controller) => {
              controller.enqueue(Buffer.from(chunk({ content: 'first' })));
              await gate.promise;
              controller.enqueue(Buffer.from([...text('second'), done].join('')));
              controller.close();
            },
          }),
          { headers: { 'content-type': 'text/event-stream' } },
        ),
    );
    const { run, post } = world.open();
    const response = await post(ask());
    const reader = response.body?.getReader();
    const first = await reader?.read();
    expect(Buffer.from(first?.value ?? []).toString()).toContain('first');
    gate.resolve();
    const second = await reader?.read();
    expect(Buffer.from(second?.value ?? []).toString()).toContain('second');
    await reader?.cancel();
    await run.close();
  });

  test('without its key, or after it is over, there is nothing', async () => {
    upstream.play(() => stream([...text('x'), done]));
    const { run, post } = world.open();
    const other = world.open();
    const with_ = (authorization: string) => post(ask(), { headers: { authorization } });
    expect((await with_('Bearer nonsense')).status).toBe(401);
    expect((await with_(`Bearer ${other.agentKey}`)).status).toBe(401);
    expect(
      (await fetch(`http://127.0.0.1:${world.meter.port}/v1/chat/completions`, { method: 'POST' })).status,
    ).toBe(403);
    await run.close();
    expect((await post(ask())).status).toBe(403);
    expect(upstream.bodies).toHaveLength(0);
    await other.run.close();
  });

  test('closing it ends what is under way, at the node too', async () => {
    let aborted = false;
    upstream.play((_body, request) => {
      request.signal.addEventListener('abort', () => {
        aborted = true;
      });
      return stream([chunk({ content: 'a' })], 'hang');
    });
    const { run, post } = world.open();
    const response = await post(ask());
    const reader = response.body?.getReader();
    await reader?.read();
    expect(run.usage().inFlight).toBe(1);
    const usage = await run.close();
    expect(usage.inFlight).toBe(0);
    await until(() => aborted, 'the node sees the request end');
    await expect(Promise.resolve(reader?.read())).rejects.toThrow();
  });

  test('an agent that hangs up ends the request at the node', async () => {
    let aborted = false;
    upstream.play((_body, request) => {
      request.signal.addEventListener('abort', () => {
        aborted = true;
      });
      return stream([chunk({ content: 'a' })], 'hang');
    });
    const { run, post } = world.open();
    const hangUp = new AbortController();
    const response = await post(ask(), { signal: hangUp.signal });
    await response.body?.getReader().read();
    hangUp.abort();
    await until(() => aborted && run.usage().inFlight === 0, 'the request is over on both sides');
    expect(run.usage().last?.source).toBe('estimate');
    await run.close();
  });

  test('an agent that hangs up before the answer begins ends the request at the node', async () => {
    let aborted = false;
    upstream.play(async (_body, request) => {
      const over = Promise.withResolvers<void>();
      request.signal.addEventListener('abort', () => {
        aborted = true;
        over.resolve();
      });
      await over.promise;
      return new Response();
    });
    const { run, post } = world.open();
    const hangUp = new AbortController();
    const pending = post(ask(), { signal: hangUp.signal });
    await until(() => upstream.bodies.length === 1, 'the node has it');
    hangUp.abort();
    await expect(pending).rejects.toThrow();
    await until(() => aborted && run.usage().inFlight === 0, 'the request is over on both sides');
    // A node reads on and charges for all of it: the worst is booked.
    expect(run.usage().spentMsat).toBeGreaterThan(4000);
    await run.close();
  });

  test('an agent that does not read stops the node from sending', async () => {
    let produced = 0;
    const piece = chunk({ content: 'x'.repeat(64 * 1024) });
    const all = 400;
    upstream.play(
      () =>
        new Response(
          new ReadableStream({
            pull: (controller) => {
              produced += 1;
              if (produced > all) controller.close();
              else controller.enqueue(Buffer.from(piece));
            },
          }),
          { headers: { 'content-type': 'text/event-stream' } },
        ),
    );
    const { run, agentKey } = world.open();
    const { port, pathname } = new URL(run.baseUrl);
    const socket = connect(Number(port), '127.0.0.1');
    const body = JSON.stringify(ask());
    socket.on('error', () => socket.destroy());
    socket.pause();
    socket.write(
      `POST ${pathname}/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${agentKey}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    let before = -1;
    await until(async () => {
      if (produced === before && produced > 0) return true;
      before = produced;
      await Bun.sleep(300);
      return false;
    }, 'the node stops sending');
    expect(produced).toBeLessThan(all);
    let received = 0;
    socket.on('data', (data) => {
      received += data.length;
    });
    socket.resume();
    await until(() => received > all * 64 * 1024, 'the rest comes when it is read');
    socket.destroy();
    await run.close();
  });
});

describe('What a request cost is known from', () => {
  const spent = async (pieces: readonly string[]) => {
    upstream.play(() => stream([...text('abc'), ...pieces, done]));
    const { run, post } = world.open();
    await (await post(ask())).text();
    const { last } = run.usage();
    await run.close();
    return last;
  };
  const extra = (facts: object): string => chunk({}, null, { choices: [], ...facts });

  test.each([
    ['usage.cost', { usage: { cost: { total_msats: 77 } } }],
    ['cost', { cost: { total_msats: 77 } }],
    ['metadata', { metadata: { routstr: { cost: { total_msats: '77' } } } }],
  ])('the node: %s', async (_name, facts) => {
    expect(await spent([extra(facts)])).toMatchObject({ msat: 77, source: 'node' });
  });

  test('the node, in whole sats or in dollars', async () => {
    expect(await spent([extra({ usage: { cost_sats: 3 } })])).toMatchObject({ msat: 3000, source: 'node' });
    expect(await spent([extra({ usage: { cost: 0.002 } })])).toMatchObject({ msat: 2000, source: 'node' });
  });

  test('the tokens, when it does not say', async () => {
    const usage = { prompt_tokens: 1000, completion_tokens: 50 };
    expect(await spent([extra({ usage })])).toMatchObject({ msat: 1200, source: 'tokens' });
  });

  test('the length, when nobody counts', async () => {
    const last = await spent([]);
    expect(last?.source).toBe('estimate');
    expect(last?.msat).toBeGreaterThan(0);
  });

  test('a header, when the answer is no stream', async () => {
    const answer = { choices: [{ message: { content: 'hi' } }] };
    upstream.play(() => Response.json(answer, { headers: { 'x-routstr-cost-msats': '4321' } }));
    const { run, post } = world.open();
    expect(await errorOf(await post(ask({ stream: false })))).toEqual(answer);
    expect(run.usage().spentMsat).toBe(4321);
    await run.close();
  });
});

describe('A stream that ends badly ends well for the agent', () => {
  const answer = async (response: () => Response, limits = {}) => {
    upstream.play(response);
    const { run, post } = world.open(limits);
    const body = await (await post(ask())).text();
    const usage = run.usage();
    await run.close();
    return { body, usage };
  };

  test('without a finish reason: one is added', async () => {
    const orderly = await answer(() => stream([chunk({ content: 'hi' }), done]));
    expect(finish(orderly.body)).toEqual(['stop']);
    expect(orderly.body).toEndWith(done);
    const cutOff = await answer(() => stream([chunk({ content: 'hi' })]));
    expect(finish(cutOff.body)).toEqual(['length']);
    expect(cutOff.body).toEndWith(done);
  });

  test('without [DONE]: it is added', async () => {
    const { body } = await answer(() => stream(text('hi')));
    expect(finish(body)).toEqual(['stop']);
    expect(body).toEndWith(done);
  });

  test('with tool calls and no finish reason: they are carried out', async () => {
    const { body } = await answer(() => stream(tool('bash', { command: 'ls' }).slice(0, 2)));
    expect(finish(body)).toEqual(['tool_calls']);
  });

  test('with a reason that makes opencode go on for ever: a plain one', async () => {
    expect(finish((await answer(() => stream([chunk({ content: 'x' }, 'error'), done]))).body)).toEqual([
      'stop',
    ]);
    expect(finish((await answer(() => stream([chunk({ content: 'x' }, 'tool_calls'), done]))).body)).toEqual([
      'stop',
    ]);
  });

  test('in the middle of a tool call: an error, repeated a few times at most', async () => {
    upstream.play(() =>
      stream([chunk({ tool_calls: [{ index: 0, function: { name: 'x', arguments: '{"a' } }] })]),
    );
    const { run, post } = world.open();
    const bodies: string[] = [];
    for (let i = 0; i < 4; i++) bodies.push(await (await post(ask())).text());
    const errors = bodies.map((body) => JSON.stringify(events(body).at(-1)));
    expect(errors.map((error) => isFinal(200, error))).toEqual([false, false, true, true]);
    await run.close();
  });

  test('with nothing in it, with rubbish in it', async () => {
    for (const pieces of [[], [': comment\n\n'], [done], ['data: {"not json\n\n'], ['data: <html>\n\n']]) {
      const { body, usage } = await answer(() => stream(pieces));
      const [error] = events(body);
      expect(error).toMatchObject({ error: { code: 'nonsense' } });
      expect(isFinal(200, JSON.stringify(error))).toBe(true);
      expect(usage.refusal?.code).toBe('nonsense');
    }
  });

  test('with an error object: one plain error', async () => {
    const error = { message: 'Insufficient balance mid-stream: 1500 mSats', code: 'insufficient_balance' };
    const { body } = await answer(() =>
      stream([chunk({ content: 'x' }), `data: ${JSON.stringify({ error })}\n\n`]),
    );
    expect(events(body).at(-1)).toMatchObject({ error: { code: 'insufficient_balance' } });
    expect(isFinal(200, JSON.stringify(events(body).at(-1)))).toBe(true);
  });

  test('with silence: an error', async () => {
    const { body } = await answer(() => stream([chunk({ content: 'x' })], 'hang'), {
      silenceMs: 200,
      retries: 0,
    });
    expect(events(body).at(-1)).toMatchObject({ error: { code: 'node_down' } });
  });

  test('in whatever pieces it comes', async () => {
    const bytes = Buffer.from([...text('Grüße, 世界 🎉 '), bill(5), done].join('').replaceAll('\n', '\r\n'));
    const { body, usage } = await answer(
      () =>
        new Response(
          new ReadableStream({
            start: (controller) => {
              for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
              controller.close();
            },
          }),
          { headers: { 'content-type': 'text/event-stream' } },
        ),
    );
    expect(body).toBe([...text('Grüße, 世界 🎉 '), bill(5), done].join(''));
    expect(usage.spentMsat).toBe(5);
  });
});

describe('What the node refuses is said once and plainly', () => {
  const html = { headers: { 'content-type': 'text/html' } };
  const error = (message: string, code = 'x') => ({ error: { message, type: 't', code } });
  const rows: readonly (readonly [string, () => Response, string])[] = [
    ['401', () => Response.json(error('Invalid API key 5021'), { status: 401 }), 'key_refused'],
    ['403', () => Response.json(error('Forbidden'), { status: 403 }), 'key_refused'],
    [
      '400 invalid_model',
      () =>
        Response.json(
          { error: { message: "Model 'x' not found", type: 'invalid_model', code: 400 } },
          { status: 400 },
        ),
      'model_unknown',
    ],
    ['400', () => Response.json(error('rate limit 429 in the prompt'), { status: 400 }), 'bad_request'],
    ['a page instead of a stream', () => new Response('<html>captive 503</html>', html), 'nonsense'],
    ['JSON instead of a stream', () => Response.json({ object: 'list' }), 'nonsense'],
    [
      'a redirect',
      () => new Response(null, { status: 302, headers: { location: 'http://127.0.0.1:1/' } }),
      'nonsense',
    ],
    [
      'a pause of an hour',
      () => Response.json(error('slow'), { status: 429, headers: { 'retry-after': '3600' } }),
      'slow_down',
    ],
  ];
  test.each(rows)('%s', async (_name, response, code) => {
    upstream.play(response);
    const { run, post } = world.open();
    const answer = await post(ask());
    const body = await answer.text();
    expect(JSON.parse(body)).toMatchObject({ error: { code } });
    expect(isFinal(answer.status, body)).toBe(true);
    expect(run.usage().refusal?.code).toBe(code as 'nonsense');
    expect(run.usage().spentMsat).toBe(0);
    await run.close();
  });

  test.each([429, 500, 502, 503, 424])('%d: worth another try, twice and not more', async (status) => {
    upstream.play(() => new Response('<html>busy</html>', { status, headers: { 'retry-after': '2' } }));
    const { run, post } = world.open();
    const answers: Response[] = [];
    for (let i = 0; i < 3; i++) answers.push(await post(ask()));
    expect(answers.map((answer) => answer.status >= 500)).toEqual([true, true, false]);
    expect(answers[0]?.headers.get('retry-after-ms')).toBe('2000');
    expect(isFinal(answers[2]?.status ?? 0, (await answers[2]?.text()) ?? '')).toBe(true);
    await run.close();
  });

  test('a success in between makes the meter patient again', async () => {
    let ok = false;
    upstream.play(() => (ok ? stream([...text('x'), done]) : new Response('', { status: 500 })));
    const { run, post } = world.open();
    expect((await post(ask())).status).toBe(503);
    expect((await post(ask())).status).toBe(503);
    ok = true;
    await (await post(ask())).text();
    ok = false;
    expect((await post(ask())).status).toBe(503);
    await run.close();
  });

  test('a node that is away', async () => {
    const gone = startMetered();
    await gone.upstream.close();
    const { post, run } = gone.open({ retries: 0 });
    const answer = await post(ask());
    expect(answer.status).toBe(424);
    expect(run.usage().spentMsat).toBe(0);
    await gone.meter.close();
  });

  test.each([
    ['413', () => new Response('', { status: 413 })],
    [
      'context_length_exceeded',
      () =>
        Response.json(
          error('This model’s maximum context length is 128000 tokens', 'context_length_exceeded'),
          {
            status: 400,
          },
        ),
    ],
  ])('%s: the agent may compact twice', async (_name, response) => {
    upstream.play(response);
    const { run, post } = world.open();
    const codes: unknown[] = [];
    for (let i = 0; i < 3; i++)
      codes.push(((await errorOf(await post(ask()))) as { error: { code: string } }).error.code);
    expect(codes).toEqual(['context_length_exceeded', 'context_length_exceeded', 'too_long']);
    await run.close();
  });
});

describe('A run is held in bounds', () => {
  test('so many requests and no more', async () => {
    upstream.play(() => stream([...text('x'), done]));
    const { run, post } = world.open({ requests: 3 });
    for (let i = 0; i < 3; i++) await (await post(ask())).text();
    expect(await errorOf(await post(ask()))).toMatchObject({ error: { code: 'request_limit' } });
    expect(upstream.bodies).toHaveLength(3);
    await run.close();
  });

  test('the same tool call so many times in a row', async () => {
    upstream.play((_body, _request, count) =>
      stream([...tool('bash', { command: count === 2 ? 'ls' : 'pwd' }), done]),
    );
    const { run, post } = world.open({ sameAnswers: 3 });
    for (let i = 0; i < 5; i++) expect((await (await post(ask())).text()).includes('tool_calls')).toBe(true);
    expect(await errorOf(await post(ask()))).toMatchObject({ error: { code: 'loop' } });
    await run.close();
  });

  test('many large requests at once are refused rather than held in memory, and later ones pass', async () => {
    const gate = Promise.withResolvers<void>();
    upstream.play(async () => {
      await gate.promise;
      return stream([...text('x'), done]);
    });
    const { run, post } = world.open();
    const large = ask({ messages: [{ role: 'user', content: 'x'.repeat(40 * 1024 * 1024) }] });
    const answers = [1, 2, 3, 4, 5].map(() => post(large).then((response) => response.status));
    const refused = await Promise.any(answers);
    expect(refused).toBe(400);
    gate.resolve();
    expect((await Promise.all(answers)).filter((status) => status === 400).length).toBeGreaterThanOrEqual(3);
    expect((await post(ask())).status).toBe(200);
    await run.close();
  }, 30_000);

  test('one answer, and nothing that is billed apart: other fields stay here', async () => {
    upstream.play(() => stream([...text('x'), done]));
    const { run, post } = world.open();
    const more = {
      n: 128,
      best_of: 20,
      plugins: [{ id: 'web' }],
      web_search_options: {},
      modalities: ['audio'],
    };
    const own = { type: 'function', function: { name: 'read', parameters: {} } };
    const tools = [own, { type: 'web_search' }, { type: 'openrouter:web_search' }, 'x', null];
    await (await post(ask({ ...more, temperature: 0.5, tools }))).text();
    const sent: unknown = upstream.bodies.at(-1);
    expect(sent).toMatchObject({ temperature: 0.5, tools: [own] });
    for (const name of Object.keys(more)) expect(sent).not.toHaveProperty(name);
    await run.close();
  });

  test('max_tokens is lowered, and set where it is absent', async () => {
    upstream.play(() => stream([...text('x'), done]));
    const { run, post } = world.open({ maxTokens: 4096 });
    await (await post(ask({ max_tokens: 32_000 }))).text();
    await (await post(ask({ max_tokens: 100 }))).text();
    await (await post(ask({ max_tokens: undefined }))).text();
    await (await post(ask({ max_tokens: undefined, max_completion_tokens: 9999 }))).text();
    expect(upstream.bodies.map((body) => body.max_tokens)).toEqual([4096, 100, 4096, 4096]);
    expect(upstream.bodies[3]).toMatchObject({ max_completion_tokens: 4096 });
    await run.close();
  });

  test('when money gets short, less is asked for', async () => {
    upstream.play(() => stream([...text('x'), bill(100), done]));
    // 4 msat a token: some 2,400 tokens are left of 10 sat.
    const { run, post } = world.open({ spendMsat: 10_000 });
    await (await post(ask({ max_tokens: 16_384 }))).text();
    const [body] = upstream.bodies;
    expect(body?.max_tokens).toBeLessThan(2500);
    expect(body?.max_tokens).toBeGreaterThan(2300);
    await run.close();
  });

  test('a request waits for what another has reserved', async () => {
    const gate = Promise.withResolvers<void>();
    upstream.play(async () => {
      await gate.promise;
      return stream([...text('x'), bill(10), done]);
    });
    const { run, post } = world.open({ spendMsat: 6000 });
    const answers = [post(ask()), post(ask())];
    await until(() => upstream.bodies.length === 1, 'the first is under way');
    expect(run.usage()).toMatchObject({ inFlight: 1, held: 0 });
    gate.resolve();
    for (const answer of answers) expect(await (await answer).text()).toEndWith(done);
    expect(run.usage().spentMsat).toBe(20);
    await run.close();
  });
});

describe('A request that the money does not cover is held', () => {
  const refusal = () =>
    Response.json(
      {
        detail: {
          error: {
            message: 'Insufficient balance: 540000 mSats required. 120000 available. (reserved: 0)',
            type: 'insufficient_quota',
            code: 'insufficient_balance',
          },
        },
      },
      { status: 402 },
    );
  const paying = () => {
    const state = { paid: false };
    upstream.play(() => (state.paid ? stream([...text('paid'), bill(7), done]) : refusal()));
    return state;
  };

  test('until there is more: the agent never notices', async () => {
    const state = paying();
    const holds: Hold[] = [];
    const ends: string[] = [];
    let active = 0;
    const { run, post } = world.open(
      {},
      { onHold: (hold) => holds.push(hold), onHoldEnd: (end) => ends.push(end), onActivity: () => active++ },
    );
    const answer = post(ask());
    const title = post(ask({ max_tokens: 10 }));
    await until(() => run.usage().held === 2, 'both wait');
    expect(holds).toEqual([{ neededMsat: 540_000, availableMsat: 120_000, model: 'm' }]);
    state.paid = true;
    expect(run.more(1_000_000)).toBe(true);
    expect(await (await answer).text()).toEndWith(done);
    expect((await title).status).toBe(200);
    expect(ends).toEqual(['more']);
    expect(active).toBeGreaterThan(0);
    expect(run.more(1)).toBe(false);
    await run.close();
  });

  test('until the time is over: then it fails once, and nothing waits again', async () => {
    paying();
    const { run, post } = world.open({ holdMs: 150 });
    const answer = await post(ask());
    expect(answer.status).toBe(402);
    expect(isFinal(402, await answer.text())).toBe(true);
    const start = performance.now();
    expect((await post(ask())).status).toBe(402);
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(run.usage()).toMatchObject({ held: 0, refusal: { code: 'insufficient_balance', status: 402 } });
    await run.close();
  });

  test('until the agent hangs up, or the run is over', async () => {
    paying();
    const { run, post } = world.open();
    const hangUp = new AbortController();
    const pending = post(ask(), { signal: hangUp.signal });
    const other = post(ask());
    await until(() => run.usage().held === 2, 'they wait');
    hangUp.abort();
    await expect(pending).rejects.toThrow();
    await until(() => run.usage().held === 1, 'one waits');
    await run.close();
    expect((await other).status).toBe(403);
    expect(run.usage().held).toBe(0);
  });

  test('and its run is not idle meanwhile, however long that takes', async () => {
    jest.useFakeTimers();
    try {
      const told: string[] = [];
      let active = 0;
      const queue = createHoldQueue({
        holdMs: 20 * 60_000,
        onHold: () => told.push('hold'),
        onHoldEnd: (end) => told.push(end),
        onActivity: () => active++,
      });
      const hold = { neededMsat: 1, availableMsat: 0, model: 'm' };
      const waiting = queue.wait(hold, new AbortController().signal);
      jest.advanceTimersByTime(19 * 60_000);
      // A run is ended after minutes of silence (`BOT_RUN_IDLE_MINUTES`).
      expect(active).toBeGreaterThanOrEqual(19);
      jest.advanceTimersByTime(2 * 60_000);
      expect(await waiting).toBe('let_go');
      expect(told).toEqual(['hold', 'let_go']);
      const before = active;
      jest.advanceTimersByTime(60 * 60_000);
      expect(active).toBe(before);
    } finally {
      jest.useRealTimers();
    }
  });

  test('by the run’s own cap too, before the node is asked', async () => {
    upstream.play(() => stream([...text('x'), bill(900), done]));
    const holds: Hold[] = [];
    const { run, post } = world.open({ spendMsat: 2000 }, { onHold: (hold) => holds.push(hold) });
    const answer = post(ask({ max_tokens: 1024 }));
    await until(() => run.usage().held === 1, 'it waits');
    expect(upstream.bodies).toHaveLength(0);
    expect(holds[0]).toMatchObject({ availableMsat: 2000 });
    expect(run.more(10_000)).toBe(true);
    await (await answer).text();
    expect(run.usage().spentMsat).toBe(900);
    await run.close();
  });

  test('and asks for less before that, when less is enough', async () => {
    upstream.play((body) => ((body.max_tokens ?? 0) > 5000 ? shortBy(20_000) : stream([...text('x'), done])));
    const { run, post } = world.open();
    expect(await (await post(ask({ max_tokens: 10_000 }))).text()).toEndWith(done);
    expect(upstream.bodies.map((body) => body.max_tokens)).toEqual([10_000, 4900]);
    await run.close();
  });
  const shortBy = (msat: number) =>
    Response.json(
      {
        error: {
          message: `Insufficient balance: ${msat + 1} mSats required. 1 available. (reserved: 0)`,
          code: 'insufficient_balance',
        },
      },
      { status: 402 },
    );

  test('and kept alive with comments when it takes long', async () => {
    const patient = startMetered({ commitMs: 50 });
    let paid = false;
    patient.upstream.play(() => (paid ? stream([...text('paid'), done]) : refusal()));
    const first = patient.open();
    const response = await first.post(ask());
    expect(response.status).toBe(200);
    paid = true;
    first.run.more(1);
    expect(await response.text()).toBe(`: waiting\n\n${[...text('paid'), done].join('')}`);

    paid = false;
    const second = patient.open({ holdMs: 200 });
    const refused = await second.post(ask());
    const [error] = events(await refused.text());
    expect(error).toMatchObject({ error: { code: 'insufficient_balance' } });
    expect(isFinal(200, JSON.stringify(error))).toBe(true);
    await patient.close();
  });
});

describe('A node that says 402 although the money must be there (core #520)', () => {
  const short = (message: string) =>
    Response.json(
      { detail: { error: { message, type: 'insufficient_quota', code: 'insufficient_balance' } } },
      { status: 402 },
    );
  const texts = [
    'Insufficient balance: 40000 mSats required. 3000 available. (reserved: 0)',
    'Insufficient balance: 40 sats (40000 msats) required for this model; 3 sats (3000 msats) available.',
    'Insufficient balance: 40000 mSats required.',
    'Insufficient balance',
  ];
  test.each(texts)(
    '“%s” is named once, with what its bills say, and nobody is asked for more',
    async (words) => {
      let calls = 0;
      upstream.play(() => {
        calls += 1;
        return calls === 1 ? stream([...text('x'), bill(5000), done]) : short(words);
      });
      const holds: Hold[] = [];
      const { run, post } = world.open(
        { spendMsat: 2_500_000, recheckMs: [1, 1] },
        { onHold: (hold) => holds.push(hold) },
      );
      expect(await (await post(ask())).text()).toContain('x');
      for (let times = 0; times < 3; times += 1) {
        const answer = await post(ask());
        expect(answer.status).toBe(400);
        expect(isFinal(400, await answer.text())).toBe(true);
      }
      // Looked at twice more, as it may be behind with its books; then never asked again.
      expect(calls).toBe(4);
      expect(holds).toEqual([]);
      const { contradiction, refusal, mostMsat } = await run.close();
      expect(mostMsat).toBe(5000);
      expect(refusal).toMatchObject({ code: 'node_contradicts' });
      expect(contradiction?.detail).toContain('Insufficient balance');
      expect(contradiction?.leastMsat).toBe(2_500_000 - 5000 - 25_000);
      if (words.includes('available')) expect(contradiction?.saidMsat).toBe(3000);
    },
  );

  test('for a moment only, because it was behind with its books: the agent never notices', async () => {
    let calls = 0;
    upstream.play(() => {
      calls += 1;
      return calls < 3 ? short(texts[0] ?? '') : stream([...text('here'), bill(5), done]);
    });
    const { run, post } = world.open({ spendMsat: 2_500_000, recheckMs: [1, 1, 1] });
    expect(await (await post(ask())).text()).toContain('here');
    expect((await run.close()).contradiction).toBeUndefined();
  });

  const honest: readonly (readonly [string, () => Response | Promise<Response>, object])[] = [
    ['what it billed is nearly all', () => stream([...text('x'), bill(2_480_000), done]), {}],
    [
      'an answer came without a bill, and without a price nobody knows',
      () => stream([...text('x'), done]),
      { price: () => undefined },
    ],
    ['it is not known what the run may spend', () => stream([...text('x'), bill(5), done]), { limits: {} }],
  ];
  test.each(honest)('but not when %s: then more money is asked for as ever', async (_name, first, rest) => {
    let calls = 0;
    upstream.play(() => {
      calls += 1;
      return calls === 1 ? first() : short(texts[0] ?? '');
    });
    const holds: Hold[] = [];
    const limits = 'limits' in rest ? {} : { spendMsat: 2_500_000 };
    const { run, post } = world.open(
      { ...limits, recheckMs: [1], holdMs: 30 },
      { onHold: (hold) => holds.push(hold), ...('price' in rest ? { price: () => undefined } : {}) },
    );
    await (await post(ask())).text();
    expect((await post(ask())).status).toBe(402);
    expect(holds).toHaveLength(1);
    expect((await run.close()).contradiction).toBeUndefined();
  });

  test('what was cut off or never answered may have been charged: it is no contradiction that it is gone', async () => {
    let calls = 0;
    upstream.play(() => {
      calls += 1;
      if (calls === 1) return new Response('<html>', { headers: { 'content-type': 'text/html' } });
      return short('Insufficient balance: 4000 mSats required. 1000 available. (reserved: 0)');
    });
    const { run, post } = world.open({ spendMsat: 5500, recheckMs: [1], holdMs: 30 });
    await post(ask());
    expect(run.usage().spentMsat).toBe(0);
    expect(run.usage().mostMsat).toBeGreaterThan(4000);
    expect((await post(ask())).status).toBe(402);
    await run.close();
  });
});

describe('An agent cannot use up what the bot may open', () => {
  test('a connection that asks nothing is closed; one whose request is held is not', async () => {
    const brief = startMetered({ idleSeconds: 1 });
    brief.upstream.play(() =>
      Response.json({ detail: { error: { message: 'x', code: 'insufficient_balance' } } }, { status: 402 }),
    );
    const { run, post, agentKey } = brief.open({ holdMs: 60_000 });
    let closed = 0;
    const sockets = Array.from({ length: 200 }, () =>
      connect(brief.meter.port, '127.0.0.1')
        .on('close', () => {
          closed += 1;
        })
        .on('error', () => undefined),
    );
    // Some of them announce a request and never send it.
    const path = new URL(run.baseUrl).pathname;
    for (const socket of sockets.slice(100, 130))
      socket.write(
        `POST ${path}/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${agentKey}\r\ncontent-length: 9\r\n\r\n`,
      );
    const held = post(ask());
    await until(() => run.usage().held === 1, 'it waits');
    await until(() => closed === sockets.length, 'they are closed');
    expect(run.usage().held).toBe(1);
    brief.upstream.play(() => stream([...text('paid'), done]));
    run.more(1);
    expect(await (await held).text()).toContain('paid');
    await brief.close();
  }, 60_000);

  test('a run has so many calls under way, and no more', async () => {
    upstream.play(() => new Promise<Response>(() => undefined));
    const { run, post } = world.open({ requests: 500 });
    const all = Array.from({ length: 70 }, () => post(ask()).then(({ status }) => status));
    await until(() => run.usage().inFlight === 64, 'as many as there may be');
    expect((await post(ask())).status).toBe(400);
    await run.close();
    const statuses = await Promise.all(all);
    expect(statuses.filter((status) => status === 400).length).toBe(6);
  });

  test('bodies of all runs together are bounded: what is too much is refused, and the rest goes on', async () => {
    const gate = Promise.withResolvers<void>();
    upstream.play(async () => {
      await gate.promise;
      return Response.json({ choices: [] });
    });
    const [one, other, third] = [world.open(), world.open(), world.open()];
    const big = { ...ask({ stream: false }), metadata: { pad: 'x'.repeat(40 * 1024 * 1024) } };
    const first = [one.post(big)];
    await until(() => one.run.usage().inFlight === 1, 'it is on its way');
    // A run takes no more than its share: others get through.
    expect((await one.post(big)).status).toBe(400);
    first.push(other.post(big));
    await until(() => other.run.usage().inFlight === 1, 'it is on its way as well');
    expect((await third.post(big)).status).toBe(400);
    gate.resolve();
    await Promise.all(first);
    upstream.play(() => stream([...text('again'), done]));
    expect(await (await third.post(ask())).text()).toContain('again');
    for (const { run } of [one, other, third]) await run.close();
  });
});
