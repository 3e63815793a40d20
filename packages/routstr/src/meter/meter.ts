import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Fetch } from '@nostr-dm-agent/kit/http';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { outwardFetch } from '@nostr-dm-agent/kit/net';
import type { Api } from './api.ts';
import { chatApi } from './chat-api.ts';
import { createDoor, type Door, type DoorKeys } from './door.ts';
import { largestRequest } from './loads.ts';
import { messagesApi } from './messages-api.ts';
import type { MeteredRun, MeteredRunOptions } from './metered-run.ts';
import { createOpenRuns } from './open-runs.ts';
import { answerByItself } from './own-answer.ts';
import { createPassage } from './passage.ts';
import { type Entrance, payerOfRun } from './payer.ts';
import { refuse } from './refusals.ts';
import { responsesApi } from './responses-api.ts';
import { createRunState, type RunState } from './run-state.ts';

/**
 * The loopback endpoint through which paid runs reach their node (docs/design.md#the-meter). Each run has a path of
 * its own that cannot be guessed, and must show its own key on it; an agent server has a door, which runs share.
 */
export type Meter = {
  readonly port: number;
  readonly open: (options: MeteredRunOptions) => MeteredRun;
  /**
   * @param as chosen by whoever has the server started, where that is not here
   * @throws RangeError they are no secrets, or are in use
   */
  readonly openDoor: (as?: DoorKeys) => Door;
  /** Ends every run's requests and the endpoint. */
  readonly close: () => Promise<void>;
};

export type MeterOptions = {
  readonly commitMs?: number;
  /** After so long a connection on which nothing is asked is closed, in seconds; at most 255. */
  readonly idleSeconds?: number;
  /** How nodes are asked; one that somebody else chose is to be looked at first. */
  readonly fetch?: Fetch;
};

/** As long as those that are made here. */
const pathSecret = /^[\w-]{32}$/;
const doorKey = /^sk-[0-9a-f]{64}$/;

const apis: ReadonlyMap<string, Api> = new Map(
  [chatApi, responsesApi, messagesApi].map((api) => [`v1/${api.path}`, api]),
);

/** Listens on 127.0.0.1, at a port of the system's choice. */
export function createMeter(log: Logger, options: MeterOptions = {}): Meter {
  const entrances = new Map<string, Entrance>();
  const open = new Set<RunState>();
  const doors = new Set<Door>();
  const runs = createOpenRuns();
  const passOn = createPassage(log, options.fetch ?? outwardFetch, options.commitMs);

  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    // Connections that ask nothing are not kept: an agent could use up all that the bot may open.
    idleTimeout: options.idleSeconds ?? 60,
    maxRequestBodySize: largestRequest,
    development: false,
    fetch: (http, server) => {
      const [, secret = '', ...path] = new URL(http.url).pathname.split('/');
      const api = apis.get(path.join('/')) ?? chatApi;
      const { refuse } = api.wording;
      const entrance = entrances.get(secret);
      if (!entrance) return refuse('run_over');
      if (!isKey(shownKey(http.headers), entrance.key)) return refuse('key_refused');
      if (http.method !== 'POST' || !apis.has(path.join('/'))) return refuse('bad_request');
      const payer = entrance.payerOf(http.headers);
      if (payer === undefined) return refuse('no_lease');
      if (payer === 'meter') return api === chatApi ? answerByItself(http) : refuse('bad_request');
      return passOn(http, api, payer, () => server.timeout(http, 0));
    },
    error: (error) => {
      log.error({ error }, 'the meter failed');
      return refuse('node_down');
    },
  });
  const port = server.port;
  if (port === undefined) throw new Error('the meter has no port');
  /** A path of its own, with what comes in there. */
  const newPath = (secret = randomBytes(24).toString('base64url')) => {
    if (entrances.has(secret)) throw new RangeError('that path is taken');
    return {
      at: `http://127.0.0.1:${port}/${secret}`,
      enter: (entrance: Entrance) => entrances.set(secret, entrance),
      leave: () => entrances.delete(secret),
    };
  };

  const openRun = (options: MeteredRunOptions): MeteredRun => {
    const run = createRunState(options);
    const payer = payerOfRun(run);
    const path = newPath();
    path.enter({ key: options.agentKey, payerOf: () => payer });
    open.add(run);
    runs.open(run);
    return {
      baseUrl: `${path.at}/v1`,
      usage: run.usage,
      isLeased: () => runs.isLeased(run),
      more: run.more,
      close: async () => {
        path.leave();
        open.delete(run);
        runs.closed(run);
        const usage = await run.close();
        const { spentMsat: msat, requests, refusal } = usage;
        log.debug({ run: options.runId, msat, requests, refusal: refusal?.code }, 'metered run closed');
        return usage;
      },
    };
  };

  return {
    port,
    open: openRun,
    openDoor: (as) => {
      if (as !== undefined && !(pathSecret.test(as.secret) && doorKey.test(as.key)))
        throw new RangeError('what a door is told is no secret');
      const path = newPath(as?.secret);
      const closed = (): void => {
        path.leave();
        doors.delete(door);
      };
      const { door, entrance } = createDoor(path.at, runs, closed, as?.key);
      path.enter(entrance);
      doors.add(door);
      return door;
    },
    close: async () => {
      for (const door of [...doors]) door.close();
      entrances.clear();
      await Promise.all([...open].map((run) => run.close()));
      await server.stop(true);
    },
  };
}

/** Anthropic's agents show it in a header of its own. */
const shownKey = (headers: Headers): string =>
  headers.get('x-api-key') ?? (headers.get('authorization') ?? '').replace(/^Bearer /, '');

/** Takes the same time whatever was shown. */
function isKey(shown: string, key: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(shown), digest(key));
}
