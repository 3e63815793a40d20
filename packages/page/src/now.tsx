/** @jsxImportSource hono/jsx */
import { formatSat, sat } from '@nostr-dm-agent/kit/sat';
import type { AskFacts, NowFacts, RunFacts } from './facts.ts';
import { type Viewer, type Way, Ways } from './layout.tsx';
import type { View } from './view.ts';

export const nowView: View = {
  path: '/now',
  title: 'Now',
  live: ({ source, viewer }) => <Now {...source.now(viewer.visitor)} viewer={viewer} />,
};

const waitingShown = (runs: readonly RunFacts[]): number =>
  runs.filter(({ state }) => state === 'waiting').length;

/** The run in hand, what waits, and what an agent asks; made anew whenever that changes. */
const Now = ({ runs, waiting, asks, viewer }: NowFacts & { readonly viewer: Viewer }) => (
  <>
    {asks.map((ask) => (
      <Ask ask={ask} viewer={viewer} />
    ))}
    {runs.length === 0 ? (
      <p>Nothing is worked on. A task is sent as a message to the bot.</p>
    ) : (
      <ul class="cards">
        {runs.map((run) => (
          <Run run={run} viewer={viewer} />
        ))}
      </ul>
    )}
    {waiting !== undefined && waiting > waitingShown(runs) && (
      <p>… and {waiting - waitingShown(runs)} more wait.</p>
    )}
  </>
);

const Run = ({ run, viewer }: { readonly run: RunFacts; readonly viewer: Viewer }) => (
  <li class={`card ${run.state}`} data-key={`${run.owner ?? ''}${run.number}`}>
    <p class="task">{run.task}</p>
    <p class="dim">
      {[
        stateWord[run.state],
        duration(run.forMs),
        run.owner && `of ${run.owner}`,
        `${run.workspace} · ${run.mode}`,
        run.model,
        run.provider,
      ]
        .filter(Boolean)
        .join(' · ')}
    </p>
    {run.state === 'running' && (
      <p>
        {run.steps === 1 ? '1 step' : `${run.steps} steps`}
        {run.doing === undefined ? '' : ` · ${run.doing}`}
      </p>
    )}
    {run.spent !== undefined && (
      <p>
        <meter
          min={0}
          max={run.spent.budget}
          value={run.spent.spent}
          aria-label={`${run.spent.spent} of ${run.spent.budget} sat spent`}
        />{' '}
        {formatSat(sat(run.spent.spent))} of {formatSat(sat(run.spent.budget))}
      </p>
    )}
    {run.state === 'running' && run.owner === undefined && (
      <Ways
        ways={[{ command: `!stop #${run.number}`, label: 'Stop this task', grave: true }]}
        viewer={viewer}
        back="/now"
      />
    )}
    {run.state === 'waiting' && run.owner === undefined && (
      <Ways
        ways={[{ command: `!queue drop #${run.number}`, label: 'Take off the queue' }]}
        viewer={viewer}
        back="/now"
      />
    )}
  </li>
);

const stateWord: Record<RunFacts['state'], string> = {
  waiting: 'waits',
  running: 'at work',
  settling: 'its money comes home',
};

/** Each is about this ask, and no other that may be open by then. */
function answersTo(ask: AskFacts): readonly Way[] {
  const ways: readonly Way[] =
    ask.kind === 'approval'
      ? [
          { command: '!yes', label: 'Yes' },
          { command: '!always', label: 'Yes, and all of its kind in this run' },
          { command: '!no {}', label: 'No', field: { label: 'Why not' }, grave: true },
        ]
      : [
          ...ask.options.map((label, index) => ({ command: `!answer ${index + 1}`, label })),
          { command: '!answer {}', label: 'Answer', field: { label: 'In words' } },
        ];
  return ways.map((way) => ({ ...way, about: ask.id }));
}

const Ask = ({ ask, viewer }: { readonly ask: AskFacts; readonly viewer: Viewer }) => (
  <section class="card asks" aria-label="The agent asks" data-key={ask.id}>
    <pre>{ask.text}</pre>
    <Ways ways={answersTo(ask)} viewer={viewer} back="/now" />
  </section>
);

/** `42 s`, `3 min 5 s`, `2 h 3 min` */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${seconds % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
