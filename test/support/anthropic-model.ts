/** Anthropic's Messages API on loopback, as far as an agent needs it: every question gets the same streamed answer. */
export function startAnthropicModel(answer: string, judge: (key: string | null) => Response | undefined) {
  const asked: {
    readonly key: string | null;
    readonly authorization: string | null;
    readonly body: string;
  }[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => {
      const key = request.headers.get('x-api-key');
      const body = await request.text();
      asked.push({ key, authorization: request.headers.get('authorization'), body });
      const refused = judge(key);
      if (refused !== undefined) return refused;
      if (new URL(request.url).pathname !== '/v1/messages') return new Response('', { status: 404 });
      return new Response(events(answer), { headers: { 'content-type': 'text/event-stream' } });
    },
  });
  return { url: `http://127.0.0.1:${server.port}/v1`, asked, stop: (): Promise<void> => server.stop(true) };
}

const events = (answer: string): string =>
  [
    {
      type: 'message_start',
      message: {
        ...{
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model: 'claude',
          content: [],
          stop_reason: null,
        },
        usage: { input_tokens: 10, output_tokens: 1 },
      },
    },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: answer } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 5 } },
    { type: 'message_stop' },
  ]
    .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    .join('');
