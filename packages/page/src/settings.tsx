/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx';
import { type Field, type Viewer, type Way, Ways } from './layout.tsx';
import type { SettingsFacts, VariableFacts } from './operator-source.ts';
import type { View } from './view.ts';

export const settingsView: View = {
  path: '/settings',
  title: 'Settings',
  adminsOnly: true,
  live: ({ source, viewer, query: { find = '' } }) => (
    <Settings facts={source.operator.settings(viewer.visitor)} find={find} viewer={viewer} />
  ),
};

/** What a command changes while the bot runs. */
type Choice = { readonly name: string; readonly now: string; readonly ways: readonly Way[] };

const chosenOf = (label: string, now: string, options: readonly string[]): Field => ({
  label,
  options: options.map((value) => ({ value, label: value })),
  value: now,
});

const own = ({ own: now }: SettingsFacts): readonly Choice[] => [
  {
    name: 'Mode',
    now: now.mode,
    ways: [
      {
        command: '!mode {}',
        label: 'Set',
        field: chosenOf('How tasks are worked on', now.mode, ['ask', 'plan', 'agent']),
      },
    ],
  },
  {
    name: 'Model',
    now: now.model,
    ways: [
      { command: '!model {}', label: 'Set', field: { label: 'Its id, or a part of its name' } },
      { command: '!model reset', label: 'Back to the default' },
    ],
  },
  {
    name: 'Program',
    now: now.backend,
    ways: [
      {
        command: '!backend {}',
        label: 'Set',
        field: chosenOf('What does the work', now.backend, now.backends),
      },
    ],
  },
  {
    name: 'Approvals',
    now: now.approvals,
    ways: [
      {
        command: '!approvals {}',
        label: 'Set',
        field: chosenOf('What agents ask before they do it', now.approvals, ['off', 'commands', 'all']),
      },
    ],
  },
  {
    name: 'Long answers',
    now: now.stream === undefined ? 'as they are written, where the app can' : streamWords(now.stream),
    ways: [
      { command: '!stream on', label: 'As they are written' },
      { command: '!stream off', label: 'At their end' },
    ],
  },
];

const streamWords = (stream: string): string => (stream === 'on' ? 'as they are written' : 'at their end');

const everybodys = ({ money }: SettingsFacts): readonly Choice[] =>
  money === undefined
    ? []
    : [
        {
          name: 'Budget of a run',
          now: money.budget,
          ways: [
            {
              command: '!provider budget {}',
              label: 'Set',
              field: { label: 'Sats at the most', type: 'number' },
            },
          ],
        },
        {
          name: 'Limit of a day',
          now: money.dayLimit ?? 'none',
          ways: [
            { command: '!provider limit {}', label: 'Set', field: { label: 'Sats a day', type: 'number' } },
            { command: '!provider limit off', label: 'None' },
          ],
        },
        {
          name: 'Warning of a low wallet',
          now: money.alert === undefined ? 'none' : `below ${money.alert}`,
          ways: [
            { command: '!wallet alert {}', label: 'Set', field: { label: 'Sats', type: 'number' } },
            { command: '!wallet alert off', label: 'None' },
          ],
        },
        {
          name: 'Mints',
          now: money.mints.join(', '),
          ways: [{ command: '!wallet mints add {}', label: 'Accept', field: { label: 'A mint’s address' } }],
        },
      ];

const Settings = ({
  facts,
  find,
  viewer,
}: {
  readonly facts: SettingsFacts;
  readonly find: string;
  readonly viewer: Viewer;
}) => (
  <>
    <Choices title="For your next tasks" id="own" choices={own(facts)} viewer={viewer}>
      <p class="dim">
        Who pays for them is chosen under <a href="/providers">Providers</a>.
      </p>
    </Choices>
    {facts.money !== undefined && (
      <Choices title="For everybody" id="everybody" choices={everybodys(facts)} viewer={viewer}>
        <p class="dim">
          Runs are served by {facts.money.node}; others are under <a href="/nodes">Nodes</a>. Limits of single
          owners are under <a href="/owners">Owners</a>.
        </p>
      </Choices>
    )}
    <h2 id="variables">Variables</h2>
    <p>
      What the bot was started with. They are changed in its <code>.env</code>, and read at the next start.
    </p>
    <form method="get" action="/settings" class="filter">
      <label>
        Find
        <input name="find" type="search" value={find} maxlength={60} autocomplete="off" />
      </label>
      <button type="submit">Show</button>
    </form>
    <Variables variables={facts.variables.filter((variable) => isAbout(variable, find))} />
  </>
);

const Choices = ({
  title,
  id,
  choices,
  viewer,
  children,
}: {
  readonly title: string;
  readonly id: string;
  readonly choices: readonly Choice[];
  readonly viewer: Viewer;
  readonly children?: Child;
}) => (
  <section aria-labelledby={id}>
    <h2 id={id}>{title}</h2>
    <ul class="settings">
      {choices.map(({ name, now, ways }) => (
        <li>
          <details>
            <summary>
              <span class="name">{name}</span> <span class="value">{now}</span>
            </summary>
            <Ways ways={ways} viewer={viewer} back="/settings" />
          </details>
        </li>
      ))}
    </ul>
    {children}
  </section>
);

const isAbout = ({ name, meaning, value = '' }: VariableFacts, find: string): boolean =>
  `${name} ${meaning} ${value}`.toLowerCase().includes(find.trim().toLowerCase());

const origins: Record<VariableFacts['origin'], string> = {
  file: 'from .env',
  environment: 'from the environment',
  default: 'default',
  program: 'set by the sandbox',
};

const Variables = ({ variables }: { readonly variables: readonly VariableFacts[] }) =>
  variables.length === 0 ? (
    <p>No variable is about that.</p>
  ) : (
    [...Map.groupBy(variables, ({ group }) => group)].map(([group, ofGroup]) => (
      <section aria-labelledby={`of-${group.replaceAll(' ', '-')}`}>
        <h3 id={`of-${group.replaceAll(' ', '-')}`}>{group}</h3>
        <dl class="variables">
          {ofGroup.map(({ name, meaning, value, origin }) => (
            <div data-key={name} class="variable">
              <dt>
                <code>{name}</code> {value !== undefined && <span class="dim">{origins[origin]}</span>}
              </dt>
              <dd>
                {value === undefined ? <span class="dim">not set</span> : <code>{value}</code>}
                <p class="dim">{meaning}</p>
              </dd>
            </div>
          ))}
        </dl>
      </section>
    ))
  );
