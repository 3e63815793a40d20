import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { InviteFacts, OwnerFacts, Visitor } from '@nostr-dm-agent/page';
import { npubEncode } from 'nostr-tools/nip19';
import type { CommandDeps } from '../commands/command-deps.ts';
import type { Stores } from '../store/open-stores.ts';

export type OwnerFactsDeps = {
  readonly owners: Pick<Stores['owners'], 'list'>;
  readonly invites: Pick<Stores['invites'], 'open'>;
  readonly settings: Pick<Stores['settings'], 'get'>;
  readonly money: CommandDeps['money'];
  readonly clock: Clock;
};

/** Who may command the bot, and whom an admin has asked in. For admins. */
export const createOwnerFacts = ({ owners, invites, settings, money }: OwnerFactsDeps) => ({
  owners: (visitor: Visitor): readonly OwnerFacts[] => {
    const hasWallet = money.wallet.opened() !== undefined;
    return owners.list().map((owner) => ({
      npub: npubEncode(owner.publicKey),
      role: owner.role,
      configured: owner.source === 'environment',
      you: owner.publicKey === visitor.publicKey,
      limit: settings.get(owner.publicKey, 'dayLimit'),
      used: hasWallet ? money.routstr.usedToday(owner.publicKey) : undefined,
      added: owner.source === 'command' ? { by: npubEncode(owner.addedBy), at: owner.addedAt } : undefined,
    }));
  },
  invites: (): readonly InviteFacts[] =>
    invites.open().map(({ id, createdBy, createdAt, expiresAt }) => ({
      ...{ number: id, by: npubEncode(createdBy), madeAt: createdAt, expiresAt },
    })),
});
