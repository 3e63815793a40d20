import type { NodeContext, NodeRequest } from './context.ts';
import { type ModelCall, noPrice } from './model-call.ts';
import { hasNamedEvents, namedPieces } from './named-stream.ts';
import type { Reservation } from './node-accounts.ts';
import { NodeRefusal } from './node-refusals.ts';
import { dataLine, readEvents } from './node-stream.ts';
import { type Cost, costHeaders, costIntoAnswer, costOf, isObject } from './pricing.ts';
import { askUpstream, parse, unreachable, upstreamFailure } from './upstream.ts';

/** Serves a model call that an account pays for: upstream's answer, charged by its usage. */
export async function serve(
  node: NodeContext,
  request: NodeRequest,
  call: ModelCall,
  reservation: Reservation,
): Promise<Response> {
  const leave = new AbortController();
  const stop = AbortSignal.any([node.life, leave.signal]);
  request.gone.addEventListener('abort', () => abandon(node, reservation, leave));
  let answer: Response;
  try {
    answer = await askUpstream(node, call.path, call.model, call.body, stop);
  } catch (cause) {
    node.life.throwIfAborted();
    if (leave.signal.aborted) return new Response(null, { status: 499 });
    throw Object.assign(unreachable(node.profile), { cause });
  }
  if (answer.status !== 200) {
    const failure = await upstreamFailure(node, answer, call.model, request.requestId);
    node.life.throwIfAborted();
    if (failure instanceof NodeRefusal) throw failure;
    node.accounts.release(reservation, true);
    node.memory.serving.delete(reservation.id);
    return failure;
  }
  const streams = answer.headers.get('content-type')?.includes('text/event-stream') ?? false;
  if (call.body.stream === true && streams && answer.body) {
    return new Response(stream(node, call, reservation, answer.body, leave), {
      headers: {
        'content-type': 'text/event-stream; charset=utf-8',
        'x-routstr-request-id': request.requestId,
      },
    });
  }
  return whole(node, request, call, reservation, await answer.text());
}

/** Nobody waits for the answer any more. */
function abandon(node: NodeContext, reservation: Reservation, leave: AbortController): void {
  if (node.behaviour.onDisconnect === 'drain' || node.life.aborted) return;
  node.memory.serving.delete(reservation.id);
  if (node.behaviour.onDisconnect === 'release') node.accounts.release(reservation, false);
  leave.abort();
}

/** Charges for an answer. What an earlier charge or a sweep has settled is not charged again. */
function settle(node: NodeContext, call: ModelCall, reservation: Reservation, usage: unknown): Cost {
  node.life.throwIfAborted();
  node.memory.serving.delete(reservation.id);
  const cost = costOf(call.model, usage, reservation.amount, node.usdPerSat);
  if (!cost) {
    node.accounts.release(reservation, false);
    throw noPrice();
  }
  const charged = node.accounts.charge(reservation, cost.total_msats);
  return { ...cost, total_msats: charged ?? cost.total_msats };
}

const balanceOf = (node: NodeContext, reservation: Reservation): number =>
  node.accounts.get(reservation.account)?.balance ?? 0;

function whole(
  node: NodeContext,
  request: NodeRequest,
  call: ModelCall,
  reservation: Reservation,
  text: string,
): Response {
  const answer = parse(text);
  if (!isObject(answer)) throw new NodeRefusal(500, { kind: 'unhandled' });
  const cost = settle(node, call, reservation, answer.usage);
  stamp(answer, call);
  answer.id = typeof answer.id === 'string' ? answer.id : `chatcmpl-${crypto.randomUUID()}`;
  costIntoAnswer(answer, cost, balanceOf(node, reservation), 'whole');
  return Response.json(answer, {
    headers: { 'x-routstr-request-id': request.requestId, ...costHeaders(cost) },
  });
}

/** What the real node writes over upstream's own words. */
function stamp(answer: Record<string, unknown>, call: ModelCall): void {
  answer.provider = typeof answer.provider === 'string' ? `base:${answer.provider}` : 'base';
  answer.model = call.model.id;
}

/**
 * Passes a stream on, chunk by chunk. The usage is kept back, and comes at the end in a chunk of its own with what
 * the answer cost; `[DONE]` follows if upstream sent it.
 */
function stream(
  node: NodeContext,
  call: ModelCall,
  reservation: Reservation,
  upstream: ReadableStream<Uint8Array>,
  leave: AbortController,
): ReadableStream<Uint8Array> {
  const id = `chatcmpl-${crypto.randomUUID()}`;
  const encoder = new TextEncoder();
  async function* pieces(): AsyncGenerator<string> {
    let last: Record<string, unknown> | undefined;
    let done = false;
    for await (const event of readEvents(upstream)) {
      node.life.throwIfAborted();
      if (event.kind === 'done') done = true;
      else if (event.kind === 'other') yield `${event.fields}data: ${event.data}\n\n`;
      else {
        const { chunk } = event;
        stamp(chunk, call);
        chunk.id = typeof chunk.id === 'string' ? chunk.id : id;
        const hasChoices = Array.isArray(chunk.choices) && chunk.choices.length > 0;
        if (isObject(chunk.usage)) {
          last = { ...chunk, choices: [] };
          if (!hasChoices) continue;
          delete chunk.usage;
        }
        yield dataLine(chunk, event.fields);
      }
    }
    const cost = settle(node, call, reservation, last?.usage);
    last ??= {
      id,
      object: 'chat.completion.chunk',
      model: call.model.id,
      choices: [],
      usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
      provider: 'base',
    };
    costIntoAnswer(last, cost, balanceOf(node, reservation), 'stream');
    yield dataLine(last);
    if (done) yield 'data: [DONE]\n\n';
  }
  const source = hasNamedEvents(call.path)
    ? namedPieces(upstream, (usage) => settle(node, call, reservation, usage))
    : pieces();
  async function next(): Promise<IteratorResult<string>> {
    try {
      return await source.next();
    } catch (cause) {
      // Upstream broke off: nothing is charged. Or the node died, and nothing has an effect any more.
      if (!node.life.aborted && !leave.signal.aborted) {
        node.memory.serving.delete(reservation.id);
        node.accounts.release(reservation, false);
      }
      throw cause;
    }
  }
  let left = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await next();
      if (left) return;
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      left = true;
      abandon(node, reservation, leave);
      // Nobody reads on, and what follows is charged all the same.
      while (!leave.signal.aborted && !(await next()).done);
    },
  });
}
