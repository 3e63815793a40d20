import { z } from 'zod';

const bodySchema = z.looseObject({
  model: z.string(),
  stream: z.boolean().optional(),
  max_tokens: z.number().optional(),
  tools: z.array(z.unknown()).optional(),
  /** Absent from a request for OpenAI's responses. */
  messages: z.array(z.looseObject({ role: z.string() })).default([]),
});
/** A chat completion request as an upstream reads it. */
export type ChatBody = z.infer<typeof bodySchema>;
export type Scenario = (body: ChatBody, request: Request, count: number) => Response | Promise<Response>;

/** An OpenAI-compatible upstream that does what a scenario says, on loopback. */
export function startModelUpstream() {
  const bodies: ChatBody[] = [];
  const authorizations: (string | null)[] = [];
  let scenario: Scenario = () => Response.json({ error: { message: 'no scenario' } }, { status: 400 });
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    development: false,
    fetch: async (request) => {
      const body = bodySchema.parse(await request.json());
      authorizations.push(request.headers.get('authorization'));
      bodies.push(body);
      return scenario(body, request, bodies.length);
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/v1`,
    /** Requests since the scenario began. */
    bodies,
    authorizations,
    play: (next: Scenario): void => {
      bodies.length = 0;
      authorizations.length = 0;
      scenario = next;
    },
    close: (): Promise<void> => server.stop(true),
  };
}

/** One chunk of a streamed chat completion. */
export const chunk = (delta: unknown, finish: string | null = null, rest: object = {}): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta, finish_reason: finish }],
    ...rest,
  })}\n\n`;
export const done = 'data: [DONE]\n\n';
/** The chunk in which a Routstr node says what it cost. */
export const bill = (msat: number, usage: object = {}): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [],
    usage: { prompt_tokens: 1000, completion_tokens: 50, cost: { total_msats: msat }, ...usage },
  })}\n\n`;

export const text = (words: string): readonly string[] => [
  chunk({ role: 'assistant', content: '' }),
  ...words.split(/(?<= )/).map((word) => chunk({ content: word })),
  chunk({}, 'stop'),
];
export const tool = (name: string, args: unknown): readonly string[] => [
  chunk({
    role: 'assistant',
    tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name, arguments: '' } }],
  }),
  chunk({ tool_calls: [{ index: 0, function: { arguments: JSON.stringify(args) } }] }),
  chunk({}, 'tool_calls'),
];

const encoder = new TextEncoder();

/** An event stream of these pieces; a number is a pause in ms. */
export function stream(
  pieces: readonly (string | number)[],
  end: 'close' | 'cut' | 'hang' = 'close',
): Response {
  return new Response(
    new ReadableStream<Uint8Array>({
      start: async (controller) => {
        for (const piece of pieces) {
          if (typeof piece === 'number') await Bun.sleep(piece);
          else controller.enqueue(encoder.encode(piece));
        }
        if (end === 'close') controller.close();
        if (end === 'cut') {
          await Bun.sleep(50);
          controller.error(new Error('cut'));
        }
      },
    }),
    { headers: { 'content-type': 'text/event-stream' } },
  );
}
