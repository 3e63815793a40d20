import type { AgentRequest, RunObserver } from '../backend.ts';
import { NotStartedError } from '../not-started.ts';
import { sessionRules } from './approval-rules.ts';
import type { WarmServer } from './server.ts';

/**
 * The session of a run, marked as the run's: a new one, or the one that it goes on with.
 * @throws NotStartedError the session is forgotten, or another workspace's
 */
export const openRunSession = async (
  { client, prepared }: Pick<WarmServer, 'client' | 'prepared'>,
  request: AgentRequest,
  observer: RunObserver,
  signal: AbortSignal,
): Promise<string> => {
  const { backendSession, workspace, mode, approvals = 'off', title } = request;
  const metadata = { run: request.runId };
  const questions = observer.onQuestion !== undefined;
  const permission = [...sessionRules(prepared.configuration, mode, approvals, questions)];
  if (backendSession === undefined) {
    const made = await client.session.create({ title, metadata, permission }, { signal, throwOnError: true });
    return made.data.id;
  }
  const found = await client.session.get({ sessionID: backendSession }, { signal });
  if (found.response?.status === 404)
    throw new NotStartedError('session_unknown', 'opencode has forgotten it');
  if (found.data === undefined) throw new Error('the server does not say what a session is');
  const { directory } = found.data;
  if (directory !== workspace)
    throw new NotStartedError('session_unknown', `the session belongs to ${directory}`);
  await client.session.update(
    { sessionID: backendSession, metadata, permission },
    { signal, throwOnError: true },
  );
  return backendSession;
};

/** A session without anything of a run's: a process of its own may go on with it, in which nobody can be asked. */
export const leaveRunSession = async (
  { client, prepared }: Pick<WarmServer, 'client' | 'prepared'>,
  { mode }: AgentRequest,
  session: string,
  signal: AbortSignal,
): Promise<void> => {
  const permission = [...sessionRules(prepared.configuration, mode, 'off', false)];
  await client.session.update({ sessionID: session, metadata: {}, permission }, { signal });
};
