/** What the stand-in for a model answers next. */
export type UpstreamReply = {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The whole body, instead of a completion. */
  readonly body?: string;
  readonly text?: string;
  /** Default: 20 in, 10 out. `null`: none is told. */
  readonly usage?: Readonly<Record<string, unknown>> | null;
  /** A stream stops after its first chunk until `release` is called. */
  readonly hang?: true;
};

export type ScriptedUpstream = {
  /** Ends in `/v1`. */
  readonly baseUrl: string;
  readonly requests: {
    readonly path: string;
    readonly authorization: string | null;
    readonly body: unknown;
  }[];
  /** For the next request only; the ones after it get a plain completion. */
  readonly reply: (reply: UpstreamReply) => void;
  readonly release: () => void;
  readonly stop: () => Promise<void>;
};

const defaultUsage = { prompt_tokens: 20, completion_tokens: 10, total_tokens: 30 };

/** An OpenAI-compatible server on loopback that answers what the test tells it to. Speaks no more than a node asks. */
export function startScriptedUpstream(port = 0): ScriptedUpstream {
  const planned: UpstreamReply[] = [];
  const requests: ScriptedUpstream['requests'] = [];
  let waiting: (() => void)[] = [];
  const release = () => {
    for (const go of waiting) go();
    waiting = [];
  };
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port,
    idleTimeout: 0,
    async fetch(request) {
      const path = new URL(request.url).pathname;
      if (request.method === 'GET') return Response.json({ object: 'list', data: [] });
      const body: unknown = await request.json();
      requests.push({ path, authorization: request.headers.get('authorization'), body });
      const reply = planned.shift() ?? {};
      if (reply.status !== undefined || reply.body !== undefined) {
        return new Response(reply.body ?? '{"error":{"message":"scripted","type":"scripted"}}', {
          status: reply.status ?? 200,
          headers: { 'content-type': 'application/json', ...reply.headers },
        });
      }
      const streams = typeof body === 'object' && body !== null && 'stream' in body && body.stream === true;
      const usage = reply.usage === undefined ? defaultUsage : reply.usage;
      const told = usage === null ? {} : { usage };
      const base = { id: 'chatcmpl-scripted', created: 1, model: 'whatever-upstream-calls-it' };
      const text = reply.text ?? 'Hello there';
      if (!streams) {
        if (reply.hang) await new Promise<void>((resolve) => waiting.push(resolve));
        return Response.json({
          ...base,
          object: 'chat.completion',
          choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
          ...told,
        });
      }
      async function* events() {
        const chunk = (more: object) =>
          `data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', ...more })}\n\n`;
        yield ': PROCESSING\n\n';
        yield chunk({ choices: [{ index: 0, delta: { role: 'assistant', content: text.slice(0, 3) } }] });
        if (reply.hang) await new Promise<void>((resolve) => waiting.push(resolve));
        yield chunk({ choices: [{ index: 0, delta: { content: text.slice(3) }, finish_reason: 'stop' }] });
        if (usage !== null) yield chunk({ choices: [], usage });
        yield 'data: [DONE]\n\n';
      }
      return new Response(events(), { headers: { 'content-type': 'text/event-stream' } });
    },
  });
  return {
    baseUrl: `http://127.0.0.1:${server.port}/v1`,
    requests,
    reply: (reply) => {
      planned.push(reply);
    },
    release,
    async stop() {
      release();
      await server.stop(true);
    },
  };
}
