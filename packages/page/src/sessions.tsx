/** @jsxImportSource hono/jsx */
import type { SaidFacts, SessionFacts } from './facts.ts';
import { Does, Time, type Viewer } from './layout.tsx';

export const Sessions = ({
  sessions,
  viewer,
}: {
  readonly sessions: readonly SessionFacts[];
  readonly viewer: Viewer;
}) => (
  <>
    {sessions.length === 0 ? (
      <p>No session yet. Send the bot a task to begin one.</p>
    ) : (
      <ul class="cards">
        {sessions.map(({ id, title, workspace, mode, branch, current, usedAt }) => (
          <li class={current ? 'card running' : 'card'}>
            <p class="task">
              <a href={`/sessions/${id}`}>{title === '' ? 'Nothing said yet' : title}</a>
            </p>
            <p class="dim">
              {[id, workspace, branch && `branch ${branch}`, mode].filter(Boolean).join(' · ')} ·{' '}
              <Time at={usedAt} />
            </p>
            {current ? (
              <p>Your next task goes on with it.</p>
            ) : (
              <Does command={`!resume ${id}`} label="Go on with it" viewer={viewer} back="/sessions" />
            )}
          </li>
        ))}
      </ul>
    )}
    <Does command="!new" label="Begin a new one" viewer={viewer} back="/sessions" />
  </>
);

export const Session = ({
  session,
  said,
  viewer,
}: {
  readonly session: SessionFacts;
  readonly said: readonly SaidFacts[];
  readonly viewer: Viewer;
}) => (
  <>
    <p class="dim">{[session.id, session.workspace, session.mode].join(' · ')}</p>
    {said.length === 0 && <p>Nothing was said in it yet.</p>}
    <ol class="cards">
      {said.map(({ number, at, task, answer, outcome }) => (
        <li class="card">
          <p class="task">{task}</p>
          <p class="dim">
            {number} · <Time at={at} /> · {outcome ?? 'under way'}
          </p>
          {answer !== undefined && <pre>{answer}</pre>}
        </li>
      ))}
    </ol>
    {session.current && said.length > 0 && (
      <div class="row">
        <Does command="!diff" label="What the last task changed" viewer={viewer} back="/sessions" />
        <Does command="!undo" label="Take it back" viewer={viewer} back="/sessions" grave />
        <Does command="!redo" label="Put it back" viewer={viewer} back="/sessions" />
      </div>
    )}
  </>
);
