import { afterAll, expect, test } from 'bun:test';
import { createNodeFetch, type Filled } from '../src/node-fetch.ts';

/** What opencode 1.18.33 repeats a call for (docs/design.md#what-opencode-does). */
const repeatedFor =
  /429|500|502|503|504|524|rate limit|too many requests|overloaded|service unavailable|internal error|server error|fetch failed|connection |try again (?:later|in)|temporarily at capacity|resource exhausted/i;

let answer: (request: Request) => Response | Promise<Response> = () => new Response('');
const asked: string[] = [];
const node = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: (request) => {
    asked.push(new URL(request.url).pathname);
    return answer(request);
  },
});
afterAll(() => node.stop(true));
const url = `http://127.0.0.1:${node.port}/v1/chat/completions`;

async function call(
  reply: typeof answer,
  {
    fill = { state: 'not', problem: undefined },
    to = url,
    patienceMs = 5_000,
  }: { fill?: Filled; to?: string; patienceMs?: number } = {},
) {
  answer = reply;
  asked.length = 0;
  let fills = 0;
  const fetchNode = createNodeFetch({
    fill: async () => {
      fills += 1;
      return fill;
    },
    onAnswered: () => undefined,
    pausesMs: [1, 1],
    patienceMs,
  });
  const response = await fetchNode(to, { method: 'POST', body: '{}' });
  const text = await response.text();
  return { status: response.status, text, asked: asked.length, fills };
}

const short = (needed: number, available: number) => () =>
  Response.json(
    {
      error: {
        message: `Insufficient balance: ${needed} mSats required. ${available} available. (reserved: 0)`,
        type: 'insufficient_quota',
      },
    },
    { status: 402 },
  );

const chunk = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const stream =
  (...parts: readonly string[]) =>
  () =>
    new Response(parts.join(''), { headers: { 'content-type': 'text/event-stream' } });

test('a key that is too low says what it needs, what is there, and the ways on; opencode does not repeat the call', async () => {
  const { status, text, asked: calls } = await call(short(541_000, 120_000));
  expect([status, calls]).toEqual([402, 1]);
  expect(text).toContain('541 sat');
  expect(text).toContain('120 sat are there');
  expect(text).toContain('/wallet-topup');
  expect(text).toContain('/models');
});

test('no amount of a shortage reads like a reason to repeat the call', async () => {
  for (const [needed, available] of [
    [500_000, 429_000],
    [1_500_000, 1_502_500],
    [524_000, 503_000],
    [50_024_000, 5_000_000],
    [429_429_000, 500_500_000],
  ] as const) {
    const { text } = await call(short(needed, available));
    expect(text).not.toMatch(repeatedFor);
  }
});

test('a key that is filled makes the same call again, once', async () => {
  const replies = [
    short(541_000, 120_000)(),
    stream(chunk({ content: 'hi' }), chunk({}, 'stop'), 'data: [DONE]\n\n')(),
  ];
  const { status, text, fills } = await call(() => replies.shift() ?? new Response('', { status: 500 }), {
    fill: { state: 'added' },
  });
  expect([status, fills, asked.length]).toEqual([200, 1, 2]);
  expect(text).toContain('"hi"');
  const still = await call(short(541_000, 120_000), { fill: { state: 'added' } });
  expect([still.status, still.fills, still.asked]).toEqual([402, 1, 2]);
});

test('what keeps a key from being filled is said', async () => {
  const text = async (problem: Extract<Filled, { state: 'not' }>['problem']) =>
    (await call(short(541_000, 0), { fill: { state: 'not', problem } })).text;
  expect(await text({ kind: 'day_is_used', used: 4_000, perDay: 5_000 })).toMatch(/for today are used/);
  expect(await text({ kind: 'refused', refusal: 'short' })).toContain('the wallet has too little, too');
  expect(await text({ kind: 'not_ours' })).toContain('not of this wallet');
  expect(await text({ kind: 'failed' })).toContain('/wallet');
});

test('every refusal of a node is one sentence that opencode does not repeat', async () => {
  const cases: readonly (readonly [status: number, body: string, what: RegExp, calls: number])[] = [
    [
      401,
      '{"detail":{"error":{"message":"Key not found","code":"key_not_found"}}}',
      /does not know this key/,
      1,
    ],
    [403, '{"error":{"message":"no"}}', /does not know this key/, 1],
    [404, '{"error":{"message":"model"}}', /no longer has this model/, 1],
    [
      400,
      '{"error":{"message":"invalid max_tokens 500, rate limit 429"}}',
      /does not accept this request/,
      1,
    ],
    [429, '{"error":{"message":"Rate limit exceeded"}}', /does not answer just now/, 3],
    [502, '<html>502 Bad Gateway</html>', /does not answer just now/, 3],
    [503, '{"detail":"Service Unavailable"}', /does not answer just now/, 3],
    [302, '', /not a model’s answer/, 1],
  ];
  for (const [status, body, what, calls] of cases) {
    const got = await call(
      () => new Response(body, { status, headers: { location: 'http://127.0.0.1:1/' } }),
    );
    expect(got.text).toMatch(what);
    expect(got.text).not.toMatch(repeatedFor);
    expect(got.asked).toBe(calls);
    expect([400, 401, 402, 404, 424]).toContain(got.status);
  }
});

test('a node that is away, one that is silent, and one that hangs up are told apart', async () => {
  const away = await call(answer, { to: 'http://127.0.0.1:1/v1/chat/completions' });
  expect(away.text).toMatch(/can’t be reached; it was asked three times\. Nothing was spent/);
  const cut = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: { data: (socket) => void socket.terminate() },
  });
  const hungUp = await call(answer, { to: `http://127.0.0.1:${cut.port}/v1/chat/completions` });
  cut.stop(true);
  expect(hungUp.text).toMatch(/hung up before it answered/);
  const silent = await call(() => new Promise<Response>(() => undefined), { patienceMs: 50 });
  expect([silent.asked, silent.text]).toEqual([1, expect.stringMatching(/has not begun to answer/)]);
});

test('a conversation that is too long is shortened by opencode', async () => {
  const { status, text } = await call(
    () => new Response('{"error":{"message":"maximum context length"}}', { status: 413 }),
  );
  expect([status, JSON.parse(text).error.code]).toEqual([400, 'context_length_exceeded']);
});

test('an answer always ends in a way that opencode understands', async () => {
  const endings: readonly (readonly [parts: readonly string[], ends: RegExp])[] = [
    [[chunk({ content: 'hi' }), chunk({}, 'stop'), 'data: [DONE]\n\n'], /"finish_reason":"stop".*\[DONE\]/s],
    [[chunk({ content: 'hi' })], /"finish_reason":"length".*\[DONE\]/s],
    [
      [chunk({ content: 'hi' }), chunk({}, 'unknown'), 'data: [DONE]\n\n'],
      /"finish_reason":"stop".*\[DONE\]/s,
    ],
    [[], /not a model’s answer/],
    [
      [chunk({ content: 'hi' }), 'data: {"error":{"message":"Insufficient balance mid-stream"}}\n\n'],
      /"error"/,
    ],
  ];
  for (const [parts, ends] of endings) expect((await call(stream(...parts))).text).toMatch(ends);
  expect(
    (await call(() => new Response('<html>', { headers: { 'content-type': 'text/html' } }))).text,
  ).toMatch(/not a model’s answer/);
});
