import { pause } from '@nostr-dm-agent/kit/abort';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import {
  createCompletion,
  createEventSplitter,
  eventData,
  judge,
  type Verdict,
} from '@nostr-dm-agent/routstr/client';
import { type CallProblem, callText, type TopUpProblem } from './sentences/call-sentences.ts';

/** What came of filling a key by itself. */
export type Filled =
  | { readonly state: 'added' }
  | { readonly state: 'not'; readonly problem: TopUpProblem | undefined };

export type NodeFetchDeps = {
  /** Puts more on the key, as the user has set it. `problem: undefined`: they have not. */
  readonly fill: (signal: AbortSignal) => Promise<Filled>;
  /** An answer is whole, or a call was refused: what is on the key has changed. */
  readonly onAnswered: () => void;
  /** For tests: how long to wait between attempts, and for a node that does not begin to answer. */
  readonly pausesMs?: readonly number[];
  readonly patienceMs?: number;
};

type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

const pauses = [1_000, 3_000];
/** opencode's own patience is 300 s, and ends without a word of what it was. */
const patience = 290_000;
const largestError = 64 * 1024;
const largestEvent = 8 * 1024 * 1024;

/**
 * How opencode's requests reach the node: what the node refuses becomes one sentence, at once, instead of six paid
 * repetitions; a key that is too low is filled where the user has said so; an answer always ends so that opencode
 * understands it.
 */
export function createNodeFetch(deps: NodeFetchDeps): Fetch {
  return async (input, init) => {
    const signal = init?.signal ?? new AbortController().signal;
    try {
      let answer = await attempt(deps, input, init, signal);
      if (answer.kind === 'refused' && answer.verdict.kind === 'short') {
        const { neededMsat, availableMsat } = answer.verdict;
        const filled = await deps.fill(signal);
        if (filled.state === 'not') {
          return refuse(402, { kind: 'short', neededMsat, availableMsat, topUp: filled.problem });
        }
        answer = await attempt(deps, input, init, signal);
      }
      if (answer.kind === 'problem') return refuse(424, { kind: answer.problem });
      return answer.kind === 'refused'
        ? refusalOf(answer.verdict)
        : readable(answer.response, deps.onAnswered);
    } finally {
      deps.onAnswered();
    }
  };
}

type Answer =
  | { readonly kind: 'answer'; readonly response: Response }
  | { readonly kind: 'refused'; readonly verdict: Verdict }
  | { readonly kind: 'problem'; readonly problem: 'away' | 'busy' | 'cut' | 'slow' };

/** One request, repeated after what passes by itself. */
async function attempt(
  deps: NodeFetchDeps,
  input: string | URL | Request,
  init: RequestInit | undefined,
  signal: AbortSignal,
): Promise<Answer> {
  const waits = deps.pausesMs ?? pauses;
  for (let tries = 0; ; tries += 1) {
    const sent = await send(input, init, signal, deps.patienceMs ?? patience);
    // Sent and cut off may be paid for: asking again would be paid for twice.
    if (sent.kind === 'problem' && sent.problem !== 'away') return sent;
    const passing = sent.kind === 'problem' || (sent.kind === 'refused' && sent.verdict.kind === 'transient');
    if (!passing) return sent;
    const wait = waits[tries];
    if (wait === undefined) return sent.kind === 'problem' ? sent : { kind: 'problem', problem: 'busy' };
    await pause(wait, signal);
  }
}

async function send(
  input: string | URL | Request,
  init: RequestInit | undefined,
  signal: AbortSignal,
  patienceMs: number,
): Promise<Answer> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), patienceMs);
  let response: Response;
  try {
    response = await fetch(input, {
      ...init,
      signal: AbortSignal.any([signal, late.signal]),
      redirect: 'manual',
    });
  } catch (error) {
    if (signal.aborted) throw error;
    if (late.signal.aborted) return { kind: 'problem', problem: 'slow' };
    return { kind: 'problem', problem: neverSent(error) ? 'away' : 'cut' };
  } finally {
    clearTimeout(timer);
  }
  if (response.ok) return { kind: 'answer', response };
  const body = await boundedText(response);
  return { kind: 'refused', verdict: judge(response.status, body) };
}

