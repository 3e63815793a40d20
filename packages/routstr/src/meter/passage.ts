import type { Fetch } from '@nostr-dm-agent/kit/http';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Api } from './api.ts';
import { forward } from './forward.ts';
import { answerLater } from './keep-alive.ts';
import { createLoads, largestRequest } from './loads.ts';
import type { Payer } from './payer.ts';
import type { RunState } from './run-state.ts';

/**
 * After this an answer is begun although it is not known yet. opencode waits 300 s for the headers of an answer, and
 * its HTTP client no longer either.
 */
const longestSilenceMs = 250_000;

/** Calls of one run that are under way or wait for money. */
const mostAtOnce = 64;

/** Answers one call with its payer's money. @param patiently the call's connection may be silent from now on */
export type PassOn = (http: Request, api: Api, payer: Payer, patiently: () => void) => Promise<Response>;

export function createPassage(log: Logger, fetch: Fetch, commitMs = longestSilenceMs): PassOn {
  const loads = createLoads();

  return async (http, api, payer, patiently) => {
    const { refuse } = api.wording;
    const { load } = payer;
    if (payer.underWay() + load.waiting >= mostAtOnce) return refuse('request_limit');
    const free = loads.take(load, Number(http.headers.get('content-length') ?? largestRequest));
    if (!free) return refuse('bad_request');
    load.waiting += 1;
    const request = api.read(await http.text().catch(() => ''));
    if (!request) {
      load.waiting -= 1;
      return free(refuse('bad_request'));
    }
    // Each call that is held has timers of its own.
    patiently();

    let run: RunState | undefined;
    const pay = async (): Promise<Response> => {
      const gone = AbortSignal.any([http.signal, payer.left]);
      run = await payer.run(gone).finally(() => {
        load.waiting -= 1;
      });
      const signal = AbortSignal.any([gone, run.closed]);
      const session = sessionOf(http.headers);
      return await forward({ run, api, request, session, signal, fetch, answered: payer.answered });
    };
    const answer = pay()
      .catch((error: unknown) => {
        if (payer.left.aborted || run?.closed.aborted) return refuse('run_over');
        // The agent hung up: nobody reads this.
        if (http.signal.aborted) return refuse('bad_request');
        log.error({ error, run: run?.options.runId }, 'the meter failed');
        return refuse('node_down');
      })
      .then(free);
    if (!request.stream) return answer;
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), commitMs);
    const response = await Promise.race([answer, late.promise]);
    clearTimeout(timer);
    return response ?? answerLater(answer, api);
  };
}

/** What agents call the header in which they name their session. */
const sessionHeaders = ['x-session-id', 'session-id', 'session_id', 'x-claude-code-session-id', 'x-affinity'];
const sessionOf = (headers: Headers): string =>
  sessionHeaders.map((name) => headers.get(name)).find((value) => value !== null) ?? '';
