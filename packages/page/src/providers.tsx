/** @jsxImportSource hono/jsx */
import type { ConnectableFacts, LoginFacts, ProviderFacts, ProvidersFacts } from './facts.ts';
import { Time, type Viewer, type Way, Ways } from './layout.tsx';
import type { View } from './view.ts';

export const providersView: View = {
  path: '/providers',
  title: 'Providers',
  live: ({ source, viewer, query: { find = '' } }) => (
    <Providers facts={source.providers(viewer.visitor, find)} find={find} viewer={viewer} />
  ),
};

const Providers = ({
  facts,
  find,
  viewer,
}: {
  readonly facts: ProvidersFacts;
  readonly find: string;
  readonly viewer: Viewer;
}) => (
  <>
    {facts.session?.provider !== undefined && facts.session.provider !== facts.preferred && (
      <p>
        The current session ({facts.session.id}) goes on with {facts.session.provider}, whatever is preferred.
      </p>
    )}
    {facts.login !== undefined && <Login login={facts.login} viewer={viewer} />}
    <ul class="cards">
      {facts.providers.map((provider) => (
        <Provider provider={provider} facts={facts} viewer={viewer} />
      ))}
    </ul>
    {facts.oldKeys.length > 0 && <OldKeys keys={facts.oldKeys} viewer={viewer} />}
    <h2 id="add">Add one</h2>
    <form method="get" action="/providers" class="does">
      <label>
        {`One of ${facts.known}, by its name; or the address of one that announces itself`}
        <input name="find" type="search" value={find} maxlength={60} />
      </label>
      <button type="submit">Search</button>
    </form>
    {find !== '' && facts.found.length === 0 && <p>None of them is called so.</p>}
    <ul class="cards">
      {facts.found.map((found) => (
        <li class="card">
          <p class="task">{found.name}</p>
          <p class="dim">{[found.id, found.connected && 'connected'].filter(Boolean).join(' · ')}</p>
          <Ways ways={waysIn(found)} viewer={viewer} back="/providers" />
        </li>
      ))}
    </ul>
  </>
);

const Provider = ({
  provider,
  facts: { preferred, session },
  viewer,
}: {
  readonly provider: ProviderFacts;
  readonly facts: ProvidersFacts;
  readonly viewer: Viewer;
}) => {
  const { id, status, fact, usedAt, error } = provider;
  const marks = [
    id === preferred && 'preferred',
    id === session?.provider && `session ${session.id} goes on with it`,
  ];
  return (
    <li class={status === 'connected' ? 'card running' : 'card'}>
      <p class="task">
        {id} <span class={`status ${status}`}>{status === 'absent' ? 'not here' : status}</span>
      </p>
      <p class="dim">{[...marks, fact].filter(Boolean).join(' · ')}</p>
      <p class="dim">
        {usedAt === undefined ? (
          'Not used yet.'
        ) : (
          <>
            Last used <Time at={usedAt} />.
          </>
        )}
      </p>
      {error !== undefined && <p>Last error: {error}</p>}
      <Ways ways={waysWith(provider, preferred, session?.provider)} viewer={viewer} back="/providers" />
    </li>
  );
};

function waysWith({ id, status, builtIn }: ProviderFacts, preferred: string, here: string | undefined) {
  const usable = status !== 'absent' && status !== 'revoked';
  const ways: readonly (Way | false)[] = [
    usable && id !== preferred && { command: `!provider set ${id}`, label: 'Prefer it' },
    usable && id !== here && { command: `!provider set ${id} here`, label: 'Use it in the current session' },
    usable && !builtIn && { command: `!provider check ${id}`, label: 'Check it' },
    usable && !builtIn && { command: `!provider disconnect ${id}`, label: 'Disconnect', grave: true },
  ];
  return ways.filter((way) => way !== false);
}

const waysIn = ({ id, name, connected, takesKey, logsIn, announces }: ConnectableFacts): readonly Way[] => [
  ...(announces ? [{ command: `!provider connect ${id}`, label: 'See what it announces' }] : []),
  ...(logsIn && !connected ? [{ command: `!provider connect ${id}`, label: 'Log in' }] : []),
  ...(takesKey
    ? [
        {
          command: `!provider connect ${id} {}`,
          label: connected ? 'Check another key' : 'Check and connect',
          field: {
            label: announces ? `What the command of ${name} prints` : `Key of ${name}`,
            type: 'password' as const,
          },
        },
      ]
    : []),
  ...(takesKey && connected
    ? [{ command: `!provider connect ${id} replace`, label: 'Put it in the place of the one there is' }]
    : []),
];

/** What its owner has to do elsewhere, as long as the bot waits for it. */
const Login = ({
  login: { provider, url, instructions, wantsCode },
  viewer,
}: {
  readonly login: LoginFacts;
  readonly viewer: Viewer;
}) => (
  <section class="card asks" aria-label="A login that waits for you">
    <p class="task">Log in to {provider}</p>
    <p>
      Open{' '}
      <a href={url} target="_blank" rel="noopener noreferrer">
        {url}
      </a>{' '}
      on any device.
    </p>
    <p>{instructions}</p>
    <p class="dim">The bot waits for 15 minutes, and tells you by message when you are connected.</p>
    <Ways
      ways={[
        ...(wantsCode
          ? [
              {
                command: `!provider connect ${provider} {}`,
                label: 'Finish',
                field: { label: 'What you are given there', type: 'password' as const },
              },
            ]
          : []),
        { command: `!provider disconnect ${provider}`, label: 'Give it up', grave: true },
      ]}
      viewer={viewer}
      back="/providers"
    />
  </section>
);

const OldKeys = ({ keys, viewer }: { readonly keys: ProvidersFacts['oldKeys']; readonly viewer: Viewer }) => (
  <section class="card" aria-label="Keys on this machine">
    <p class="task">Keys from before there were connections</p>
    <p>
      As a connection a key is sealed and yours alone. What is there stays as it is, and local goes on using
      it; the way back is to disconnect.
    </p>
    <ul>
      {keys.map(({ name, from }) => (
        <li>
          {name} <span class="dim">({from === 'auth.json' ? 'opencode’s own login' : from})</span>
        </li>
      ))}
    </ul>
    <Ways
      ways={[
        ...keys.map(({ id, name }) => ({ command: `!provider adopt ${id}`, label: `Connect ${name}` })),
        { command: '!provider adopt no', label: 'Leave them' },
      ]}
      viewer={viewer}
      back="/providers"
    />
  </section>
);
