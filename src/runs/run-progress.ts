import { every } from '@nostr-dm-agent/kit/timers';
import type { RunObserver } from '@nostr-dm-agent/routstr';
import type { AgentEvent } from '../backends/backend.ts';
import { runningCommand } from '../backends/running-command.ts';
import type { Todo } from '../backends/session-desk.ts';
import { progressLine } from '../replies/progress.ts';
import { holdNotice } from '../replies/provider-replies.ts';
import { replyToRun } from './messenger.ts';
import type { Provider } from './provider.ts';
import type { Run } from './run.ts';
import type { RunDeps } from './run-deps.ts';

/** Tells the owner of a run how it goes. */
export type RunProgress = {
  readonly spawned: (pid: number) => void;
  readonly saw: (event: AgentEvent) => void;
  /** Its model calls wait for money. */
  readonly onHold: NonNullable<RunObserver['onHold']>;
  readonly onHoldEnd: () => void;
  /** It waits for its owner's word, who has read what for: nothing more is said meanwhile. */
  readonly waiting: (begun: boolean) => void;
  /** A part of its answer was sent: it is plain that it is at work. */
  readonly said: () => void;
  readonly stop: () => void;
};

/** Now and then says that the agent is still at it; at once that it waits for money. */
export function startProgress(
  run: Run,
  provider: Provider,
  { messenger, board, limits, clock, log }: Pick<RunDeps, 'messenger' | 'board' | 'limits' | 'clock' | 'log'>,
): RunProgress {
  const startedAt = clock.now();
  let steps = 0;
  let last: AgentEvent | undefined;
  let held = false;
  let asking = false;
  let todos: readonly Todo[] = [];
  let retry: string | undefined;
  let agent: number | undefined;
  let over = false;
  let saidAt = Number.NEGATIVE_INFINITY;
  /** The meter calls it too, so it must not throw. */
  const tell = (text: () => string): void => {
    try {
      messenger.send(replyToRun(run), text());
    } catch (cause) {
      log.error({ cause, run: run.id }, 'the owner could not be told how a run goes');
    }
  };
  const tellHowItGoes = async (): Promise<void> => {
    const command = agent === undefined || held ? undefined : await runningCommand(agent);
    if (over || asking || clock.now() - saidAt < limits.progressMs) return;
    const cost = provider.usage?.(run.id);
    tell(() =>
      progressLine({ elapsedMs: clock.now() - startedAt, steps, last, command, cost, held, todos, retry }),
    );
  };
  const leave = board.join(run.id, () => ({ steps, last, cost: provider.usage?.(run.id), held }));
  const cancel =
    // Nobody waits for what comes at its time.
    limits.progressMs > 0 && run.schedule === undefined
      ? every(limits.progressMs, { name: 'progress', log }, tellHowItGoes)
      : undefined;
  return {
    spawned: (pid) => {
      agent = pid;
    },
    saw: (event) => {
      if (event.type === 'step') steps += 1;
      if (event.type === 'tool' || event.type === 'text') last = event;
      if (event.type === 'todos') todos = event.todos;
      retry = event.type === 'retry' ? event.message : undefined;
    },
    onHold: (hold) => {
      held = true;
      const { holdMs } = limits;
      tell(() => holdNotice({ ...hold, budget: provider.usage?.(run.id)?.budget, holdMs }));
    },
    onHoldEnd: () => {
      held = false;
    },
    waiting: (begun) => {
      asking = begun;
    },
    said: () => {
      saidAt = clock.now();
    },
    stop: () => {
      over = true;
      leave();
      cancel?.();
    },
  };
}
