/** One answer of a scripted node; `path` and `method` undefined: any. Used once, in order, unless `always`. */
export type ScriptedAnswer = {
  readonly path?: string;
  readonly method?: string;
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Says nothing for this long, or for ever. */
  readonly silent?: boolean;
  readonly always?: boolean;
};

export type SeenRequest = {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly authorization: string | null;
  readonly json: unknown;
};

/** An HTTP server that answers what it was told, byte for byte. Unknown paths get the router's own 404. */
export function startScriptedNode() {
  const seen: SeenRequest[] = [];
  let script: ScriptedAnswer[] = [];
  const released = Promise.withResolvers<void>();
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    fetch: async (request) => {
      const url = new URL(request.url);
      const text = await request.text();
      seen.push({
        method: request.method,
        path: url.pathname,
        query: url.search,
        authorization: request.headers.get('authorization'),
        json: text === '' ? undefined : JSON.parse(text),
      });
      const index = script.findIndex(
        (answer) =>
          (answer.path ?? url.pathname) === url.pathname &&
          (answer.method ?? request.method) === request.method,
      );
      const answer = script[index];
      if (!answer) {
        return Response.json(
          { detail: 'Not found check /docs for available endpoints', request_id: 'nf' },
          { status: 404 },
        );
      }
      if (!answer.always) script.splice(index, 1);
      if (answer.silent) await released.promise;
      return new Response(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body), {
        status: answer.status,
        headers: {
          'content-type': typeof answer.body === 'string' ? 'text/html' : 'application/json',
          'x-routstr-request-id': 'req-1',
          ...answer.headers,
        },
      });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    seen,
    answer: (...answers: readonly ScriptedAnswer[]): void => {
      script = [...answers];
      seen.length = 0;
    },
    close: async (): Promise<void> => {
      released.resolve();
      await server.stop(true);
    },
  };
}
