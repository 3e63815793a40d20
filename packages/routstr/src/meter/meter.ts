import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Fetch } from '@nostr-dm-agent/kit/http';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { readChatRequest } from './chat-request.ts';
import { forward } from './forward.ts';
import { answerLater } from './keep-alive.ts';
import type { MeteredRun, MeteredRunOptions } from './metered-run.ts';
import { refuse } from './refusals.ts';
import { createRunState, type RunState } from './run-state.ts';

/**
 * The loopback endpoint through which paid runs reach their node (docs/design.md#the-meter). Each run has a path of
 * its own that cannot be guessed, and must show its own key on it.
 */
export type Meter = {
  readonly port: number;
  readonly open: (options: MeteredRunOptions) => MeteredRun;
  /** Ends every run's requests and the endpoint. */
  readonly close: () => Promise<void>;
};

/**
 * After this an answer is begun although it is not known yet. opencode waits 300 s for the headers of an answer, and
 * its HTTP client no longer either.
 */
const commitMs = 250_000;
const largestRequest = 64 * 1024 * 1024;
/** Of all requests together that are read or on their way: twelve of the largest at once took 2 GiB. */
const mostInFlight = 96 * 1024 * 1024;
/** Of one run's, so that others get through beside it. */
const mostOfOneRun = largestRequest;

/** Calls of one run that are under way or wait for money. */
const mostAtOnce = 64;

export type MeterOptions = {
  readonly commitMs?: number;
  /** After so long a connection on which nothing is asked is closed, in seconds; at most 255. */
  readonly idleSeconds?: number;
  /** How nodes are asked; one that somebody else chose is to be looked at first. */
  readonly fetch?: Fetch;
};

/** Listens on 127.0.0.1, at a port of the system's choice. */
export function createMeter(log: Logger, options: MeterOptions = {}): Meter {
  const { fetch = globalThis.fetch } = options;
  const runs = new Map<string, RunState>();
  const loads = createLoads();

  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    // Connections that ask nothing are not kept: an agent could use up all that the bot may open.
    idleTimeout: options.idleSeconds ?? 60,
    maxRequestBodySize: largestRequest,
    development: false,
    fetch: async (http, server) => {
      const [, secret = '', ...path] = new URL(http.url).pathname.split('/');
      const run = runs.get(secret);
      if (!run) return refuse('run_over');
      if (!isKey(http.headers.get('authorization'), run.options.agentKey)) return refuse('key_refused');
      if (http.method !== 'POST' || path.join('/') !== 'v1/chat/completions') return refuse('bad_request');
      const load = loads.of(run);
      if (underWay(run) + load.reading >= mostAtOnce) return refuse('request_limit');
      const free = loads.take(load, Number(http.headers.get('content-length') ?? largestRequest));
      if (!free) return refuse('bad_request');
      load.reading += 1;
      const request = readChatRequest(await http.text().catch(() => ''));
      if (!request) {
        load.reading -= 1;
        return free(refuse('bad_request'));
      }
      // From now on it may be silent as long as it is held: each has timers of its own.
      server.timeout(http, 0);

      const signal = AbortSignal.any([http.signal, run.closed]);
      const session = http.headers.get('x-session-id') ?? '';
      const answer = forward({ run, request, session, signal, fetch })
        .catch((error: unknown) => {
          if (run.closed.aborted) return refuse('run_over');
          // The agent hung up: nobody reads this.
          if (http.signal.aborted) return refuse('bad_request');
          log.error({ error, run: run.options.runId }, 'the meter failed');
          return refuse('node_down');
        })
        .then(free);
      load.reading -= 1;
      if (!request.stream) return answer;
      const late = Promise.withResolvers<undefined>();
      const timer = setTimeout(() => late.resolve(undefined), options.commitMs ?? commitMs);
      const response = await Promise.race([answer, late.promise]);
      clearTimeout(timer);
      return response ?? answerLater(answer);
    },
    error: (error) => {
      log.error({ error }, 'the meter failed');
      return refuse('node_down');
    },
  });
  const port = server.port;
  if (port === undefined) throw new Error('the meter has no port');

  const open = (options: MeteredRunOptions): MeteredRun => {
    const secret = randomBytes(24).toString('base64url');
    const run = createRunState(options);
    runs.set(secret, run);
    return {
      baseUrl: `http://127.0.0.1:${port}/${secret}/v1`,
      usage: run.usage,
      more: run.more,
      close: async () => {
        runs.delete(secret);
        const usage = await run.close();
        log.debug(
          {
            run: options.runId,
            msat: usage.spentMsat,
            requests: usage.requests,
            refusal: usage.refusal?.code,
          },
          'metered run closed',
        );
        return usage;
      },
    };
  };

  return {
    port,
    open,
    close: async () => {
      const open = [...runs.values()];
      runs.clear();
      await Promise.all(open.map((run) => run.close()));
      await server.stop(true);
    },
  };
}

const underWay = (run: RunState): number => run.usage().inFlight + run.usage().held;

/** Of one run: requests whose body is still being read, and the bytes of all that it has under way. */
type Load = { reading: number; bytes: number };

/** Counts what is held in memory for requests, of each run and of all together. */
function createLoads() {
  const loads = new WeakMap<RunState, Load>();
  let inFlight = 0;
  const of = (run: RunState): Load => {
    const load = loads.get(run) ?? { reading: 0, bytes: 0 };
    loads.set(run, load);
    return load;
  };
  /** @returns gives the bytes back when there is an answer, and passes that on; undefined: they are too many */
  const take = (load: Load, bytes: number): ((answer: Response) => Response) | undefined => {
    if (inFlight + bytes > mostInFlight || load.bytes + bytes > mostOfOneRun) return undefined;
    inFlight += bytes;
    load.bytes += bytes;
    return (answer) => {
      inFlight -= bytes;
      load.bytes -= bytes;
      return answer;
    };
  };
  return { of, take };
}

/** Takes the same time whatever was shown. */
function isKey(authorization: string | null, key: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(authorization ?? ''), digest(`Bearer ${key}`));
}
