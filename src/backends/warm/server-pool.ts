import { readFile } from 'node:fs/promises';
import { pause } from '@nostr-dm-agent/kit/abort';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { every } from '@nostr-dm-agent/kit/timers';
import type { Door } from '@nostr-dm-agent/routstr';
import type { KeptReady, LatelyGone, Mode, RunPayment, StandingPayment } from '../backend.ts';
import { NotStartedError } from '../not-started.ts';
import type { WarmServer } from './server.ts';

/** One server takes in as much, and a machine with less to spare gets none. */
const leastFreeBytes = 0.8 * 2 ** 30;
/** One that has grown beyond this is ended as soon as nobody uses it. */
const mostBytes = 900 * 2 ** 20;
const sweepMs = 15_000;
/** So many more are started for runs that need one. */
const mostSpares = 8;
/** So long a task waits for a server whose run has been answered. */
const mostEndingMs = 3_000;
/** A place whose servers died so often of late gets no more of them for a while. */
const mostDeaths = 2;
const rememberedMs = 60 * 60_000;

/** For whom a server works, and where. */
export type ServerPlace = {
  readonly owner: string;
  readonly workspace: string;
  readonly mode: Mode;
  /** Which the next task asks for, if that is known. */
  readonly model: string | undefined;
  readonly standing: StandingPayment;
};

/** What a server is started for. */
export type ServerOrder = ServerPlace & {
  readonly modes: readonly [Mode, ...Mode[]];
  readonly payment: RunPayment;
  readonly door: Door | undefined;
  /** Somebody waits for it: nothing is loaded ahead of their task. */
  readonly isWanted: () => boolean;
  /** Nobody will use it any more. */
  readonly signal: AbortSignal;
};

export type StartedServer = {
  readonly server: WarmServer;
  /** What its jail was laid out for. */
  readonly stamp: string;
};

/** A server as the pool knows it. */
type Place = {
  readonly key: string;
  readonly spare: boolean;
  /** False once its owner has disconnected what it was started with. */
  readonly isOpen: () => boolean;
  readonly door: Door | undefined;
  readonly configured: string;
  readonly ready: Promise<StartedServer | undefined>;
  /** Ends its start. */
  readonly starting: AbortController;
  server: WarmServer | undefined;
  busy: boolean;
  /** Its run has been answered, and it is free as soon as that has ended. */
  freed: PromiseWithResolvers<void> | undefined;
  wanted: boolean;
  /** No run gets it any more. */
  retired: boolean;
  usedAt: number;
};

export type HeldServer = StartedServer & {
  readonly door: Door | undefined;
  /** Its run is ending: the next one may wait for it. */
  readonly answered: () => void;
  /** The next run gets another one. */
  readonly retire: () => void;
  /** It is free again. */
  readonly leave: () => void;
};

type PoolDeps = {
  readonly servers: number;
  readonly keptMs: number;
  readonly start: (order: ServerOrder) => Promise<StartedServer>;
  /** What else decides how a server is configured: files. */
  readonly configStamp: (payment: RunPayment) => string;
  readonly log: Logger;
  /** Milliseconds, never backwards. */
  readonly now?: () => number;
  /** Memory in bytes that is free. */
  readonly free?: () => Promise<number>;
  readonly sweepMs?: number;
};

const keyOf = ({ owner, workspace, mode, standing }: ServerPlace): string =>
  JSON.stringify([owner, workspace, standing.payer, mode === 'agent']);

const kindOf = (payer: unknown): string => String(payer).split(':', 1)[0] ?? '';

/**
 * Whether one place takes over from another: the same but for what its payer knows. One that is not there yet takes nothing
 * from an owner who has changed their payer meanwhile, but would slow down what they wait for.
 */
const succeeds = (key: string, { key: other, server }: Place): boolean => {
  const [[owner, workspace, payer, writable], old]: readonly [unknown[], unknown[]] = [
    JSON.parse(key),
    JSON.parse(other),
  ];
  const same = owner === old[0] && workspace === old[1] && writable === old[3];
  return same && payer !== old[2] && (server === undefined || kindOf(payer) === kindOf(old[2]));
};

/** Of memory, on this machine. */
export const freeBytes = async (): Promise<number> => {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const found = /^MemAvailable:\s+(\d+) kB/m.exec(text)?.[1];
  return found === undefined ? 0 : Number(found) * 1024;
};

