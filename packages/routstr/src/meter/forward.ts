import { type Fetch, readText } from '@nostr-dm-agent/kit/http';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { reservationMsat } from '../models/usable-models.ts';
import { retryAfterMs } from '../node/node-http.ts';
import { scrub } from '../node/refusal-shapes.ts';
import type { Api, ModelRequest } from './api.ts';
import { addHeaderToBill, addToBill, type Bill, billSchema, emptyBill, settleBill } from './cost.ts';
import type { Payer } from './payer.ts';
import { judge, type RefusalCode } from './refusals.ts';
import { eventStream, relayStream } from './relay-stream.ts';
import type { Permit, RunState } from './run-state.ts';

/** One request of the agent, on its way through the meter. */
export type Passage = {
  readonly run: RunState;
  readonly api: Api;
  readonly request: ModelRequest;
  /** opencode's own session id; empty when it names none. */
  readonly session: string;
  /** Aborted when the agent or the run goes away. */
  readonly signal: AbortSignal;
  readonly fetch: Fetch;
  readonly answered: Payer['answered'];
};

const largestAnswer = 32 * 1024 * 1024;
const largestRefusal = 256 * 1024;

/**
 * Sends a chat completion to the node, as often as the money and the limits allow, and resolves with what the agent gets.
 *
 * @throws the signal's reason
 */
export async function forward(passage: Passage): Promise<Response> {
  const { run, request, session, signal } = passage;
  /** Lowered when the node says that less money is there than we thought. */
  let ceiling: number | undefined;
  let rechecks = 0;
  for (;;) {
    const permit = await run.admit(request, session, ceiling, signal);
    if (typeof permit === 'string') return refused(passage, permit, undefined, '');
    run.options.onActivity?.();
    const sent = await send(passage, permit);
    if (sent instanceof Response) return sent;

    const short = sent;
    const price = run.options.price(request.model);
    const { neededMsat, availableMsat } = short;
    // The first time less is asked for; only then is somebody asked for more.
    if (ceiling === undefined && price && neededMsat !== undefined && availableMsat !== undefined) {
      const perToken = price.sat.completion * 1000;
      const tooMany = Math.ceil(((neededMsat - availableMsat) * 1.02) / perToken);
      const fitting = (permit.maxTokens ?? 0) - tooMany;
      if (fitting >= run.options.limits.leastTokens) {
        ceiling = fitting;
        continue;
      }
    }
    if (run.usage().inFlight === 0) {
      const said = { saidMsat: availableMsat, neededMsat, detail: short.detail };
      const verdict = await run.recheck(said, wantedMsat(passage, permit), rechecks, signal);
      rechecks += 1;
      if (verdict === 'contradicts') return refused(passage, 'node_contradicts', 402, short.detail);
      if (verdict === 'again') continue;
    }
    const end = await run.wait({ neededMsat, availableMsat, model: request.model }, signal);
    if (end === 'let_go') return refused(passage, 'insufficient_balance', 402, short.detail);
    ceiling = undefined;
    rechecks = 0;
  }
}

/** What the call may cost by our count. */
function wantedMsat({ run, request }: Passage, { maxTokens }: Permit): number | undefined {
  const price = run.options.price(request.model);
  return price && maxTokens !== undefined
    ? reservationMsat(price.sat, request.promptTokens, maxTokens)
    : undefined;
}

type Short = {
  readonly neededMsat: number | undefined;
  readonly availableMsat: number | undefined;
  readonly detail: string;
};

/** One request to the node. Whatever comes of it, the permit is settled once. */
async function send(passage: Passage, permit: Permit): Promise<Response | Short> {
  const { run, request, signal } = passage;
  const upstream = new AbortController();
  const stop = (): void => upstream.abort();
  signal.addEventListener('abort', stop, { once: true });
  const silence = setTimeout(stop, run.options.limits.silenceMs);
  let relaying = false;
  try {
    const response = await passage.fetch(`${run.options.node}/${passage.api.path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${run.options.nodeKey}`,
        'content-type': 'application/json',
        accept: request.stream ? 'text/event-stream' : 'application/json',
        // A compressed stream comes in lumps.
        'accept-encoding': 'identity',
      },
      body: passage.api.write(request, permit.maxTokens),
      redirect: 'manual',
      signal: upstream.signal,
    });
    if (response.status !== 200) return await rejected(passage, permit, response);
    const type = response.headers.get('content-type') ?? '';
    if (request.stream && type.includes('text/event-stream') && response.body) {
      relaying = true;
      return streamed(passage, permit, response.body, () => {
        signal.removeEventListener('abort', stop);
        upstream.abort();
      });
    }
    return await whole(passage, permit, response);
  } catch (error) {
    // It is us who left, or the connection broke before there was an answer.
    if (upstream.signal.aborted) permit.abandon();
    else permit.unanswered();
    signal.throwIfAborted();
    const detail = upstream.signal.aborted
      ? 'nothing came from the node'
      : error instanceof Error
        ? error.message
        : 'request failed';
    return transient(passage, 'node_down', undefined, detail, undefined);
  } finally {
    clearTimeout(silence);
    if (!relaying) signal.removeEventListener('abort', stop);
  }
}

