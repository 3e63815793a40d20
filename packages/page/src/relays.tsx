/** @jsxImportSource hono/jsx */
import type { RelayFacts } from './facts.ts';
import type { View } from './view.ts';

export const relaysView: View = {
  path: '/relays',
  title: 'Relays',
  adminsOnly: true,
  show: ({ source }) => <Relays relays={source.relays()} />,
};

const Relays = ({ relays }: { readonly relays: readonly RelayFacts[] }) => (
  <ul class="cards">
    {relays.map(({ url, served, problem }) => (
      <li class={served ? 'card running' : 'card'}>
        <p class="task">{url}</p>
        <p class="dim">{served ? 'Messages come through.' : 'No messages come through.'}</p>
        {problem !== undefined && <p>{problem}</p>}
      </li>
    ))}
  </ul>
);
