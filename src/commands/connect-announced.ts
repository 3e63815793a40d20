import type { PublicKey } from '@nostr-dm-agent/nostr';
import { announcedProvider } from '../keys/announced/announced-provider.ts';
import type { Announcement, AnnouncerAddress } from '../keys/announced/announcement.ts';
import { announcementText, leadsToText, unreadText } from '../replies/announced-replies.ts';
import { lines } from '../replies/format.ts';
import { type FullReply, RefusalError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';
import { offerKey, replaceWithProposed } from './offer-key.ts';

/**
 * `!provider connect https://corp.example`: opencode would run a command of the address's choice to get the key. The owner
 * is shown it, and brings what it prints; nothing that an address says is run, by anybody but them.
 * @throws RefusalError
 */
export async function connectAnnounced(
  deps: CommandDeps,
  owner: PublicKey,
  {
    address,
    key,
    replace,
  }: { readonly address: AnnouncerAddress; readonly key: string; readonly replace: boolean },
  signal: AbortSignal,
): Promise<FullReply> {
  const { connections } = deps;
  const { id } = address;
  if (key === '' && replace)
    return replaceWithProposed(deps, owner, connections.entryOf(owner, id) ?? { id, name: id });
  const announcement = await found(deps, address, signal);
  const { announced } = announcement;
  const provider = announcedProvider(id, announced);
  if (key === '') {
    const isThere = connections.store.get(owner, id)?.status === 'connected';
    return { reply: announcementText(provider, announcement, isThere) };
  }
  const kept = { type: 'wellknown', token: key, announced } as const;
  const offered = await offerKey(deps, owner, { provider, kind: 'wellknown', key, kept, replace }, signal);
  return { ...offered, reply: lines(offered.reply, leadsToText(announced)) };
}

async function found(
  { connections }: CommandDeps,
  address: AnnouncerAddress,
  signal: AbortSignal,
): Promise<Announcement> {
  const announcement = await connections.announcement(address, signal);
  if (announcement.state === 'good') return announcement;
  throw new RefusalError(unreadText(address, announcement));
}
