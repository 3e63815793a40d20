import { basename, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Door, Lease } from '@nostr-dm-agent/routstr';
import type { AgentFailure, AgentRequest, AgentResult, RunObserver } from '../backend.ts';
import { endRun } from '../leftovers.ts';
import { workspaceInstructions } from '../opencode-config.ts';
import type { Transcript } from '../opencode-events.ts';
import { judge } from '../opencode-failures.ts';
import { failureAs } from '../process-failures.ts';
import type { Changes, Prompts } from '../session-desk.ts';
import { createAsks } from './asks.ts';
import { catchUp, isBusySession } from './catch-up.ts';
import { createEarlyAnswer } from './early-answer.ts';
import { type FollowedRun, followRun, type RunOver } from './follow-run.ts';
import { makeMessageId } from './message-id.ts';
import { modelOf } from './model-of.ts';
import { readMessages } from './read-messages.ts';
import { leaveRunSession, openRunSession } from './run-session.ts';
import type { WarmServer } from './server.ts';
import { straysOf } from './server-processes.ts';
import { instructionsName } from './server-request.ts';
import { diffOfTask } from './task-diff.ts';
import { createWords, type Words } from './words.ts';

const pollMs = 2_000;
/** A run of which nothing is heard for so long, and whose session is idle, is over. */
const silentMs = 10_000;
const callMs = 10_000;
/** So long an answer waits for what its task changed. */
const summedMs = 2_000;

export type ServerRunDeps = {
  readonly log: Logger;
  /** Where the server's model calls go; undefined: they are not paid run by run. */
  readonly door: Door | undefined;
  readonly trustWorkspace: boolean;
  /** Whether another run was in this workspace while this one was. */
  readonly isShared: () => boolean;
  /** The run can be told something from now on. */
  readonly onPrompted: (tell: Words['tell']) => void;
  /** What the run left in its jail and its workspace; asked once, when no process of it is left. */
  readonly lookBack: () => Promise<Pick<AgentResult, 'limits' | 'newGit'>>;
};

type Ended = RunOver | 'gone' | 'stopped';

