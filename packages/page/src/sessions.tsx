/** @jsxImportSource hono/jsx */
import { Diff } from './diff.tsx';
import type { ChangedFile, SaidFacts, SessionChoices, SessionFacts } from './facts.ts';
import { Does, Time, type Viewer, type Way, Ways } from './layout.tsx';
import type { View } from './view.ts';

const number = /^\d{1,15}$/;

export const sessionsView: View = {
  path: '/sessions',
  title: 'Sessions',
  show: ({ source, viewer }) => (
    <Sessions
      sessions={source.sessions.list(viewer.visitor)}
      choices={source.sessions.choices(viewer.visitor)}
      viewer={viewer}
    />
  ),
  more: (app, { source, viewerOf, page }) => {
    app.get('/sessions/:id', (c) => {
      const viewer = viewerOf(c);
      const found = source.sessions.find(viewer.visitor, c.req.param('id'));
      if (found === undefined) return c.notFound();
      const choices = source.sessions.choices(viewer.visitor);
      return c.html(page(viewer, <Session {...found} choices={choices} viewer={viewer} />));
    });
    app.get('/sessions/:id/:number/diff', async (c) => {
      const viewer = viewerOf(c);
      const task = { session: c.req.param('id'), number: Number(c.req.param('number')) };
      if (!number.test(c.req.param('number'))) return c.notFound();
      const diff = await source.sessions.diff(viewer.visitor, task, c.req.raw.signal);
      if (diff === undefined) return c.notFound();
      return c.html(page(viewer, <Diff diff={diff} task={task} />));
    });
  },
};

const Sessions = ({
  sessions,
  choices,
  viewer,
}: {
  readonly sessions: readonly SessionFacts[];
  readonly choices: SessionChoices;
  readonly viewer: Viewer;
}) => (
  <>
    {sessions.length === 0 ? (
      <p>No session yet. Send the bot a task to begin one.</p>
    ) : (
      <ul class="cards">
        {sessions.map((session) => (
          <li class={session.current ? 'card running' : 'card'}>
            <p class="task">
              <a href={`/sessions/${session.id}`}>{titleOf(session)}</a>
            </p>
            <p class="dim">
              {factsOf(session)} · <Time at={session.usedAt} />
            </p>
            {session.current ? (
              <p>Your next task goes on with it.</p>
            ) : (
              <Ways ways={[resume(session)]} viewer={viewer} back="/sessions" />
            )}
          </li>
        ))}
      </ul>
    )}
    <section aria-labelledby="begin">
      <h2 id="begin">Another session</h2>
      <Does way={begin(choices)} viewer={viewer} back="/sessions" />
    </section>
  </>
);

const titleOf = ({ title }: SessionFacts): string => (title === '' ? 'Nothing said yet' : title);
const factsOf = ({ id, workspace, branch, mode, model, provider }: SessionFacts): string =>
  [id, workspace, branch && `branch ${branch}`, mode, model, provider && `paid by ${provider}`]
    .filter(Boolean)
    .join(' · ');
const resume = ({ id }: SessionFacts): Way => ({
  command: `!resume ${id}`,
  label: 'Go on with it',
  quiet: true,
});

const begin = ({ workspaces, workspace, providers, provider }: SessionChoices): Way => ({
  command: '!new {} {}',
  label: 'Begin a new one',
  field: {
    label: 'Workspace',
    value: workspace,
    options: workspaces.map((name) => ({ value: name, label: name })),
  },
  also: {
    label: 'Paid by',
    value: '',
    options: [
      { value: '', label: `as chosen (${provider})` },
      ...providers.map((name) => ({ value: name, label: `always ${name}` })),
    ],
  },
});

/** Of the current session alone: these commands are about it. Each row is about one thing. */
const ofCurrent = (
  { mode, model, provider }: SessionFacts,
  { providers, provider: chosen }: SessionChoices,
): readonly (readonly Way[])[] => [
  [
    {
      command: '!model {}',
      label: 'Set the model',
      quiet: true,
      field: { label: 'Model, or a part of its name', hint: 'sonnet' },
    },
    { command: '!models', label: 'Which are there', quiet: true },
    ...(model === undefined
      ? []
      : [{ command: '!model reset', label: 'Back to the default model', quiet: true }]),
  ],
  [
    {
      command: '!provider set {} here',
      label: 'Pay with it here',
      quiet: true,
      field: {
        label: 'Paid by, in this session',
        value: provider ?? chosen,
        options: providers.map((name) => ({ value: name, label: name })),
      },
    },
    mode === 'plan'
      ? { command: '!mode agent', label: 'Let it change files', quiet: true }
      : { command: '!mode plan', label: 'Let it plan only', quiet: true },
  ],
];
const ofChanges: readonly Way[] = [
  { command: '!undo', label: 'Take it back', grave: true },
  { command: '!redo', label: 'Put it back', quiet: true },
];

const Session = ({
  session,
  said,
  choices,
  viewer,
}: {
  readonly session: SessionFacts;
  readonly said: readonly SaidFacts[];
  readonly choices: SessionChoices;
  readonly viewer: Viewer;
}) => (
  <>
    <p>
      <a href="/sessions">All sessions</a>
    </p>
    <h2>{titleOf(session)}</h2>
    <p class="dim">{factsOf(session)}</p>
    {said.length === 0 && <p>Nothing was said in it yet.</p>}
    <ol class="cards said">
      {said.map((each) => (
        <Said said={each} session={session.id} />
      ))}
    </ol>
    {session.current ? (
      <section aria-label="This session">
        {said.length > 0 && <Ways ways={ofChanges} viewer={viewer} back="/sessions" />}
        {ofCurrent(session, choices).map((ways) => (
          <Ways ways={ways} viewer={viewer} back="/sessions" />
        ))}
      </section>
    ) : (
      <Ways ways={[resume(session)]} viewer={viewer} back="/sessions" />
    )}
  </>
);

const Said = ({ said, session }: { readonly said: SaidFacts; readonly session: string }) => {
  const { number: seq, at, task, answer, outcome, model, provider, changed, undone } = said;
  return (
    <li class="card" id={`task-${seq}`}>
      <p class="task asked">{task}</p>
      <p class="dim">
        {seq} · <Time at={at} /> · {[outcome ?? 'under way', model, provider].filter(Boolean).join(' · ')}
      </p>
      {answer !== undefined && <pre>{answer}</pre>}
      {changed !== undefined && changed.length > 0 && (
        <p class="changed">
          <a href={`/sessions/${session}/${seq}/diff`}>{countsOf(changed)}</a>
          {undone && ' · taken back'}
        </p>
      )}
    </li>
  );
};

function countsOf(files: readonly ChangedFile[]): string {
  const sum = (of: (file: ChangedFile) => number) => files.reduce((total, file) => total + of(file), 0);
  const count = files.length === 1 ? files[0]?.file : `${files.length} files`;
  return `Changed ${count}: +${sum(({ added }) => added)} −${sum(({ removed }) => removed)}`;
}
