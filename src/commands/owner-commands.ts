import type { Clock } from '@nostr-dm-agent/kit/clock';
import { formatSat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import * as nip19 from 'nostr-tools/nip19';
import type { Role } from '../config/config.ts';
import { formatAgo, plural } from '../replies/format.ts';
import { ownerName } from '../replies/owner-name.ts';
import type { RunQueue } from '../runs/run-queue.ts';
import type { InviteStore } from '../store/invites-table.ts';
import type { KnownOwner, Owners } from '../store/owners-table.ts';
import type { SettingsStore } from '../store/settings-table.ts';
import { parseChoice } from './arguments.ts';
import { type Command, RefusalError, UsageError } from './command.ts';
import { findOwner, parseKey } from './owner-argument.ts';

const roles: readonly Role[] = ['admin', 'member'];

export type OwnerCommandDeps = {
  /** The bot's own key, who is no owner. */
  readonly bot: PublicKey;
  readonly owners: Owners;
  readonly settings: SettingsStore;
  readonly invites: InviteStore;
  readonly queue: RunQueue;
  /** Takes what else is kept for an owner who is removed: his keys. Part of the same transaction. */
  readonly ownerRemoved: (owner: PublicKey) => void;
  readonly clock: Clock;
};

/** `!owners`, `!owners add`, `!owners remove`. */
export function ownerCommands(deps: OwnerCommandDeps): readonly Command[] {
  const { bot, owners, settings, invites, queue, clock } = deps;

  const origin = (owner: KnownOwner): string =>
    owner.source === 'environment'
      ? 'from BOT_OWNERS'
      : `added ${formatAgo(clock.now() - owner.addedAt)} by ${ownerName(owner.addedBy)}`;
  const limitOf = (publicKey: PublicKey): string => {
    const limit = settings.get(publicKey, 'dayLimit');
    return limit === undefined ? '' : ` · at most ${formatSat(limit)} a day`;
  };
  const you = (him: PublicKey, me: PublicKey): string => (him === me ? ' (you)' : '');

  /** For an admin: everybody, by the numbers that other commands take. */
  const everybody = (me: PublicKey): string =>
    owners
      .list()
      .map((owner, index) => {
        const { publicKey, role } = owner;
        return `${index + 1}. ${nip19.npubEncode(publicKey)}${you(publicKey, me)}\n   ${role}, ${origin(owner)}${limitOf(publicKey)}`;
      })
      .join('\n');
  /** For a member: himself, and whom he may ask. */
  const adminsAnd = (me: PublicKey): string => {
    const admins = owners.list().filter(({ role }) => role === 'admin');
    return [
      `You are a member${limitOf(me)}.`,
      'Admins:',
      ...admins.map(({ publicKey }) => nip19.npubEncode(publicKey)),
    ].join('\n');
  };

  const refuseConfigured = (owner: KnownOwner | undefined): void => {
    if (owner?.source === 'environment') {
      throw new RefusalError(
        'He is named in BOT_OWNERS, so he can only be changed there, on the host. !limit can hold him to an amount a day.',
      );
    }
  };
  const refuseLastAdmin = (publicKey: PublicKey): void => {
    const others = owners.list().filter((owner) => owner.role === 'admin' && owner.publicKey !== publicKey);
    if (others.length === 0) {
      throw new RefusalError(
        'He is the last admin; without one nobody could command this bot. First: !owners add <npub> admin.',
      );
    }
  };
  /** Who is no admin any more has invited nobody. */
  const takeInvitesBack = (publicKey: PublicKey): void => {
    for (const { id, createdBy } of invites.open()) if (createdBy === publicKey) invites.cancel(id);
  };

  return [
    {
      path: 'owners',
      parameters: '',
      family: 'Owners',
      summary: 'who may command the bot',
      examples: ['!owners'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner }) => ({
        reply: owner.role === 'admin' ? everybody(owner.publicKey) : adminsAnd(owner.publicKey),
      }),
    },
    {
      path: 'owners add',
      parameters: '<npub> [admin|member]',
      family: 'Owners',
      summary: 'let somebody command the bot, or change his role',
      detail:
        'A member runs tasks in sessions of his own; an admin may do everything. Without a role: member. !invite lets somebody in whose npub you don’t have.',
      examples: ['!owners add npub1… member'],
      role: 'admin',
      instead: 'Ask an admin to add him; !owners shows who is one.',
      kind: 'immediate',
      run: ({ owner, argument }) => {
        const [key, roleText = 'member', ...rest] = argument.split(/\s+/);
        if (rest.length > 0) throw new UsageError(`“${rest.join(' ')}” is one word too many.`);
        const role = parseChoice(roleText, 'role', roles);
        const publicKey = parseKey(key);
        if (publicKey === bot) throw new RefusalError('That is the bot itself.');
        const known = owners.find(publicKey);
        refuseConfigured(known);
        if (known?.role === 'admin' && role === 'member') {
          refuseLastAdmin(publicKey);
          takeInvitesBack(publicKey);
        }
        owners.put(publicKey, role, owner.publicKey);
        return {
          reply: `${nip19.npubEncode(publicKey)} is ${role === 'admin' ? 'an admin' : 'a member'} now.`,
        };
      },
    },
    {
      path: 'owners remove',
      parameters: '<npub|n>',
      family: 'Owners',
      summary: 'no longer listen to somebody',
      detail:
        'His tasks that run or wait are ended too, and his keys and invitations are taken back. The number is that of !owners.',
      examples: ['!owners remove npub1…', '!owners remove 3'],
      role: 'admin',
      instead: 'Ask an admin; !owners shows who is one.',
      kind: 'immediate',
      run: ({ argument }) => {
        const known = findOwner(owners, argument);
        const { publicKey } = known;
        refuseConfigured(known);
        refuseLastAdmin(publicKey);
        owners.remove(publicKey);
        settings.set(publicKey, 'dayLimit', undefined);
        takeInvitesBack(publicKey);
        deps.ownerRemoved(publicKey);
        const his = queue.list().filter((run) => run.owner === publicKey);
        for (const run of his) if (!queue.drop(run.id)) queue.stop(run.id);
        const ended = his.length === 0 ? '' : ` ${plural(his.length, 'task')} of his ended.`;
        return { reply: `${nip19.npubEncode(publicKey)} is not an owner any more.${ended}` };
      },
    },
  ];
}
