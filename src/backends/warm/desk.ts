import { setTimeout as sleep } from 'node:timers/promises';
import type { Mode } from '../backend.ts';
import type { DeskRefusal, Prompts, SessionDesk, SessionPlace } from '../session-desk.ts';
import { toTodos } from './follow-run.ts';
import type { WarmServer } from './server.ts';
import type { ServerPool } from './server-pool.ts';
import { diffOfTask, type Patch } from './task-diff.ts';

const patienceMs = 30_000;
const leavingMs = 1_000;

const refused = (why: Extract<DeskRefusal, { state: 'refused' }>['why']): DeskRefusal => ({
  state: 'refused',
  why,
});

/** What an answer of the server's that is none means here. */
const refusalOf = (error: unknown, status: number | undefined): DeskRefusal => {
  const text = JSON.stringify(error) ?? '';
  if (status === 404) return refused('forgotten');
  if (/Busy/i.test(text)) return refused('busy');
  return { state: 'failed', detail: text.slice(0, 200) };
};

/** Looks at sessions, and takes back what was done in them, by a server: one that is there, or one that is started. */
export const createDesk = (pool: Pick<ServerPool, 'take' | 'find'>): SessionDesk => {
  const withServer = async <T>(
    { owner, workspace, mode, standing }: SessionPlace,
    writing: Mode | undefined,
    outer: AbortSignal,
    work: (server: WarmServer, signal: AbortSignal) => Promise<T | DeskRefusal>,
  ): Promise<T | DeskRefusal> => {
    if (standing === undefined) return refused('unsupported');
    const signal = AbortSignal.any([outer, AbortSignal.timeout(patienceMs)]);
    const place = { owner, workspace, mode: writing ?? mode, model: undefined, standing };
    // A run that is answered may still hold it for a moment.
    const until = performance.now() + leavingMs;
    while (pool.find(place)?.busy === true && performance.now() < until)
      await sleep(50, undefined, { signal });
    if (pool.find(place)?.busy === true) return refused('busy');
    const held = await pool.take(place, signal, true);
    if (held === undefined) return refused(pool.find(place)?.busy === true ? 'busy' : 'unsupported');
    try {
      return await work(held.server, signal);
    } catch (error) {
      if (outer.aborted) throw error;
      return { state: 'failed', detail: error instanceof Error ? error.message : String(error) };
    } finally {
      held.leave();
    }
  };

  const patches = async (
    { client, hasGit }: WarmServer,
    session: string,
    prompts: Prompts,
    signal: AbortSignal,
  ): Promise<readonly Patch[] | DeskRefusal> => {
    if (!hasGit) return refused('no_git');
    const found = await diffOfTask(client, session, prompts, signal);
    return found.state === 'known' ? found.patches : refusalOf(found.error, found.status);
  };

  return {
    diff: (place, prompts, outer) =>
      withServer(place, undefined, outer, (server, signal) =>
        patches(server, place.backendSession, prompts, signal),
      ),
    undo: (place, prompts, outer) =>
      withServer(place, 'agent', outer, async (server, signal) => {
        const sessionID = place.backendSession;
        const changed = await patches(server, sessionID, prompts, signal);
        if ('state' in changed) return changed;
        const done = await server.client.session.revert({ sessionID, messageID: prompts[0] }, { signal });
        if (done.data === undefined) return refusalOf(done.error, done.response?.status);
        if (done.data.revert === undefined) return refused('forgotten');
        const files = changed.map(({ file, added, removed }) => ({ file, added, removed }));
        return { state: 'done' as const, files };
      }),
    redo: (place, outer) =>
      withServer(place, 'agent', outer, async ({ client, hasGit }, signal) => {
        if (!hasGit) return refused('no_git');
        const sessionID = place.backendSession;
        const found = await client.session.get({ sessionID }, { signal });
        if (found.data === undefined) return refusalOf(found.error, found.response?.status);
        if (found.data.revert === undefined) return refused('nothing');
        const done = await client.session.unrevert({ sessionID }, { signal });
        if (done.data === undefined) return refusalOf(done.error, done.response?.status);
        return { state: 'done' as const };
      }),
    todos: (place, outer) =>
      withServer(place, undefined, outer, async ({ client }, signal) => {
        const found = await client.session.todo({ sessionID: place.backendSession }, { signal });
        if (found.data === undefined) return refusalOf(found.error, found.response?.status);
        return toTodos(found.data);
      }),
    fork: (place, outer) =>
      withServer(place, undefined, outer, async ({ client }, signal) => {
        const made = await client.session.fork({ sessionID: place.backendSession }, { signal });
        if (made.data === undefined) return refusalOf(made.error, made.response?.status);
        return { state: 'done' as const, backendSession: made.data.id };
      }),
    rename: (place, title, outer) =>
      withServer(place, undefined, outer, async ({ client }, signal) => {
        const done = await client.session.update({ sessionID: place.backendSession, title }, { signal });
        if (done.data === undefined) return refusalOf(done.error, done.response?.status);
        return { state: 'done' as const };
      }),
  };
};
