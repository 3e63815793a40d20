/** @jsxImportSource hono/jsx */
import type { SaidFacts, SessionFacts } from './facts.ts';
import { Time, type Viewer, type Way, Ways } from './layout.tsx';
import type { View } from './view.ts';

export const sessionsView: View = {
  path: '/sessions',
  title: 'Sessions',
  show: ({ source, viewer }) => <Sessions sessions={source.sessions(viewer.visitor)} viewer={viewer} />,
  more: (app, { source, viewerOf, page }) => {
    app.get('/sessions/:id', (c) => {
      const viewer = viewerOf(c);
      const found = source.session(viewer.visitor, c.req.param('id'));
      if (found === undefined) return c.notFound();
      return c.html(page(viewer, <Session {...found} viewer={viewer} />));
    });
  },
};

/** Of the current session alone: these commands are about it. */
const changes: readonly Way[] = [
  { command: '!diff', label: 'What the last task changed' },
  { command: '!undo', label: 'Take it back', grave: true },
  { command: '!redo', label: 'Put it back' },
];

const Sessions = ({
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
              <Ways
                ways={[{ command: `!resume ${id}`, label: 'Go on with it' }]}
                viewer={viewer}
                back="/sessions"
              />
            )}
          </li>
        ))}
      </ul>
    )}
    <Ways ways={[{ command: '!new', label: 'Begin a new one' }]} viewer={viewer} back="/sessions" />
  </>
);

const Session = ({
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
    {session.current && said.length > 0 && <Ways ways={changes} viewer={viewer} back="/sessions" />}
  </>
);
