import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { AgentRequest } from '../backend.ts';
import { NotStartedError } from '../not-started.ts';
import type { AcpConnection } from './connection.ts';
import { type PresetName, presets } from './presets.ts';

/** An agent that does not say within this that it is there is none (ms). */
const startMs = 60_000;
/** After `session/cancel` an agent may still say how it ended. */
const cancelMs = 1_500;

/** How the conversation went; the process is another matter. */
export type Turn = { readonly session: string; readonly stopReason: string };

/** From the first word to the end of the turn. */
export async function talk(
  preset: PresetName | undefined,
  connection: AcpConnection,
  request: AgentRequest,
  authenticate: string | undefined,
  signal: AbortSignal,
  replaying: (replays: boolean) => void,
): Promise<Turn> {
  const { workspace, backendSession, approvals = 'off', mode } = request;
  const starting = AbortSignal.any([signal, AbortSignal.timeout(startMs)]);
  const open = async () => {
    const { resumes } = await connection.initialize(authenticate);
    if (backendSession === undefined) return connection.newSession(workspace);
    if (resumes === 'no') throw new NotStartedError('session_unknown', 'the agent keeps no conversations');
    replaying(resumes === 'load');
    try {
      return await connection.continueSession(resumes, workspace, backendSession);
    } catch (cause) {
      throw new NotStartedError('session_unknown', cause instanceof Error ? cause.message : '', cause);
    } finally {
      replaying(false);
    }
  };
  const session = await untilAborted(open(), starting);
  const wanted = preset === undefined ? undefined : presets[preset].mode(approvals, mode !== 'agent');
  if (wanted !== undefined && session.modes.includes(wanted))
    await untilAborted(connection.setMode(session.id, wanted), starting);
  // It would do unasked what its owner wants to be asked for.
  else if (wanted !== undefined && (approvals !== 'off' || mode !== 'agent'))
    throw new NotStartedError('backend_unknown', `the agent does not have its mode ${wanted}`);
  const prompting = connection.prompt(session.id, request.task);
  try {
    return { session: session.id, stopReason: await untilAborted(prompting, signal) };
  } catch (error) {
    if (!signal.aborted) throw error;
    await connection.cancel(session.id);
    const patience = AbortSignal.timeout(cancelMs);
    const stopReason = await untilAborted(prompting, patience).catch(() => 'cancelled');
    return { session: session.id, stopReason };
  }
}
