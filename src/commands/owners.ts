import * as nip19 from 'nostr-tools/nip19';
import type { Role } from '../config.ts';
import type { KnownOwner, Owners } from '../db/owners.ts';
import { parsePublicKey } from '../nostr/event.ts';
import type { PublicKey } from '../nostr/types.ts';
import { plural } from '../replies/format.ts';
import type { RunQueue } from '../runs/queue.ts';
import { parseChoice } from './arguments.ts';
import { type Command, RefusalError, UsageError } from './types.ts';

const roles: readonly Role[] = ['admin', 'member'];

/** `!owners`, `!owners add`, `!owners remove`. */
export function ownerCommands(owners: Owners, queue: RunQueue, bot: PublicKey): readonly Command[] {
  const describe = ({ publicKey, role, source }: KnownOwner) =>
    `${nip19.npubEncode(publicKey)}\n  ${role}${source === 'environment' ? ', from BOT_OWNERS' : ''}`;

  const parseKey = (text: string | undefined): PublicKey => {
    if (text === undefined || text === '') throw new UsageError('Whom? His npub is missing.');
    try {
      return parsePublicKey(text);
    } catch (cause) {
      throw new UsageError(`“${text.slice(0, 80)}” is not an npub.`, { cause });
    }
  };
  const refuseConfigured = (publicKey: PublicKey) => {
    if (owners.find(publicKey)?.source === 'environment') {
      throw new RefusalError('He is named in BOT_OWNERS, so he can only be changed there, on the host.');
    }
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
      run: () => ({ reply: owners.list().map(describe).join('\n') }),
    },
    {
      path: 'owners add',
      parameters: '<npub> [admin|member]',
      family: 'Owners',
      summary: 'let somebody command the bot, or change his role',
      detail:
        'A member runs tasks in sessions of his own; an admin may do everything. Without a role: member.',
      examples: ['!owners add npub1… member'],
      role: 'admin',
      kind: 'immediate',
      run: ({ owner, argument }) => {
        const [key, roleText = 'member', ...rest] = argument.split(/\s+/);
        if (rest.length > 0) throw new UsageError(`“${rest.join(' ')}” is one word too many.`);
        const role = parseChoice(roleText, 'role', roles);
        const publicKey = parseKey(key);
        if (publicKey === bot) throw new RefusalError('That is the bot itself.');
        refuseConfigured(publicKey);
        owners.put(publicKey, role, owner.publicKey);
        return {
          reply: `${nip19.npubEncode(publicKey)} is ${role === 'admin' ? 'an admin' : 'a member'} now.`,
        };
      },
    },
    {
      path: 'owners remove',
      parameters: '<npub>',
      family: 'Owners',
      summary: 'no longer listen to somebody',
      detail: 'His tasks that run or wait are ended too.',
      examples: ['!owners remove npub1…'],
      role: 'admin',
      kind: 'immediate',
      run: ({ argument }) => {
        const publicKey = parseKey(argument);
        if (owners.find(publicKey) === undefined) throw new RefusalError('He is not an owner; see !owners.');
        refuseConfigured(publicKey);
        owners.remove(publicKey);
        const his = queue.list().filter((run) => run.owner === publicKey);
        for (const run of his) if (!queue.drop(run.id)) queue.stop(run.id);
        const ended = his.length === 0 ? '' : ` ${plural(his.length, 'task')} of his ended.`;
        return { reply: `${nip19.npubEncode(publicKey)} is not an owner any more.${ended}` };
      },
    },
  ];
}
