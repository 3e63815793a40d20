/** @jsxImportSource hono/jsx */
import type { RelayFacts } from './facts.ts';

export const Relays = ({ relays }: { readonly relays: readonly RelayFacts[] }) => (
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
