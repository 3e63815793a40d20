/** @jsxImportSource hono/jsx */
import { formatSat, sat } from '@nostr-dm-agent/kit/sat';
import type { InviteFacts, OwnerFacts } from './facts.ts';
import { Does, shortNpub, Time, type Viewer, type Way, Ways } from './layout.tsx';
import type { View } from './view.ts';

export const ownersView: View = {
  path: '/owners',
  title: 'Owners',
  adminsOnly: true,
  show: ({ source, viewer }) => (
    <Owners owners={source.owners(viewer.visitor)} invites={source.invites()} viewer={viewer} />
  ),
};

const limitOf = ({ npub, limit }: OwnerFacts): Way => ({
  command: `!limit ${npub} {}`,
  label: 'Set the limit',
  quiet: true,
  field: { label: 'Sats a day, or off', value: limit === undefined ? '' : String(limit), hint: '5000' },
});
const roleOf = ({ npub, role }: OwnerFacts): Way =>
  role === 'member'
    ? { command: `!owners add ${npub} admin`, label: 'Make them an admin', grave: true }
    : { command: `!owners add ${npub} member`, label: 'Make them a member', quiet: true };
const remove = ({ npub }: OwnerFacts): Way => ({
  command: `!owners remove ${npub}`,
  label: 'Remove them',
  grave: true,
});

const addOne: Way = {
  command: '!owners add {} {}',
  label: 'Add them',
  field: { label: 'Their npub', hint: 'npub1…' },
  also: {
    label: 'As',
    value: 'member',
    options: [
      { value: 'member', label: 'a member: tasks, and what is theirs' },
      { value: 'admin', label: 'an admin: everything' },
    ],
  },
};

/** For admins. */
const Owners = ({
  owners,
  invites,
  viewer,
}: {
  readonly owners: readonly OwnerFacts[];
  readonly invites: readonly InviteFacts[];
  readonly viewer: Viewer;
}) => (
  <>
    <ul class="cards">
      {owners.map((owner) => (
        <One owner={owner} viewer={viewer} />
      ))}
    </ul>
    <section aria-labelledby="invitations">
      <h2 id="invitations">Invitations</h2>
      <p class="dim">
        A code that makes whoever sends it to the bot first a member: once, within a day. It is shown only
        when it is made.
      </p>
      {invites.length > 0 && (
        <ul class="lines">
          {invites.map((invite) => (
            <li>
              <span>
                {invite.number}. made <Time at={invite.madeAt} /> by {shortNpub(invite.by)}, good until{' '}
                <Time at={invite.expiresAt} />
              </span>
              <Does way={cancel(invite)} viewer={viewer} back="/owners" />
            </li>
          ))}
        </ul>
      )}
      <Ways ways={[{ command: '!invite', label: 'Make an invitation' }]} viewer={viewer} back="/owners" />
    </section>
    <section aria-labelledby="add">
      <h2 id="add">Add an owner</h2>
      <Does way={addOne} viewer={viewer} back="/owners" />
    </section>
  </>
);

const cancel = ({ number }: InviteFacts): Way => ({
  command: `!invite cancel ${number}`,
  label: 'Take it back',
  grave: true,
});

const One = ({ owner, viewer }: { readonly owner: OwnerFacts; readonly viewer: Viewer }) => {
  const { npub, role, configured, you, added } = owner;
  return (
    <li class={you ? 'card running' : 'card'}>
      <p class="task npub">{npub}</p>
      <p class="dim">
        {[role, you && 'you', configured && 'by BOT_OWNERS', spendOf(owner)].filter(Boolean).join(' · ')}
        {added !== undefined && (
          <>
            {' '}
            · let in by {shortNpub(added.by)}, <Time at={added.at} />
          </>
        )}
      </p>
      <div class="row">
        <Does way={limitOf(owner)} viewer={viewer} back="/owners" />
        {!configured && !you && <Does way={roleOf(owner)} viewer={viewer} back="/owners" />}
        {!configured && !you && <Does way={remove(owner)} viewer={viewer} back="/owners" />}
      </div>
    </li>
  );
};

function spendOf({ limit, used }: OwnerFacts): string {
  const may = limit === undefined ? 'no limit' : `${formatSat(sat(limit))} a day`;
  return used === undefined ? may : `${may}, ${formatSat(sat(used))} spent or at stake today`;
}