/** Keeps agent servers ready: at most so many, each for a while after it was used last. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions that share the places
export const createServerPool = (deps: PoolDeps) => {
  const { log, free = freeBytes } = deps;
  const places = new Set<Place>();
  /** When servers of a place died, by its key. */
  const deaths = new Map<string, readonly number[]>();
  /** When servers were ended that somebody may miss, and why. */
  let gone: readonly { readonly at: number; readonly why: 'madeRoom' | 'grown' | 'died' }[] = [];
  /** There can be none, or no more of them. */
  let closed = false;
  /** Why the last one that was wanted is not there. */
  let refused: Omit<Extract<KeptReady, { state: 'none' }>, 'state'> | undefined;
  const since = deps.now ?? (() => performance.now());
  const deathsOf = (key: string): readonly number[] =>
    (deaths.get(key) ?? []).filter((at) => since() - at < rememberedMs);

  const goneLately = () => gone.filter(({ at }) => since() - at < rememberedMs);
  const noteGone = (why: (typeof gone)[number]['why']): void => {
    gone = [...goneLately(), { at: since(), why }];
  };
  const lately = (): LatelyGone => {
    const recent = goneLately();
    const count = (wanted: string): number => recent.filter(({ why }) => why === wanted).length;
    const without = [...deaths.keys()].filter((key) => deathsOf(key).length >= mostDeaths).length;
    return { madeRoom: count('madeRoom'), grown: count('grown'), died: count('died'), without };
  };

  const end = async (place: Place): Promise<void> => {
    place.retired = true;
    places.delete(place);
    place.starting.abort();
    place.door?.close();
    const started = await place.ready;
    await started?.server.end();
  };
  const endBehind = (place: Place): void => {
    end(place).catch((cause: unknown) =>
      log.error({ cause }, 'a server that is not used could not be ended'),
    );
  };
  const retire = (place: Place): void => {
    place.retired = true;
    if (!place.busy) endBehind(place);
  };

  const noteDeath = (place: Place): void => {
    if (closed || place.retired) return;
    noteGone('died');
    const recent = [...deathsOf(place.key), since()];
    deaths.set(place.key, recent);
    if (recent.length >= mostDeaths)
      log.warn(
        { servers: recent.length },
        'servers kept ready die here: runs get a process of their own for a while',
      );
  };

  /** Makes room; false where there is none. */
  const hasRoom = (): boolean => {
    const kept = (): number => [...places].filter(({ spare }) => !spare).length;
    if (kept() < deps.servers) return true;
    const [oldest] = [...places]
      .filter(({ busy, wanted, spare }) => !busy && !wanted && !spare)
      .sort((a, b) => a.usedAt - b.usedAt);
    if (oldest === undefined) return false;
    noteGone('madeRoom');
    endBehind(oldest);
    return kept() < deps.servers;
  };

  /** @param spare it is for one run alone, and of those that are kept it is none */
  const begin = (at: ServerPlace, key: string, spare = false): Place => {
    const door = at.standing.openDoor?.(spare ? 'spare' : 'kept');
    const payment = at.standing.payment(door);
    const ready = Promise.withResolvers<StartedServer | undefined>();
    const place: Place = {
      ...{
        key,
        spare,
        isOpen: at.standing.isOpen ?? (() => true),
        door,
        ready: ready.promise,
        starting: new AbortController(),
        server: undefined,
        busy: false,
        freed: undefined,
        wanted: false,
        retired: false,
      },
      configured: deps.configStamp(payment),
      usedAt: since(),
    };
    places.add(place);
    const modes = at.mode === 'agent' ? (['agent'] as const) : (['ask', 'plan'] as const);
    const start = async (): Promise<StartedServer | undefined> => {
      if (!spare && (await free()) < leastFreeBytes) {
        log.debug({}, 'no memory for a server that is kept ready');
        refused = { why: 'no_memory' };
        return undefined;
      }
      const started = await deps.start({
        ...at,
        modes,
        payment,
        door,
        isWanted: () => place.wanted,
        signal: place.starting.signal,
      });
      place.server = started.server;
      if (!spare) refused = undefined;
      started.server.exited.then(() => {
        noteDeath(place);
        endBehind(place);
      });
      return started;
    };
    start()
      .catch((cause: unknown) => {
        if (place.starting.signal.aborted) return undefined;
        if (isHopeless(cause)) {
          closed = true;
          const { kind, detail } = cause.failure;
          refused = { why: kind === 'no_wall' ? 'no_wall' : 'untested', detail };
          log.info({ why: cause.failure.kind }, 'no agent servers are kept ready here');
          return undefined;
        }
        // Each run starts a process of its own then, so it is no fault that anybody has to mend.
        const why = cause instanceof Error ? cause.message : String(cause);
        log.warn({ why }, 'a server that is kept ready did not start');
        refused = { why: 'failed', detail: why };
        if (!(cause instanceof NotStartedError)) noteDeath(place);
        return undefined;
      })
      .then((started) => {
        if (started === undefined) {
          place.retired = true;
          places.delete(place);
          door?.close();
        }
        ready.resolve(started);
      });
    return place;
  };

  /** The server for this place, on its way if it is not there. Undefined where there is to be none. */
  const ensure = (at: ServerPlace): Place | undefined => {
    if (closed || deps.servers === 0) return undefined;
    const key = keyOf(at);
    if (deathsOf(key).length >= mostDeaths) {
      refused = { why: 'dying' };
      return undefined;
    }
    for (const place of places)
      if (place.key === key && !place.retired) {
        if (place.configured === deps.configStamp(at.standing.payment(place.door))) {
          place.usedAt = since();
          return place;
        }
        // Configured anew: a successor takes its place.
        retire(place);
      }
    // Of the same kind of payer, with other models: nobody asks for those any more.
    for (const place of places)
      if (!place.busy && !place.wanted && !place.spare && succeeds(key, place)) endBehind(place);
    return hasRoom() ? begin(at, key) : undefined;
  };

  const spares = (): number => [...places].filter(({ spare }) => spare).length;

  /**
   * The server for a run, or undefined: then it gets a process of its own.
   * @param must only a server will do: one more is started, and ended after it
   */
  const take = async (
    at: ServerPlace,
    signal: AbortSignal,
    must = false,
  ): Promise<HeldServer | undefined> => {
    const kept = await hold(ensure(at), signal);
    // One that is kept may be in use, too large for the memory, or may not have come up.
    if (kept !== undefined || !must || closed || signal.aborted || spares() >= mostSpares) return kept;
    return hold(begin(at, `${keyOf(at)} ${crypto.randomUUID()}`, true), signal);
  };

  const hold = async (place: Place | undefined, signal: AbortSignal): Promise<HeldServer | undefined> => {
    if (place === undefined || place.wanted || (place.busy && place.freed === undefined)) return undefined;
    place.wanted = true;
    // Its run has been answered: whoever sends the next task at once finds it a moment later.
    if (place.freed !== undefined) await Promise.race([place.freed.promise, pause(mostEndingMs, signal)]);
    const started = await Promise.race([place.ready, aborted(signal)]);
    place.wanted = false;
    if (started === undefined || place.retired || place.busy || !started.server.isAlive()) {
      // It was started for this run alone: nobody else would ever take it, or end it.
      if (place.spare) endBehind(place);
      return undefined;
    }
    place.busy = true;
    return {
      ...started,
      door: place.door,
      answered: () => {
        place.freed ??= Promise.withResolvers();
      },
      retire: () => {
        place.retired = true;
      },
      leave: () => {
        place.busy = false;
        place.freed?.resolve();
        place.freed = undefined;
        place.usedAt = since();
        if (place.retired || place.spare || !started.server.isAlive()) endBehind(place);
      },
    };
  };

  const sweep = async (): Promise<void> => {
    for (const place of [...places]) {
      if (!place.isOpen()) retire(place);
      if (place.retired || place.busy || place.wanted || place.server === undefined) continue;
      const old = since() - place.usedAt > deps.keptMs;
      const grown = !old && (await place.server.memory()) > mostBytes;
      if ((!old && !grown) || place.busy || place.wanted) continue;
      if (grown) noteGone('grown');
      endBehind(place);
    }
  };
  const stopSweeping =
    deps.servers === 0
      ? undefined
      : every(deps.sweepMs ?? sweepMs, { name: 'servers kept ready', log }, sweep);

  return {
    warm: (at: ServerPlace): void => void ensure(at),
    take,
    /** How many are ready; or why there are none. */
    kept: (): KeptReady => {
      if (deps.servers === 0) return { state: 'none', why: 'off' };
      const ready = [...places].filter(
        ({ spare, retired, server }) => !spare && !retired && server?.isAlive(),
      );
      if (ready.length === 0 && refused !== undefined) return { state: 'none', ...refused };
      return { state: 'kept', servers: ready.length, most: deps.servers, lately: lately() };
    },
    /** The living server of a place that nobody uses, for a look at a session. */
    find: (at: ServerPlace): { readonly server: WarmServer; readonly busy: boolean } | undefined => {
      const key = keyOf(at);
      const place = [...places].find((one) => one.key === key && !one.retired && one.server?.isAlive());
      return place?.server && { server: place.server, busy: place.busy };
    },
    close: async (): Promise<void> => {
      closed = true;
      stopSweeping?.();
      await Promise.all([...places].map(end));
    },
  };
};
/** It will not be otherwise before the bot starts again. */
const isHopeless = (cause: unknown): cause is NotStartedError =>
  cause instanceof NotStartedError && ['no_wall', 'backend_unknown'].includes(cause.failure.kind);

export type ServerPool = ReturnType<typeof createServerPool>;

const aborted = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
