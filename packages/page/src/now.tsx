/** @jsxImportSource hono/jsx */
import { formatSat, sat } from '@nostr-dm-agent/kit/sat';
import type { AskFacts, NowFacts, RunFacts } from './facts.ts';
import { Does, type Viewer } from './layout.tsx';

/** The run in hand, what waits, and what an agent asks; made anew whenever that changes. */
export const Now = ({ runs, asks, viewer }: NowFacts & { readonly viewer: Viewer }) => (
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
    {runs.some(({ state, owner }) => state === 'running' && owner === undefined) && (
      <Does command="!stop" label="Stop the running task" viewer={viewer} back="/now" grave />
    )}
  </>
);

const Run = ({ run, viewer }: { readonly run: RunFacts; readonly viewer: Viewer }) => (
  <li class={`card ${run.state}`}>
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
    {run.state === 'waiting' && run.owner === undefined && (
      <Does command={`!queue drop ${run.number}`} label="Take off the queue" viewer={viewer} back="/now" />
    )}
  </li>
);

const stateWord: Record<RunFacts['state'], string> = {
  waiting: 'waits',
  running: 'at work',
  settling: 'its money comes home',
};

const Ask = ({ ask, viewer }: { readonly ask: AskFacts; readonly viewer: Viewer }) => (
  <section class="card asks" aria-label="The agent asks">
    <pre>{ask.text}</pre>
    {ask.kind === 'approval' ? (
      <div class="row">
        <Does command="!yes" about={ask.id} label="Yes" viewer={viewer} back="/now" />
        <Does
          command="!always"
          about={ask.id}
          label="Yes, and all of its kind in this run"
          viewer={viewer}
          back="/now"
        />
        <Does
          command="!no {}"
          about={ask.id}
          label="No"
          field={{ label: 'Why not' }}
          viewer={viewer}
          back="/now"
          grave
        />
      </div>
    ) : (
      <div class="row">
        {ask.options.map((option, index) => (
          <Does command={`!answer ${index + 1}`} about={ask.id} label={option} viewer={viewer} back="/now" />
        ))}
        <Does
          command="!answer {}"
          about={ask.id}
          label="Answer"
          field={{ label: 'In words' }}
          viewer={viewer}
          back="/now"
        />
      </div>
    )}
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
