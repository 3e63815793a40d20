/** @jsxImportSource hono/jsx */
import type { OwnerFacts } from './facts.ts';
import { type Viewer, type Way, Ways } from './layout.tsx';
import type { View } from './view.ts';

export const ownersView: View = {
  path: '/owners',
  title: 'Owners',
  adminsOnly: true,
  show: ({ source, viewer }) => <Owners owners={source.owners(viewer.visitor)} viewer={viewer} />,
};

const waysFor = ({ npub, role, configured, you }: OwnerFacts): readonly Way[] => [
  ...(role === 'member'
    ? [{ command: `!limit ${npub} {}`, label: 'Set their limit', field: { label: 'Sats a day, or off' } }]
    : []),
  ...(configured || you
    ? []
    : [{ command: `!owners remove ${npub}`, label: 'Listen to them no longer', grave: true }]),
];
const npubField = { label: 'Their npub' };
const more: readonly Way[] = [
  { command: '!owners add {} member', label: 'Add a member', field: npubField },
  { command: '!owners add {} admin', label: 'Add an admin', field: npubField, grave: true },
  { command: '!invite', label: 'Make an invitation' },
  { command: '!invite list', label: 'Open invitations' },
];

const Owners = ({ owners, viewer }: { readonly owners: readonly OwnerFacts[]; readonly viewer: Viewer }) => (
  <>
    <ul class="cards">
      {owners.map((owner) => (
        <li class="card">
          <p class="task">{owner.npub}</p>
          <p class="dim">
            {[owner.role, owner.you && 'you', owner.configured && 'by BOT_OWNERS']
              .filter(Boolean)
              .join(' · ')}
          </p>
          <Ways ways={waysFor(owner)} viewer={viewer} back="/owners" />
        </li>
      ))}
    </ul>
    <h2>More of them</h2>
    <Ways ways={more} viewer={viewer} back="/owners" />
  </>
);