/**
 * Nothing is charged for what the node rejects (docs/node-protocol.md#what-a-call-costs): the reservation is
 * reverted.
 */
async function rejected(passage: Passage, permit: Permit, response: Response): Promise<Response | Short> {
  const { run } = passage;
  const body = (await readText(response, largestRefusal)) ?? '';
  permit.settle(undefined);
  const verdict = judge(response.status, body);
  switch (verdict.kind) {
    case 'short':
      return verdict;
    case 'too_long':
      if (run.mayCompact()) {
        run.refused('too_long', response.status, verdict.detail);
        return passage.api.wording.inviteCompaction();
      }
      return refused(passage, 'too_long', response.status, verdict.detail);
    case 'transient': {
      const pause = retryAfterMs(response.headers);
      return transient(passage, verdict.code, response.status, verdict.detail, pause);
    }
    case 'final':
      return refused(passage, verdict.code, response.status, verdict.detail);
  }
}

function transient(
  passage: Passage,
  code: 'node_down' | 'slow_down',
  status: number | undefined,
  detail: string,
  pauseMs: number | undefined,
): Response {
  const { run } = passage;
  run.refused(code, status, detail);
  const again = run.failed(lineOf(passage.request)) === 'retry';
  return again && (pauseMs ?? 0) <= run.options.limits.longestPauseMs
    ? passage.api.wording.inviteRetry(pauseMs)
    : passage.api.wording.refuse(code);
}

function refused(
  { run, api }: Passage,
  code: RefusalCode,
  status: number | undefined,
  detail: string,
): Response {
  run.refused(code, status, detail);
  return api.wording.refuse(code);
}

function streamed(
  passage: Passage,
  permit: Permit,
  upstream: ReadableStream<Uint8Array>,
  abort: () => void,
): Response {
  const { run, api, request, session, signal, answered } = passage;
  const stream = relayStream({
    run,
    api,
    upstream,
    line: lineOf(request),
    session,
    abort,
    signal,
    abandon: permit.abandon,
    settle: (completion) => settle(passage, permit, completion.bill, completion.receivedCharacters()),
    answered:
      answered &&
      (({ bill, text }) => {
        const { promptTokens, completionTokens } = bill;
        answered({ session, isStep: hasTools(request), text: text?.(), promptTokens, completionTokens });
      }),
  });
  return new Response(stream, { headers: eventStream });
}

/** An answer that is no stream: passed on whole when it is what was asked for. */
async function whole(passage: Passage, permit: Permit, response: Response): Promise<Response> {
  const { run, api, request, session } = passage;
  const body = await readText(response, largestAnswer);
  const json = body === undefined ? undefined : parseJson(body);
  const answer = typeof json === 'object' && json !== null && api.isAnswer(json);
  if (answer) {
    const bill = emptyBill();
    addHeaderToBill(bill, response.headers);
    const part = api.billOf === undefined ? billSchema.safeParse(json).data : api.billOf(json);
    if (part) addToBill(bill, part);
    settle(passage, permit, bill, body?.length ?? 0);
  } else permit.unanswered();
  // A stream was asked for: opencode would find no event in anything else and ask again for ever.
  if (request.stream || !answer) {
    return refused(passage, 'nonsense', response.status, scrub((body ?? '').slice(0, 300)));
  }
  run.answered(lineOf(request), session, undefined);
  return new Response(body, { headers: { 'content-type': 'application/json' } });
}

function settle(passage: Passage, permit: Permit, bill: Bill, characters: number): void {
  const { run, request } = passage;
  const received = { promptTokens: request.promptTokens, completionTokens: Math.ceil(characters / 3) };
  const usage = settleBill(bill, request.model, run.options.price(request.model), received);
  permit.settle(usage, bill.remainingMsat);
}

/** Titles and tasks fail on their own accounts. */
const lineOf = (request: ModelRequest): string => `${request.model} ${hasTools(request)}`;

const hasTools = ({ body }: ModelRequest): boolean => Array.isArray(body.tools) && body.tools.length > 0;
