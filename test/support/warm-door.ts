import type { Door } from '@nostr-dm-agent/routstr';

/** The shortest answer of a model. */
const word = (model: string): Response => {
  const chunk = (choices: unknown[], usage?: object): string =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model, choices, ...usage })}\n\n`;
  const usage = { usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } };
  const text =
    chunk([{ index: 0, delta: { role: 'assistant', content: 'warm' }, finish_reason: null }]) +
    chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]) +
    chunk([], usage);
  return new Response(`${text}data: [DONE]\n\n`, { headers: { 'content-type': 'text/event-stream' } });
};

/** A door to the model at `upstream`, without money: which session's calls came through, and under which run. */
export function startDoor(upstream: string) {
  const leases = new Map<string, string>();
  const parents = new Map<string, string>();
  const own = new Set<string>();
  const calls: { readonly at: number; readonly session: string; readonly run: string | undefined }[] = [];
  let answered = 0;
  let held: Promise<void> | undefined;
  const key = `door-${crypto.randomUUID()}`;
  const secret = crypto.randomUUID();
  const rootOf = (session: string): string => {
    const parent = parents.get(session);
    return parent === undefined ? session : rootOf(parent);
  };
  const server = Bun.serve({
    ...{ hostname: '127.0.0.1', port: 0, idleTimeout: 0 },
    fetch: async (request) => {
      const at = performance.now();
      const { pathname } = new URL(request.url);
      if (!pathname.startsWith(`/${secret}/v1/`)) return new Response('', { status: 404 });
      if (request.headers.get('authorization') !== `Bearer ${key}`) return new Response('', { status: 401 });
      const session = request.headers.get('x-session-id') ?? '';
      const parent = request.headers.get('x-parent-session-id');
      if (parent !== null) parents.set(session, parent);
      const root = rootOf(session);
      const body = await request.text();
      if (own.has(root)) {
        answered++;
        return word(JSON.parse(body).model);
      }
      const run = leases.get(root);
      calls.push({ at, session, run });
      if (run === undefined)
        return Response.json({ error: { message: 'No run is paid here' } }, { status: 403 });
      await held;
      const headers = new Headers(request.headers);
      headers.set('authorization', `Bearer run-${run}`);
      return fetch(`${upstream}${pathname.slice(secret.length + 4)}`, {
        ...{ method: 'POST', headers, body, signal: request.signal },
      });
    },
  });
  const door: Door = {
    baseUrl: `http://127.0.0.1:${server.port}/${secret}/v1`,
    key,
    answerItself: (session) => {
      own.add(session);
      return () => void own.delete(session);
    },
    lease: (session, runId) => {
      const root = session ?? '';
      leases.set(root, runId);
      return { release: async () => void leases.delete(root) };
    },
    close: () => undefined,
  };
  return {
    ...{ door, calls, leases },
    answered: () => answered,
    /** The model is asked nothing from now on. @returns ends it */
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return () => {
        held = undefined;
        resolve();
      };
    },
    stop: () => server.stop(true),
  };
}
