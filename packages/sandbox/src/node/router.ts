import { balanceApi } from './balance-api.ts';
import { type NodeContext, NodeCrashed, type NodeRequest } from './context.ts';
import type { EdgeEffect, Endpoint } from './node-faults.ts';
import { listEntry } from './node-models.ts';
import { NodeRefusal, plain, refusalResponse } from './node-refusals.ts';
import type { Profile } from './node-types.ts';
import { proxy } from './proxy.ts';

const versions: Readonly<Record<Profile, string>> = {
  legacy: '0.4.3',
  '0.4.5': '0.4.5',
  main: '0.5.0-main',
};

/** Answers one HTTP request, with the faults that are planned for it. */
export async function answer(node: NodeContext, raw: Request): Promise<Response> {
  const url = new URL(raw.url);
  const request: NodeRequest = {
    method: raw.method,
    url,
    headers: raw.headers,
    text: await raw.text(),
    requestId: crypto.randomUUID(),
    endpoint: endpointOf(raw.method, url.pathname),
    gone: raw.signal,
  };
  try {
    const before = node.faults.edge(request.endpoint, 'before');
    if (before) {
      const early = await perform(node, before, undefined);
      if (early) return early;
      if (before.kind === 'repeat') await handle(node, { ...request, requestId: crypto.randomUUID() });
    }
    const result = await handle(node, request);
    const after = node.faults.edge(request.endpoint, 'after');
    const changed = after && (await perform(node, after, result));
    node.life.throwIfAborted();
    return changed ?? result;
  } catch (cause) {
    if (node.life.aborted || cause instanceof NodeCrashed) return cutOff();
    throw cause;
  }
}

async function handle(node: NodeContext, request: NodeRequest): Promise<Response> {
  try {
    return await route(node, request);
  } catch (cause) {
    node.life.throwIfAborted();
    const refusal = cause instanceof NodeRefusal ? cause : new NodeRefusal(500, { kind: 'unhandled' });
    return refusalResponse(refusal, request.requestId, node.profile);
  }
}

function endpointOf(method: string, path: string): Endpoint {
  if (/^\/v1\/(?:balance|wallet)\/lightning\/invoice/.test(path)) {
    return path.endsWith('/status') ? 'invoice-status' : 'invoice';
  }
  const balance = /^\/v1\/(?:balance|wallet)\/(create|info|topup|refund|history)?$/.exec(path);
  switch (balance?.[1]) {
    case 'create':
    case 'info':
    case 'topup':
    case 'refund':
    case 'history':
      return balance[1];
  }
  if (balance) return 'info';
  if (path === '/v1/info') return 'node-info';
  if (method === 'GET' && /^(\/v1)?\/models\/?$/.test(path)) return 'models';
  return method === 'POST' ? 'chat' : 'other';
}

async function route(node: NodeContext, request: NodeRequest): Promise<Response> {
  const { method, url } = request;
  const path = url.pathname;
  const limit = node.behaviour.maxHeaderBytes;
  if (limit !== undefined && headerBytes(request.headers) > limit) {
    return html(400, 'Request Header Or Cookie Too Large');
  }
  const own = (body: unknown) =>
    Response.json(body, { headers: { 'x-routstr-request-id': request.requestId } });

  const balance = (
    node.profile === 'legacy' ? /^\/v1\/wallet(\/.*)$/ : /^\/v1\/(?:balance|wallet)(\/.*)$/
  ).exec(path);
  if (balance?.[1] !== undefined) {
    const result = await balanceApi(node, request, balance[1]);
    result.headers.set('x-routstr-request-id', request.requestId);
    return result;
  }
  if (method === 'GET') {
    switch (path.replace(/(?<=.)\/$/, '')) {
      case '':
      case '/':
        return own({ ...nameplate(node), status: 'running', ui: 'not available' });
      case '/v1/info':
        return own({
          ...nameplate(node),
          npub: '',
          mints: node.mints,
          http_url: '',
          onion_url: '',
          // A setting that later versions don't have.
          ...(node.profile === 'main' ? {} : { child_key_cost_msats: 0 }),
        });
      case '/v1/models':
      case '/models':
        return own({ data: node.models.map((model) => listEntry(model, node.usdPerSat)) });
      case '/v1/providers':
        throw plain(404, 'Provider discovery is disabled');
    }
  }
  return proxy(node, request);
}

const nameplate = (node: NodeContext) => ({
  name: 'Sandbox node',
  description: 'A Routstr node on loopback, for test money only',
  version: versions[node.profile],
});

function headerBytes(headers: Headers): number {
  let size = 0;
  for (const [name, value] of headers) size += name.length + value.length + 4;
  return size;
}

const html = (status: number, title: string): Response =>
  new Response(
    `<html>\r\n<head><title>${status} ${title}</title></head>\r\n<body>\r\n<center><h1>${status} ${title}</h1></center>\r\n<hr><center>nginx/1.27.3</center>\r\n</body>\r\n</html>\r\n`,
    { status, headers: { 'content-type': 'text/html' } },
  );

/** A connection that ends without an answer. */
const cutOff = (): Response =>
  new Response(
    new ReadableStream({
      start: (controller) => controller.error(new NodeCrashed('the connection is cut off')),
    }),
  );

/** Lets a fault happen; a response replaces the answer. */
async function perform(
  node: NodeContext,
  effect: EdgeEffect,
  result: Response | undefined,
): Promise<Response | undefined> {
  switch (effect.kind) {
    case 'delay':
      await Bun.sleep(effect.ms);
      return undefined;
    case 'hold':
      await node.faults.hold(node.life);
      return undefined;
    case 'run':
      await effect.run();
      return undefined;
    case 'repeat':
      return undefined;
    case 'drop':
      return cutOff();
    case 'html':
      return html(effect.status ?? 502, effect.status === 504 ? 'Gateway Time-out' : 'Bad Gateway');
    case 'status':
      return Response.json(effect.body ?? { detail: 'injected fault' }, { status: effect.status });
    case 'crash':
      node.crash(effect.memory, effect.stayDown ?? false);
      node.life.throwIfAborted();
      return undefined;
    case 'truncate': {
      const text = (await result?.text()) ?? '{"detail":"';
      return new Response(text.slice(0, Math.max(1, Math.floor(text.length / 2))), {
        status: result?.status ?? 200,
        headers: { 'content-type': 'application/json' },
      });
    }
  }
}
