/** Agents that speak OpenAI's responses or Anthropic's messages are paid and held in bounds like any other. */
import { afterAll, describe, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startMetered } from './support/metered.ts';
import { stream } from './support/model-upstream.ts';

const world = startMetered();
const { upstream } = world;
afterAll(world.close);

const event = (data: Readonly<Record<string, unknown>>): string =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
const response = (status: string, usage?: object) => ({
  id: 'resp_1',
  object: 'response',
  status,
  output: [],
  usage,
});

/** What differs between the two. */
const apis = {
  responses: {
    ask: { model: 'm', input: [{ role: 'user', content: 'hello' }], max_output_tokens: 1000 },
    limit: 'max_output_tokens',
    ownTools: [
      { type: 'function', name: 'read', parameters: {} },
      { type: 'custom', name: 'apply_patch' },
    ],
    nodeTools: [
      { type: 'web_search' },
      { type: 'code_interpreter', container: {} },
      { type: 'mcp', server_url: 'x' },
      'x',
    ],
    billedApart: { background: true, service_tier: 'priority', previous_response_id: 'resp_0', store: true },
    begin: [event({ type: 'response.created', response: response('in_progress') })],
    text: event({ type: 'response.output_text.delta', delta: 'hi there' }),
    end: event({
      type: 'response.completed',
      ...{
        response: response('completed', {
          input_tokens: 1000,
          output_tokens: 50,
          input_tokens_details: { cached_tokens: 0 },
        }),
      },
    } as const),
    tool: (args: string) => [
      event({
        type: 'response.output_item.done',
        ...{ output_index: 0, item: { type: 'function_call', name: 'sh', arguments: args } },
      } as const),
    ],
    whole: { ...response('completed', { input_tokens: 1000, output_tokens: 50 }) },
    failed: 'event: response.failed\n',
    final: { error: { code: 'insufficient_balance' } },
  },
  messages: {
    ask: { model: 'm', messages: [{ role: 'user', content: 'hello' }], max_tokens: 1000 },
    limit: 'max_tokens',
    ownTools: [
      { name: 'read', input_schema: {} },
      { type: 'bash_20250124', name: 'bash' },
    ],
    nodeTools: [
      { type: 'web_search_20250305', name: 'web_search' },
      { type: 'code_execution_20250522', name: 'code_execution' },
      null,
    ],
    billedApart: { service_tier: 'auto', container: 'c', mcp_servers: [{ url: 'x' }] },
    begin: [
      event({
        type: 'message_start',
        ...{
          message: {
            role: 'assistant',
            usage: { input_tokens: 200, cache_read_input_tokens: 800, output_tokens: 1 },
          },
        },
      } as const),
    ],
    text: event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hi there' } }),
    end: [
      event({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 50 } }),
      event({ type: 'message_stop' }),
    ].join(''),
    tool: (args: string) => [
      event({ type: 'content_block_start', index: 1, content_block: { type: 'tool_use', name: 'sh' } }),
      event({
        type: 'content_block_delta',
        index: 1,
        delta: { type: 'input_json_delta', partial_json: args },
      }),
    ],
    whole: {
      type: 'message',
      role: 'assistant',
      content: [],
      usage: { input_tokens: 1000, output_tokens: 50 },
    },
    failed: 'event: error\n',
    final: { type: 'error', error: { type: 'invalid_request_error' } },
  },
} as const;

