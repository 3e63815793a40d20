import type { Asks } from './asks.ts';
import type { Client } from './client.ts';
import type { FollowedRun } from './follow-run.ts';
import { permissionAsked, questionAsked, readHistoryEntry } from './server-events.ts';

/** Whether a session is at work: one that is idle is in no list. */
export const isBusySession = async (
  client: Client,
  session: string,
  signal: AbortSignal,
): Promise<boolean> => {
  const { data } = await client.session.status({}, { signal, throwOnError: true });
  return (data[session]?.type ?? 'idle') !== 'idle';
};

/**
 * What was said while the stream of events was cut: what has a number, by the number; what is asked, by asking.
 * @param root the run's own session
 */
export const catchUp = async (
  client: Client,
  run: Pick<FollowedRun, 'on' | 'numbered' | 'numbers' | 'family'>,
  asks: Pick<Asks, 'onPermission' | 'onQuestion'>,
  root: string,
  signal: AbortSignal,
): Promise<void> => {
  // Sessions that are not named come whole, with all that ever happened in this database.
  if (run.numbers.size > 0) {
    const known = new Map(run.numbers);
    const { data } = await client.sync.history.list(
      { body: Object.fromEntries(known) },
      { signal, throwOnError: true },
    );
    const entries = data.map(readHistoryEntry).filter((read) => read !== undefined);
    // A sub-agent that began meanwhile is known by no number: it is the run's, and so is what it asks.
    for (const { event } of entries) if (event?.type === 'session.created') run.on(event);
    for (const read of entries) {
      if (!run.family.has(read.session)) continue;
      if (read.seq <= (known.get(read.session) ?? -1)) continue;
      if (read.event !== undefined) run.on(read.event);
      run.numbered(read);
    }
  }
  const [permissions, questions] = await Promise.all([
    client.permission.list({}, { signal, throwOnError: true }),
    client.question.list({}, { signal, throwOnError: true }),
  ]);
  for (const entry of permissions.data) {
    const asked = permissionAsked.safeParse(entry).data;
    if (asked !== undefined && run.family.has(asked.sessionID))
      asks.onPermission(asked, asked.sessionID !== root);
  }
  for (const entry of questions.data) {
    const asked = questionAsked.safeParse(entry).data;
    if (asked !== undefined && run.family.has(asked.sessionID)) asks.onQuestion(asked);
  }
};
