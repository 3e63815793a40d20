import type { AgentRequest, AgentResult, Backend, RunObserver } from '../backend.ts';
import { failureAs } from '../process-failures.ts';
import type { DeskRefusal, SessionDesk, SessionPlace } from '../session-desk.ts';
import type { AgentHosts } from './hosts.ts';
import { hostedPlace } from './place.ts';
import { deskAnswers } from './wire.ts';

/** The one host that a directory names, and its path there; undefined: it is of this machine, or not placed yet. */
const onHost = (hosts: Pick<AgentHosts, 'find'>, directory: string) => {
  const place = hostedPlace(directory);
  if (place === undefined) return undefined;
  const [name] = place.hosts;
  return { name, path: place.path, host: place.hosts.length === 1 ? hosts.find(name) : undefined };
};

const notRun = (name: string, { backendSession, model }: AgentRequest): AgentResult => ({
  ...{ outcome: 'failed', answer: '', steps: 0, tools: {}, unknownEvents: 0, limits: [], newGit: [] },
  tokens: { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 },
  ...{ failure: failureAs('host_away', name), backendSession, model },
});

/** Looks at sessions where they are. */
const deskOn = (local: SessionDesk, hosts: Pick<AgentHosts, 'find'>): SessionDesk => {
  /** What a host answers is looked at as what anybody says. */
  const asked = async <T>(
    place: SessionPlace,
    here: () => Promise<T>,
    there: {
      readonly what: 'diff' | 'undo' | 'redo' | 'todos' | 'fork' | 'rename';
      readonly read: (answer: unknown) => NoInfer<T>;
      readonly prompts?: readonly string[];
      readonly title?: string;
    },
    signal: AbortSignal,
  ): Promise<T | DeskRefusal> => {
    const at = onHost(hosts, place.workspace);
    if (at === undefined) return here();
    const { what, read, ...more } = there;
    try {
      if (at.host === undefined) throw new Error('away');
      return read(await at.host.ask(what, place, at.path, more, signal));
    } catch (error) {
      if (signal.aborted) throw error;
      return { state: 'failed', detail: `the agent host ${at.name} does not answer` };
    }
  };
  return {
    diff: (place, prompts, signal) =>
      asked(
        place,
        () => local.diff(place, prompts, signal),
        { what: 'diff', read: deskAnswers.diff.parse, prompts },
        signal,
      ),
    undo: (place, prompts, signal) =>
      asked(
        place,
        () => local.undo(place, prompts, signal),
        { what: 'undo', read: deskAnswers.undo.parse, prompts },
        signal,
      ),
    redo: (place, signal) =>
      asked(place, () => local.redo(place, signal), { what: 'redo', read: deskAnswers.done.parse }, signal),
    todos: (place, signal) =>
      asked(
        place,
        () => local.todos(place, signal),
        { what: 'todos', read: deskAnswers.todos.parse },
        signal,
      ),
    fork: (place, signal) =>
      asked(place, () => local.fork(place, signal), { what: 'fork', read: deskAnswers.fork.parse }, signal),
    rename: (place, title, signal) =>
      asked(
        place,
        () => local.rename(place, title, signal),
        { what: 'rename', read: deskAnswers.done.parse, title },
        signal,
      ),
  };
};

/** The same backend with its sessions on this machine and on agent hosts: where one works its workspace says. */
export const onAgentHosts = (local: Backend, hosts: Pick<AgentHosts, 'find' | 'list'>): Backend => {
  const run = (request: AgentRequest, observer: RunObserver, signal: AbortSignal): Promise<AgentResult> => {
    const at = onHost(hosts, request.workspace);
    if (at === undefined) return local.run(request, observer, signal);
    if (at.host === undefined) return Promise.resolve(notRun(at.name, request));
    return at.host.run(request, at.path, observer, signal);
  };
  const warm: Backend['warm'] = (place) => {
    const at = onHost(hosts, place.workspace);
    if (at === undefined) local.warm?.(place);
    else at.host?.warm(place, at.path);
  };
  const tell: Backend['tell'] = async (runId, text, signal) => {
    const host = hosts
      .list()
      .map(({ name }) => hosts.find(name))
      .find((one) => one?.has(runId));
    if (host === undefined) return (await local.tell?.(runId, text, signal)) ?? false;
    return host.tell(runId, text, signal).catch(() => false);
  };
  const { desk } = local;
  return { ...local, run, warm, tell, ...(desk === undefined ? {} : { desk: deskOn(desk, hosts) }) };
};