for (const [path, api] of Object.entries(apis)) {
  const open = (...options: Parameters<typeof world.open>) => {
    const { run, agentKey, nodeKey } = world.open(...options);
    const post = (body: object, headers: Record<string, string> = { authorization: `Bearer ${agentKey}` }) =>
      fetch(`${run.baseUrl}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return { run, post, agentKey, nodeKey };
  };
  const asked = { ...api.ask, stream: true };
  const answer = [...api.begin, api.text, api.end];
  const cost = (msat: number): string =>
    `event: cost\ndata: ${JSON.stringify({ cost: { total_msats: msat } })}\n\n`;
  const shortOfMoney = () =>
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

  describe(`A call of /v1/${path}`, () => {
    test('arrives as the node sent it, and costs what the node says, else its tokens', async () => {
      const urls: string[] = [];
      upstream.play((_body, request) => {
        urls.push(new URL(request.url).pathname);
        return stream([...answer, ...(urls.length === 1 ? [cost(777)] : [])]);
      });
      const { run, post, agentKey, nodeKey } = open();
      const streamed = await post(asked, path === 'messages' ? { 'x-api-key': agentKey } : undefined);
      expect(await streamed.text()).toBe(answer.join(''));
      expect(upstream.authorizations).toEqual([`Bearer ${nodeKey}`]);
      await until(() => run.usage().inFlight === 0, 'it is counted');
      expect(run.usage()).toMatchObject({ spentMsat: 777, last: { source: 'node' } });
      await (await post(asked)).text();
      await until(() => run.usage().requests === 2 && run.usage().inFlight === 0, 'it is counted');
      expect(run.usage().last).toMatchObject({
        msat: 1200,
        source: 'tokens',
        promptTokens: 1000,
        completionTokens: 50,
      });
      expect(urls).toEqual([`/v1/${path}`, `/v1/${path}`]);
      await run.close();
    });

    test('that is no stream, too', async () => {
      upstream.play(() => Response.json(api.whole, { headers: { 'x-routstr-cost-msats': '555' } }));
      const { run, post } = open();
      expect(await (await post(api.ask)).json()).toEqual(JSON.parse(JSON.stringify(api.whole)));
      expect(run.usage()).toMatchObject({ spentMsat: 555, last: { source: 'node', promptTokens: 1000 } });
      await run.close();
    });

    test('asks for one answer, with the agent’s own tools, within its bounds', async () => {
      upstream.play(() => stream([...answer]));
      const { run, post } = open({ maxTokens: 300 });
      await (await post({ ...asked, ...api.billedApart, tools: [...api.ownTools, ...api.nodeTools] })).text();
      const sent: Record<string, unknown> = { ...upstream.bodies.at(-1) };
      expect(sent.tools).toEqual([...api.ownTools]);
      expect(sent[api.limit]).toBe(300);
      for (const [name, value] of Object.entries(api.billedApart)) expect(sent[name]).not.toEqual(value);
      await run.close();
    });

    test('is held until there is more money, and else fails once in the words of its API', async () => {
      let paid = false;
      upstream.play(() => (paid ? stream([...answer]) : shortOfMoney()));
      const { run, post } = open({ holdMs: 60_000 });
      const held = post(asked);
      await until(() => run.usage().held === 1, 'it is held');
      paid = true;
      run.more(1000);
      expect(await (await held).text()).toBe(answer.join(''));
      paid = false;
      const other = open({ holdMs: 10 });
      const refused = await other.post(asked);
      expect(refused.status).toBe(402);
      expect(await refused.json()).toMatchObject(api.final);
      await run.close();
      await other.run.close();
    });

    test('that breaks off is no answer; one that is whole costs no more when the agent hangs up', async () => {
      upstream.play(() => stream([...api.begin, api.text]));
      const { run, post } = open({ retries: 0 });
      const cut = await (await post(asked)).text();
      expect(cut).toContain(api.failed);
      expect(cut).not.toMatch(/overloaded|server_error/);
      upstream.play(() => stream([...answer], 'hang'));
      const reader = (await post(asked)).body?.getReader();
      for (let got = ''; !got.includes(answer.at(-1) ?? '-'); ) {
        const { value } = (await reader?.read()) ?? {};
        got += Buffer.from(value ?? []).toString();
        // Events may come one by one.
        if (got.includes('message_stop') || got.includes('response.completed')) break;
      }
      await reader?.cancel();
      await until(() => run.usage().inFlight === 0, 'it is counted');
      expect(run.usage().last).toMatchObject({ source: 'tokens', msat: 1200 });
      await run.close();
    });

    test('the same tool call over and over ends', async () => {
      upstream.play(() => stream([...api.begin, ...api.tool('{"a":1}'), api.end]));
      const { run, post } = open({ sameAnswers: 3 });
      for (let i = 0; i < 3; i += 1) await (await post(asked)).text();
      const refused = await post(asked);
      expect(refused.status).toBe(400);
      expect(await refused.text()).toContain('repeats the same step');
      await run.close();
    });
  });
}