/** Resolves when there is nothing more to wait for. */
const waitForEnd = async (
  server: WarmServer,
  session: string,
  run: FollowedRun,
  heard: Promise<RunOver>,
  again: { readonly next: () => Promise<RunOver> },
  words: Pick<Words, 'areRead'>,
  signal: AbortSignal,
): Promise<Ended> => {
  const stopped = Promise.withResolvers<'stopped'>();
  const stop = (): void => stopped.resolve('stopped');
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const begun = performance.now();
  const asking = new AbortController();
  const isIdle = async (): Promise<boolean> => {
    const patience = AbortSignal.any([asking.signal, AbortSignal.timeout(callMs)]);
    return !(await isBusySession(server.client, session, patience).catch(() => true));
  };
  const gone = server.exited.then(() => 'gone' as const);
  /** `busy`: something was said meanwhile, and the session goes on. */
  const isRead = async (): Promise<'idle' | 'busy'> => {
    const read = await words.areRead(asking.signal).catch(() => false);
    return read ? 'idle' : 'busy';
  };
  try {
    let next = heard;
    for (;;) {
      const { promise: tick, resolve } = Promise.withResolvers<'tick'>();
      const timer = setTimeout(() => resolve('tick'), pollMs);
      const what = await Promise.race([stopped.promise, gone, next, tick]);
      clearTimeout(timer);
      if (what === 'stopped' || what === 'gone' || what === 'loop') return what;
      const mayBeOver = what !== 'tick' || run.hasBegun() || performance.now() - begun > silentMs;
      if (what !== 'tick') next = again.next();
      if (!mayBeOver || (what !== 'idle' && !(await isIdle()))) continue;
      if (what === 'error') return what;
      const end = await Promise.race([stopped.promise, gone, isRead()]);
      if (end !== 'busy') return end;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    asking.abort();
  }
};

/** What becomes known again and again; each `next` is for one of them, and none is missed. */
const createSignals = () => {
  let waiting: ((what: RunOver) => void) | undefined;
  let untaken: RunOver | undefined;
  return {
    tell: (what: RunOver): void => {
      if (waiting === undefined) untaken = untaken === 'loop' ? untaken : what;
      else waiting(what);
      waiting = undefined;
    },
    next: (): Promise<RunOver> => {
      const { promise, resolve } = Promise.withResolvers<RunOver>();
      if (untaken === undefined) waiting = resolve;
      else resolve(untaken);
      untaken = undefined;
      return promise;
    },
  };
};

/** Why what a run changed can't be told; undefined when it can. */
const changesUnknown = (server: WarmServer, shared: boolean): Changes | undefined => {
  if (!server.hasGit) return { state: 'unknown', why: 'no_git' };
  return shared ? { state: 'unknown', why: 'shared' } : undefined;
};

/** What the run changed, by the server's own record of the work tree. */
const changesOf = async (
  server: WarmServer,
  of: {
    readonly session: string;
    readonly prompts: Prompts;
    readonly whole: boolean;
    readonly shared: boolean;
    readonly whenSummed: FollowedRun['whenSummed'];
  },
): Promise<Changes> => {
  const unknown = changesUnknown(server, of.shared);
  if (unknown !== undefined) return unknown;
  if (!of.whole || !server.isAlive()) return { state: 'unknown', why: 'cut_off' };
  // opencode sums it up behind the end of a step, and says that the session is idle without waiting for it.
  await of.whenSummed(AbortSignal.timeout(summedMs));
  const found = await diffOfTask(server.client, of.session, of.prompts, AbortSignal.timeout(callMs));
  if (found.state === 'refused') throw new Error('what a task changed is not told', { cause: found.error });
  const files = found.patches.map(({ file, added, removed }) => ({ file, added, removed }));
  return { state: 'known', files };
};

/**
 * Runs one task on a server, from its session to its result. When this resolves no call of the run is served any more,
 * nothing that it asked can be answered, and no process of it is left.
 * @throws when the task could not be handed over; nothing was paid then
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the order of the steps of an end is what it is about
export const runOnServer = async (
  server: WarmServer,
  request: AgentRequest,
  observer: RunObserver,
  deps: ServerRunDeps,
  signal: AbortSignal,
): Promise<Omit<AgentResult, 'limits' | 'newGit'>> => {
  const { client, prepared } = server;
  const { runId, workspace } = request;
  const { log, door } = deps;
  const guide = deps.trustWorkspace ? undefined : workspaceInstructions(workspace);
  const [session] = await Promise.all([
    openRunSession(server, request, observer, signal),
    prepared.cell.hand(instructionsName, guide?.text ?? ''),
  ]);
  const model = request.model ?? prepared.model;
  const cutInstructions = guide?.cut === true ? guide.name : undefined;
  const prompt = makeMessageId();
  const signals = createSignals();
  const asks = createAsks(server, request, observer, log);
  const run = followRun({
    ...{ request, observer, root: session, prompt, onOver: signals.tell },
    onPermission: asks.onPermission,
    onQuestion: asks.onQuestion,
  });
  const heard = signals.next();
  const unlisten = server.listen({
    on: run.on,
    numbered: run.numbered,
    reopened: () => {
      run.missed();
      catchUp(client, run, asks, session, AbortSignal.timeout(callMs)).catch((cause: unknown) =>
        log.warn({ cause, runId }, 'what a run did meanwhile is not known'),
      );
    },
  });
  const words = createWords(client, { session, mode: request.mode, model }, log);
  const contextLimit = contextLimitOf(prepared.configuration, model);
  let isAnswered = false;
  const early = createEarlyAnswer({
    ...{ request, session, prompt, model, contextLimit, cutInstructions },
    isPlain: () => !signal.aborted && ended === undefined && words.none() && run.isPlain(),
    changes: () => changesUnknown(server, deps.isShared()) ?? { state: 'known', files: [] },
    offer: (result) => {
      isAnswered = true;
      observer.onAnswer?.(result);
    },
  });
  let lease: Lease | undefined;
  let ended: Ended | undefined;
  let release: Promise<void> | undefined;
  /** What the run came to, as the server has it. */
  const read = () =>
    Promise.all([
      readBack(server, { session, prompt, workspace, run }, log),
      changesOf(server, {
        prompts: [prompt, ...words.read()],
        ...{ session, whole: ended !== 'stopped', shared: deps.isShared() },
        whenSummed: run.whenSummed,
      }).catch((): Changes => ({ state: 'unknown', why: 'cut_off' })),
    ]);
  const leave = async (): Promise<void> => {
    if (!server.isAlive()) return;
    await leaveRunSession(server, session, AbortSignal.timeout(callMs)).catch((cause: unknown) =>
      log.warn({ cause, runId }, 'a session keeps the mark of its last run'),
    );
  };
  type Result = Awaited<ReturnType<typeof runOnServer>>;
  const resultOf = ([transcript, changes]: Awaited<ReturnType<typeof read>>): Result => {
    const verdict = run.verdict();
    const limit = server.limit();
    let failure: AgentFailure | undefined;
    if (verdict !== undefined) failure = verdict;
    else if (ended === 'gone' || !server.isAlive())
      failure =
        limit === undefined
          ? failureAs('crashed', 'the server that it ran on ended')
          : { kind: 'limit', detail: limit, status: undefined };
    else if (ended !== 'stopped' && (request.job !== 'compact' || transcript.error !== undefined))
      failure = judge(transcript, { code: 0, signal: undefined }, '');
    const stopped = ended === 'stopped';
    const { answer, steps, tools, tokens } = transcript;
    const answered = failure === undefined || (failure.kind === 'output_limit' && answer !== '');
    const context = contextOf(run, contextLimit);
    return {
      outcome: stopped ? 'stopped' : answered ? 'answered' : 'failed',
      answer,
      failure: stopped ? undefined : failure,
      backendSession: session,
      ...{ steps, tools, tokens, model, unknownEvents: 0 },
      // Shortening a conversation is no task that could be shown or taken back.
      ...(request.job === 'compact'
        ? {}
        : { prompt, changes, ...(words.read().length > 0 && { words: words.read() }) }),
      ...(context === undefined ? {} : { context }),
      ...(cutInstructions === undefined ? {} : { cutInstructions }),
    };
  };
  /** A session that is idle has nothing to be stopped. */
  const rest = (): Promise<unknown> =>
    Promise.all([quiet(server, session, run, ended, asks.dismiss, log), leave()]);
  let reading: ReturnType<typeof read> | undefined;
  let resting: Promise<unknown> | undefined;
  try {
    observer.onSpawn?.(server.pid);
    observer.onEvent?.({ type: 'session', backendSession: session });
    lease = door?.lease(session, runId, early);
    if (request.job === 'compact') {
      const target = modelOf(model).model;
      client.session
        .summarize({ sessionID: session, ...target, auto: false }, { throwOnError: true })
        .then(() => signals.tell('idle'))
        .catch((cause: unknown) => {
          log.warn({ cause, runId }, 'a session could not be shortened');
          signals.tell('error');
        });
    } else
      await client.session.promptAsync(
        {
          ...{ sessionID: session, messageID: prompt, agent: request.mode, ...modelOf(model) },
          parts: [{ type: 'text', text: request.task }, ...picturesOf(request)],
        },
        { signal, throwOnError: true },
      );
    if (request.job !== 'compact') deps.onPrompted(words.tell);
    ended = await waitForEnd(server, session, run, heard, signals, words, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    ended = 'stopped';
  } finally {
    asks.close();
    // Before the session is told to stop: what comes in behind that would begin anew.
    const closed = words.close();
    // From here on nothing is paid. What is under way may take a moment to say what it cost.
    release = lease?.release();
    release?.catch(() => undefined);
    const ending = (): Promise<unknown> => endRun({ runId, graceMs: 300, also: straysOf(server.chain) });
    // A session that is idle changes no more: what it came to is read, and told, before the rest of its end.
    if (ended === 'idle') {
      reading = read();
      // What is read first is answered sooner, unless it was answered before.
      const first = isAnswered ? undefined : reading;
      resting = Promise.all([first, closed]).then(rest);
      const [all] = await Promise.all([reading, ending(), release]);
      const result = resultOf(all);
      if (result.outcome === 'answered' && request.job !== 'compact')
        observer.onAnswer?.({ ...result, ...(await deps.lookBack()) });
    }
    resting ??= closed.then(() => quiet(server, session, run, ended, asks.dismiss, log));
    await resting;
    if (ended !== 'idle') await Promise.all([ending(), release]);
    unlisten();
  }
  const all = await (reading ?? read());
  const unheard = await words.takeBack();
  const result = resultOf(all);
  // Nothing came of it, be it that it was not paid: what comes next is not to be about it.
  if (ended === 'stopped' && result.steps === 0 && server.isAlive())
    await client.session
      .deleteMessage({ sessionID: session, messageID: prompt }, { signal: AbortSignal.timeout(callMs) })
      .catch((cause: unknown) =>
        log.warn({ cause, runId }, 'a task that was not begun stays in its session'),
      );
  if (ended !== 'idle') await leave();
  return unheard.length === 0 ? result : { ...result, unheard };
};

/** Ends what the run has under way, and takes back what it asked. A server that does not do so is ended itself. */
const quiet = async (
  server: WarmServer,
  session: string,
  run: FollowedRun,
  ended: Ended | undefined,
  dismiss: (family: ReadonlySet<string>, signal: AbortSignal) => Promise<void>,
  log: Logger,
): Promise<void> => {
  if (!server.isAlive()) return server.exited;
  const patience = AbortSignal.timeout(callMs);
  try {
    if (ended !== 'idle')
      await server.client.session.abort({ sessionID: session }, { signal: patience, throwOnError: true });
    await dismiss(run.family, patience);
  } catch (cause) {
    log.warn({ cause, server: server.plan.id }, 'a server does not let go of a run, and is ended');
    await server.end();
  }
};

/** What the run did: as its session has it, else as far as it was heard. */
const readBack = async (
  server: WarmServer,
  of: {
    readonly session: string;
    readonly prompt: string;
    readonly workspace: string;
    readonly run: FollowedRun;
  },
  log: Logger,
): Promise<Transcript> => {
  const heard = of.run.read();
  if (!server.isAlive()) return heard;
  try {
    const most = 2 * heard.steps + 20;
    const read = await readMessages(server.client, { ...of, most }, AbortSignal.timeout(callMs));
    // What was wrong with the session as a whole stands in no message.
    return { ...read, error: read.error ?? (read.lastReason === undefined ? heard.error : undefined) };
  } catch (cause) {
    log.warn({ cause }, 'the messages of a run cannot be read; what was heard of it counts');
    return heard;
  }
};

const contextOf = (run: FollowedRun, of: number | undefined): AgentResult['context'] => {
  const last = run.lastTokens();
  if (last === undefined) return undefined;
  return { used: last.input + last.cacheRead + last.cacheWrite + last.output, of };
};

const contextLimitOf = (
  configuration: Readonly<Record<string, unknown>>,
  model: string | undefined,
): number | undefined => {
  const { providerID, modelID } = modelOf(model).model ?? {};
  if (providerID === undefined || modelID === undefined) return undefined;
  const path = ['provider', providerID, 'models', modelID, 'limit', 'context'];
  let found: unknown = configuration;
  for (const name of path)
    found = typeof found === 'object' && found !== null ? Reflect.get(found, name) : undefined;
  return typeof found === 'number' ? found : undefined;
};

const pictureTypes: Readonly<Record<string, string>> = {
  jpg: 'image/jpeg',
  png: 'image/png',
  gif: 'image/gif',
  webp: 'image/webp',
};

/** The server reads them itself, in the jail, where the workspace is where it is here. */
const picturesOf = ({ pictures = [], workspace }: AgentRequest) =>
  pictures.map((path) => ({
    type: 'file' as const,
    mime: pictureTypes[extname(path).slice(1)] ?? 'image/png',
    filename: basename(path),
    url: pathToFileURL(join(workspace, path)).href,
  }));
