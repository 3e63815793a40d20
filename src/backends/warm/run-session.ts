import { z } from 'zod';
import type { AgentRequest, RunObserver } from '../backend.ts';
import { NotStartedError } from '../not-started.ts';
import { type PermissionRule, rulesToAdd, sessionRules } from './approval-rules.ts';
import type { Client } from './client.ts';
import type { WarmServer } from './server.ts';

/** So many of a session's last messages are looked at. */
const lastMessages = 6;

const message = z.object({
  info: z.object({
    ...{ id: z.string(), role: z.string() },
    finish: z.string().optional().catch(undefined),
    summary: z.unknown().optional(),
  }),
  parts: z.array(z.looseObject({ type: z.string() })),
});

/**
 * Takes out a shortening of the conversation that was cut off: opencode would do that in place of the next task, and take its
 * end for the end of the task.
 */
const dropCutCompaction = async (client: Client, sessionID: string, signal: AbortSignal): Promise<void> => {
  const { data } = await client.session.messages(
    { sessionID, limit: lastMessages },
    { signal, throwOnError: true },
  );
  const read = data.flatMap((entry) => message.safeParse(entry).data ?? []);
  const since = read.findLastIndex(({ info }) => info.role === 'assistant' && info.finish !== undefined) + 1;
  const cut = read
    .slice(since)
    .filter(({ info, parts }) => info.summary === true || parts.some(({ type }) => type === 'compaction'));
  for (const { info } of cut)
    await client.session.deleteMessage({ sessionID, messageID: info.id }, { signal, throwOnError: true });
};

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
  const wanted = sessionRules(prepared.configuration, mode, approvals, questions);
  if (backendSession === undefined) {
    const made = await client.session.create(
      { title, metadata, permission: [...wanted] },
      { signal, throwOnError: true },
    );
    return made.data.id;
  }
  const found = await client.session.get({ sessionID: backendSession }, { signal });
  if (found.response?.status === 404)
    throw new NotStartedError('session_unknown', 'opencode has forgotten it');
  if (found.data === undefined) throw new Error('the server does not say what a session is');
  const { directory } = found.data;
  if (directory !== workspace)
    throw new NotStartedError('session_unknown', `the session belongs to ${directory}`);
  await Promise.all([
    client.session.update(
      { sessionID: backendSession, metadata, ...adding(found.data.permission ?? [], wanted) },
      { signal, throwOnError: true },
    ),
    dropCutCompaction(client, backendSession, signal),
  ]);
  return backendSession;
};

const adding = (there: readonly PermissionRule[], wanted: readonly PermissionRule[]) => {
  const permission = [...rulesToAdd(there, wanted)];
  return permission.length === 0 ? {} : { permission };
};

/** A session without the mark of a run. What rules it has are set anew by the next run, or taken out: `sessionDirectory`. */
export const leaveRunSession = async (
  { client }: Pick<WarmServer, 'client'>,
  session: string,
  signal: AbortSignal,
): Promise<void> => {
  await client.session.update({ sessionID: session, metadata: {} }, { signal });
};