/** Nobody was there: by the codes of Bun and of Node. */
const neverSent = (error: unknown): boolean =>
  /ConnectionRefused|FailedToOpenSocket|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH/.test(
    `${errorCode(error) ?? ''}`,
  );

async function boundedText(response: Response): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > largestError) break;
  }
  return text.slice(0, largestError);
}

function refusalOf(verdict: Verdict): Response {
  switch (verdict.kind) {
    case 'short': {
      const { neededMsat, availableMsat } = verdict;
      return refuse(402, { kind: 'short', neededMsat, availableMsat, topUp: undefined });
    }
    case 'too_long':
      // The code that opencode looks for: it shortens the conversation and goes on.
      return Response.json(
        {
          error: {
            message: 'The conversation no longer fits into this model.',
            code: 'context_length_exceeded',
          },
        },
        { status: 400 },
      );
    case 'transient':
      return refuse(424, { kind: 'busy' });
    case 'final':
      if (verdict.code === 'key_refused') return refuse(401, { kind: 'key_refused' });
      if (verdict.code === 'model_unknown') return refuse(404, { kind: 'model_unknown' });
      if (verdict.code === 'nonsense') return refuse(424, { kind: 'nonsense' });
      return refuse(400, { kind: 'bad_request', detail: verdict.detail });
  }
}

const refuse = (status: number, problem: CallProblem): Response =>
  Response.json({ error: errorOf(problem) }, { status });
const errorOf = (problem: CallProblem) => ({
  message: callText(problem),
  type: 'routstr',
  code: problem.kind,
});

/** An answer that ends in a way that opencode understands. */
function readable(response: Response, onEnd: () => void): Response {
  const type = response.headers.get('content-type') ?? '';
  if (type.includes('application/json')) return response;
  if (!type.includes('text/event-stream') || response.body === null) return refuse(424, { kind: 'nonsense' });
  return new Response(endedWell(response.body, onEnd), { status: 200, headers: { 'content-type': type } });
}

/** After a stream without a finish reason opencode asks again and again, and every time is paid for. */
function endedWell(body: ReadableStream<Uint8Array>, onEnd: () => void): ReadableStream<Uint8Array> {
  const splitter = createEventSplitter(largestEvent);
  const completion = createCompletion();
  const encoder = new TextEncoder();
  const frame = (data: string): Uint8Array => encoder.encode(`data: ${data}\n\n`);
  let over = false;
  const close = (out: TransformStreamDefaultController<Uint8Array>, orderly: boolean): void => {
    if (over) return;
    over = true;
    const ending = completion.end(orderly);
    if (ending.kind === 'complete') {
      if (ending.data !== undefined) out.enqueue(frame(ending.data));
      out.enqueue(frame('[DONE]'));
    } else out.enqueue(frame(JSON.stringify({ error: errorOf({ kind: 'nonsense' }) })));
    onEnd();
  };
  const take = (event: string, out: TransformStreamDefaultController<Uint8Array>): void => {
    const data = eventData(event);
    if (data === undefined || over) return;
    const step = completion.next(data);
    if (step.kind === 'pass') out.enqueue(frame(step.data));
    else if (step.kind === 'done') close(out, true);
    else if (step.kind === 'error') {
      over = true;
      const { detail } = judge(502, JSON.stringify({ error: step.error }));
      out.enqueue(frame(JSON.stringify({ error: errorOf({ kind: 'bad_request', detail }) })));
    }
  };
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (bytes, out) => {
        for (const event of splitter.push(bytes)) take(event, out);
      },
      flush: (out) => {
        take(splitter.rest(), out);
        close(out, false);
      },
    }),
  );
}
