/** @jsxImportSource hono/jsx */
import type { OwnerFacts } from './facts.ts';
import { Does, type Viewer } from './layout.tsx';

/** For admins. */
export const Owners = ({
  owners,
  viewer,
}: {
  readonly owners: readonly OwnerFacts[];
  readonly viewer: Viewer;
}) => (
  <>
    <ul class="cards">
      {owners.map(({ npub, role, configured, you }) => (
        <li class="card">
          <p class="task">{npub}</p>
          <p class="dim">{[role, you && 'you', configured && 'by BOT_OWNERS'].filter(Boolean).join(' · ')}</p>
          {!configured && !you && (
            <Does
              command={`!owners remove ${npub}`}
              label="Listen to them no longer"
              viewer={viewer}
              back="/owners"
              grave
            />
          )}
          {role === 'member' && (
            <Does
              command={`!limit ${npub} {}`}
              label="Set their limit"
              field={{ label: 'Sats a day, or off' }}
              viewer={viewer}
              back="/owners"
            />
          )}
        </li>
      ))}
    </ul>
    <h2>More of them</h2>
    <Does
      command="!owners add {} member"
      label="Add a member"
      field={{ label: 'Their npub' }}
      viewer={viewer}
      back="/owners"
    />
    <Does
      command="!owners add {} admin"
      label="Add an admin"
      field={{ label: 'Their npub' }}
      viewer={viewer}
      back="/owners"
      grave
    />
    <Does command="!invite" label="Make an invitation" viewer={viewer} back="/owners" />
    <Does command="!invite list" label="Open invitations" viewer={viewer} back="/owners" />
  </>
);
