import { formatSat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import * as nip19 from 'nostr-tools/nip19';
import type { Role } from '../config/config.ts';
import { formatAgo, lines, plural } from '../replies/format.ts';
import { ownerName } from '../replies/owner-name.ts';
import type { KnownOwner, Owners } from '../store/owners-table.ts';
import { parseChoice } from './arguments.ts';
import { type Command, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';
import { findOwner, parseKey } from './owner-argument.ts';

const roles: readonly (Role | 'trigger')[] = ['admin', 'member', 'trigger'];

/** `!owners`, `!owners add`, `!owners remove`. */
export const ownerCommands = (deps: CommandDeps): readonly Command[] => [
  {
    path: 'owners',
    family: 'Owners',
    summary: 'who may command the bot',
    role: 'member',
    kind: 'immediate',
    run: ({ owner }) =>
      owner.role === 'admin' ? everybody(deps, owner.publicKey) : adminsFor(deps, owner.publicKey),
  },
  {
    path: 'owners add',
    parameters: '<npub> [admin|member|trigger]',
    family: 'Owners',
    summary: 'let somebody command the bot, or change their role',
    detail:
      'A member runs tasks in sessions of their own; an admin may do everything. Without a role: member. A trigger is a machine that may start your named tasks (!task), and nothing else. !invite lets somebody in whose npub you don’t have.',
    examples: ['!owners add npub1… member'],
    role: 'admin',
    instead: 'Ask an admin to add them; !owners shows who is one.',
    kind: 'immediate',
    run: ({ owner, argument }) => {
      const { owners } = deps.stores;
      const [key, roleText = 'member', ...rest] = argument.split(/\s+/);
      if (rest.length > 0) throw new UsageError(`“${rest.join(' ')}” is one word too many.`);
      const role = parseChoice(roleText, 'role', roles);
      const publicKey = parseKey(key);
      if (publicKey === deps.bot.publicKey) throw new RefusalError('That is the bot itself.');
      const known = owners.find(publicKey);
      refuseConfigured(known);
      if (role === 'trigger') return addTrigger(deps, owner.publicKey, publicKey, known);
      deps.stores.triggers.remove(publicKey);
      if (known?.role === 'admin' && role === 'member') {
        refuseLastAdmin(owners, publicKey);
        takeInvitesBack(deps, publicKey);
      }
      owners.put(publicKey, role, owner.publicKey);
      return `${nip19.npubEncode(publicKey)} is ${role === 'admin' ? 'an admin' : 'a member'} now.`;
    },
  },
  {
    path: 'owners remove',
    parameters: '<npub|n>',
    family: 'Owners',
    summary: 'no longer listen to somebody',
    detail:
      'Their tasks that run or wait are ended too, and their keys and invitations are taken back. The number is that of !owners.',
    examples: ['!owners remove npub1…', '!owners remove 3'],
    role: 'admin',
    instead: 'Ask an admin; !owners shows who is one.',
    kind: 'immediate',
    run: ({ argument }) => {
      const { queue, stores } = deps;
      const trigger = triggerIn(deps, argument);
      if (trigger !== undefined) {
        stores.triggers.remove(trigger);
        return `${nip19.npubEncode(trigger)} is not a trigger any more.`;
      }
      const known = findOwner(stores.owners, argument);
      const { publicKey } = known;
      refuseConfigured(known);
      refuseLastAdmin(stores.owners, publicKey);
      stores.owners.remove(publicKey);
      stores.settings.set(publicKey, 'dayLimit', undefined);
      takeInvitesBack(deps, publicKey);
      stores.triggers.removeOf(publicKey);
      for (const { provider } of stores.keys.list(publicKey)) stores.keys.revoke(publicKey, provider);
      const dropped = queue.dropAll(publicKey);
      const stopped = queue.list(0, publicKey).filter((run) => queue.stop(run.id)).length;
      const tasks = dropped + stopped;
      const ended = tasks === 0 ? '' : ` ${plural(tasks, 'task')} of theirs ended.`;
      return `${nip19.npubEncode(publicKey)} is not an owner any more.${ended}`;
    },
  },
];

/** @throws RefusalError for somebody who is more than that */
function addTrigger(
  { stores }: CommandDeps,
  by: PublicKey,
  publicKey: PublicKey,
  known: KnownOwner | undefined,
): string {
  if (known !== undefined)
    throw new RefusalError('They are an owner, who may do more than a trigger. !owners remove comes first.');
  stores.triggers.put(publicKey, by);
  return `${nip19.npubEncode(publicKey)} is a trigger now: it may start your named tasks, and nothing else. !task ci-failed = <what to do> names one; the machine then sends: ci-failed <text>`;
}

/** A trigger's npub; undefined: it is none. */
function triggerIn({ stores }: CommandDeps, text: string): PublicKey | undefined {
  if (!/^\s*(?:nostr:)?(?:npub1|[0-9a-f]{64})/i.test(text)) return undefined;
  return stores.triggers.find(parseKey(text))?.publicKey;
}

/** For an admin: everybody, by the numbers that other commands take. */
const everybody = ({ stores, clock }: CommandDeps, me: PublicKey): string =>
  lines(
    stores.owners.list().flatMap((owner, index) => {
      const { publicKey, role } = owner;
      const origin =
        owner.source === 'environment'
          ? 'from BOT_OWNERS'
          : `added ${formatAgo(clock.now() - owner.addedAt)} by ${ownerName(owner.addedBy)}`;
      return [
        `${index + 1}. ${nip19.npubEncode(publicKey)}${publicKey === me ? ' (you)' : ''}`,
        `   ${role}, ${origin}${limitOf(stores, publicKey)}`,
      ];
    }),
    stores.triggers
      .list()
      .flatMap(({ publicKey, owner }) => [
        `· ${nip19.npubEncode(publicKey)}`,
        `   trigger of ${owner === me ? 'yours' : ownerName(owner)}`,
      ]),
  );

/** For a member: what they are, and whom they may ask. */
const adminsFor = ({ stores }: CommandDeps, me: PublicKey): string =>
  lines(
    `You are a member${limitOf(stores, me)}.`,
    'Admins:',
    stores.owners
      .list()
      .filter(({ role }) => role === 'admin')
      .map(({ publicKey }) => nip19.npubEncode(publicKey)),
  );

const limitOf = ({ settings }: CommandDeps['stores'], publicKey: PublicKey): string => {
  const limit = settings.get(publicKey, 'dayLimit');
  return limit === undefined ? '' : ` · at most ${formatSat(limit)} a day`;
};

function refuseConfigured(owner: KnownOwner | undefined): void {
  if (owner?.source !== 'environment') return;
  throw new RefusalError(
    'They are named in BOT_OWNERS, so that can only be changed there, on the host. !limit can hold them to an amount a day.',
  );
}

function refuseLastAdmin(owners: Owners, publicKey: PublicKey): void {
  if (owners.list().some((owner) => owner.role === 'admin' && owner.publicKey !== publicKey)) return;
  throw new RefusalError(
    'That is the last admin; without one nobody could command this bot. First: !owners add <npub> admin.',
  );
}

/** Who is no admin any more has invited nobody. */
function takeInvitesBack({ stores: { invites } }: CommandDeps, publicKey: PublicKey): void {
  for (const { id, createdBy } of invites.open()) if (createdBy === publicKey) invites.cancel(id);
}
