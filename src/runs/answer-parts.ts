import type { AgentEvent } from '../backends/backend.ts';
import { gatherParts } from './gather-parts.ts';
import { replyToRun } from './messenger.ts';
import type { Run } from './run.ts';
import type { RunDeps } from './run-deps.ts';

/**
 * Sends the answer of a run bit by bit while it is written, where its owner wants that: `!stream`, by NIP-17 if they have
 * not said. What was sent is on disk with it, so that the end of the run sends the rest, be it after a crash.
 * @param said a part was sent
 */
export function startAnswerParts(
  run: Run,
  { stores, messenger, log }: Pick<RunDeps, 'stores' | 'messenger' | 'log'>,
  said: () => void,
): (event: AgentEvent) => void {
  const wanted = stores.settings.get(run.owner, 'stream') ?? (run.protocol === 'nip17' ? 'on' : 'off');
  if (wanted === 'off' || run.job !== 'task' || run.schedule !== undefined) return () => undefined;
  const gathered = gatherParts(() => performance.now());
  let before = run.parts;
  let failed = false;
  return (event) => {
    const part = failed ? undefined : gathered.saw(event);
    if (part === undefined) return;
    try {
      let sent = before;
      stores.atomically(() => {
        sent += messenger.send(replyToRun(run), part, { series: { before, open: true } }).length;
        stores.runs.tell(run.id, gathered.told() + part, sent);
      });
      gathered.sent(part, sent - before);
      before = sent;
      said();
    } catch (cause) {
      failed = true;
      log.warn({ cause, run: run.id }, 'a part of an answer could not be sent; the rest follows at the end');
    }
  };
}
