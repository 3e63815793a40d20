import type { PublicKey } from '@nostr-dm-agent/nostr';
import * as nip19 from 'nostr-tools/nip19';
import { newInviteCode, showInviteCode } from '../access/invite-code.ts';
import { formatAgo, formatDuration, lines, plural } from '../replies/format.ts';
import { ownerName } from '../replies/owner-name.ts';
import { type Invite, inviteMs, mostInvites } from '../store/invites-table.ts';
import { parseCount } from './arguments.ts';
import { type Command, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

const instead = 'Ask an admin to invite them; !owners shows who is one.';

/** `!invite`, `!invite list`, `!invite cancel`. */
export const inviteCommands = ({
  bot,
  stores: { invites },
  randomBytes,
  clock,
}: CommandDeps): readonly Command[] => [
  {
    path: 'invite',
    parameters: '[member]',
    family: 'Owners',
    summary: 'a code with which somebody becomes a member',
    detail:
      'They send it to the bot as their first message. It works once, for a day, and is shown only now. You are told who used it.',
    examples: ['!invite'],
    role: 'admin',
    instead,
    kind: 'immediate',
    run: ({ owner, argument }) => {
      if (/^admin$/i.test(argument)) {
        throw new RefusalError(
          'A code makes members only: whoever gets hold of it is let in. Then: !owners add <npub> admin.',
        );
      }
      if (argument !== '' && !/^member$/i.test(argument)) {
        throw new UsageError(`“${argument.slice(0, 24)}” is not a role.`);
      }
      if (invites.open().length >= mostInvites) {
        throw new RefusalError(
          `There are ${mostInvites} open invitations already: !invite list shows them, !invite cancel <n> takes one back.`,
        );
      }
      const code = newInviteCode(randomBytes);
      invites.add(code, owner.publicKey);
      const hours = inviteMs / 3_600_000;
      return {
        reply: `Pass this on to one person. Sent as the first message to ${nip19.npubEncode(bot.publicKey)} it makes them a member, once, within ${hours} h:`,
        also: [
          showInviteCode(code),
          'I’ll tell you who came. !invite list shows open invitations, !invite cancel takes them back.',
        ],
      };
    },
  },
  {
    path: 'invite list',
    family: 'Owners',
    summary: 'invitations that nobody has used yet',
    role: 'admin',
    instead,
    kind: 'immediate',
    run: ({ owner }) => {
      const open = invites.open();
      if (open.length === 0) return 'No invitation is open. !invite makes one.';
      return lines(
        open.map((invite) => `${invite.id}. ${inviteLine(invite, owner.publicKey, clock.now())}`),
        '!invite cancel <n> takes one back, !invite cancel all of them.',
      );
    },
  },
  {
    path: 'invite cancel',
    parameters: '[n]',
    family: 'Owners',
    summary: 'take an invitation back, or all of them',
    detail: 'The number is that of !invite list.',
    examples: ['!invite cancel', '!invite cancel 2'],
    role: 'admin',
    instead,
    kind: 'immediate',
    run: ({ argument }) => {
      const open = invites.open();
      if (open.length === 0) return 'No invitation is open; nothing was taken back.';
      // Its own number: another one that is used or lapses meanwhile leaves it what it was.
      const number = argument === '' ? undefined : parseCount(argument, 'number of the list', 1_000_000);
      const chosen = open.filter(({ id }) => number === undefined || id === number);
      if (chosen.length === 0)
        throw new RefusalError(`No invitation ${number} is open; !invite list shows those that are.`);
      for (const { id } of chosen) invites.cancel(id);
      const left = open.length - chosen.length;
      return `${plural(chosen.length, 'invitation')} taken back, ${left === 0 ? 'none is' : `${left} still`} open.`;
    },
  },
];

const inviteLine = ({ createdBy, createdAt, expiresAt }: Invite, me: PublicKey, now: number): string =>
  `made ${formatAgo(now - createdAt)} by ${createdBy === me ? 'you' : ownerName(createdBy)}, good for ${formatDuration(expiresAt - now)}`;
