import type { Api } from './api.ts';
import type { Completion } from './completion.ts';
import { createEventSplitter, eventData } from './event-stream.ts';
import { judge, type RefusalCode } from './refusals.ts';
import type { RunState } from './run-state.ts';

export const eventStream = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' };

const encoder = new TextEncoder();

/** No chunk of a model is anywhere near. */
const largestEvent = 8 * 1024 * 1024;
/** How long a node may take to close a stream that it has finished. */
const drainMs = 1000;

export type RelayedStream = {
  readonly run: RunState;
  readonly api: Api;
  readonly upstream: ReadableStream<Uint8Array>;
  /** Names the kind of request, whose failures are counted together. */
  readonly line: string;
  readonly session: string;
  /** Ends the request to the node. */
  readonly abort: () => void;
  /** Aborted when the agent or the run goes away. */
  readonly signal: AbortSignal;
  /** Books what it cost. Either this or `abandon` is called, once. */
  readonly settle: (completion: Completion) => void;
  /** We leave before the node has said everything. */
  readonly abandon: () => void;
  /** All of it is there, booked, and on its way to the agent. Must not throw. */
  readonly answered?: ((completion: Completion) => void) | undefined;
};

/**
 * Hands a node's event stream on to the agent, event by event and never faster than the agent reads. However the node's
 * stream ends, the agent's ends in a way that opencode understands.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one stream, whose parts share how far it has come
export function relayStream(relayed: RelayedStream): ReadableStream<Uint8Array> {
  const { run, api, signal } = relayed;
  const { limits } = run.options;
  const reader = relayed.upstream.getReader();
  const splitter = createEventSplitter(largestEvent);
  const completion = api.follow();
  let over = false;
  /** The node is not finished; we are. */
  let gaveUp = false;
  let stream: ReadableStreamDefaultController<Uint8Array>;

  /** The end of the stream for both sides. */
  const finish = (last?: string): void => {
    if (over) return;
    over = true;
    signal.removeEventListener('abort', leave);
    if (gaveUp) relayed.abandon();
    else relayed.settle(completion);
    if (last) stream.enqueue(encoder.encode(last));
    stream.close();
    relayed.abort();
  };
  /** The agent is gone, or the run is over: nobody reads what could be said. */
  const leave = (): void => {
    if (over) return;
    over = true;
    signal.removeEventListener('abort', leave);
    // An agent may hang up as soon as its answer is whole.
    if (completion.finished?.()) relayed.settle(completion);
    else relayed.abandon();
    stream.error(signal.reason);
    relayed.abort();
  };

  const fail = (code: 'node_down' | 'nonsense', detail: string): void => {
    const again = code === 'node_down' && run.failed(relayed.line) === 'retry';
    run.refused(code, undefined, detail);
    finish(again ? api.wording.retryFrame : api.wording.refusalFrame(code));
  };

  const failWith = (error: unknown): void => {
    const verdict = judge(statusOf(error), JSON.stringify({ error }));
    if (verdict.kind === 'transient') {
      fail('node_down', verdict.detail);
      return;
    }
    const code: RefusalCode =
      verdict.kind === 'short'
        ? 'insufficient_balance'
        : verdict.kind === 'too_long'
          ? 'too_long'
          : verdict.code;
    run.refused(code, undefined, verdict.detail);
    finish(api.wording.refusalFrame(code));
  };

  const end = async (orderly: boolean): Promise<void> => {
    const ending = completion.end(orderly);
    if (ending.kind === 'cut') return fail('node_down', 'the stream broke off in a tool call');
    if (ending.kind === 'nonsense') return fail('nonsense', 'the stream held no answer');
    run.answered(relayed.line, relayed.session, ending.toolCalls);
    if (ending.data !== undefined) stream.enqueue(encoder.encode(api.frame(ending.data)));
    if (api.done !== '') stream.enqueue(encoder.encode(api.done));
    if (orderly) await drain(reader);
    finish();
    relayed.answered?.(completion);
  };

  /** @returns whether the agent got something */
  const take = async (event: string): Promise<boolean> => {
    const data = eventData(event);
    if (data === undefined) return false;
    const step = completion.next(data);
    switch (step.kind) {
      case 'pass':
        stream.enqueue(encoder.encode(api.frame(step.data)));
        return true;
      case 'skip':
        return false;
      case 'done':
        await end(true);
        return true;
      case 'nonsense':
        fail('nonsense', 'an event of the stream is no chunk of an answer');
        return true;
      case 'error':
        failWith(step.error);
        return true;
    }
  };

  /** Reads until the agent has got something. */
  const pump = async (): Promise<void> => {
    for (let given = false; !given; ) {
      const { done, value } = await readInTime(reader, limits.silenceMs);
      if (over) return;
      run.options.onActivity?.();
      const rest = done ? splitter.rest() : '';
      const events = done ? (rest === '' ? [] : [rest]) : splitter.push(value);
      for (const event of events) {
        given = (await take(event)) || given;
        if (over) return;
      }
      if (done) return end(false);
    }
  };

  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        stream = controller;
        signal.addEventListener('abort', leave, { once: true });
        if (signal.aborted) leave();
      },
      pull: async () => {
        try {
          await pump();
        } catch (error) {
          // When it is over the failure is our own doing: reading was aborted.
          gaveUp = error instanceof SilenceError;
          if (!over) fail('node_down', error instanceof Error ? error.message : 'the stream broke off');
        }
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  );
}

/** The status in which an error inside a stream would have come by itself. */
function statusOf(error: unknown): number {
  const code =
    typeof error === 'object' && error !== null && 'code' in error ? Number(error.code) : Number.NaN;
  return Number.isInteger(code) && code >= 400 && code < 600 ? code : 502;
}

class SilenceError extends Error {
  override readonly name = 'SilenceError';
  constructor(ms: number) {
    super(`nothing came for ${ms} ms`);
  }
}

/** What both of Bun's reader types have. */
export type ByteReader = {
  readonly read: () => Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
};

async function readInTime(
  reader: ByteReader,
  ms: number,
): Promise<{ done: true; value?: undefined } | { done: false; value: Uint8Array }> {
  const { promise: silence, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new SilenceError(ms)), ms);
  try {
    const { done, value } = await Promise.race([reader.read(), silence]);
    return done || value === undefined ? { done: true } : { done: false, value };
  } finally {
    clearTimeout(timer);
  }
}

/** Lets a node close its stream itself; some settle their books then. */
async function drain(reader: ByteReader): Promise<void> {
  const deadline = performance.now() + drainMs;
  try {
    for (let left = drainMs; left > 0; left = deadline - performance.now()) {
      if ((await readInTime(reader, left)).done) return;
    }
  } catch (error) {
    // What comes after [DONE] is of no interest, only that it ended.
    if (!(error instanceof Error)) throw error;
  }
}
