import type { PublicKey } from '@nostr-dm-agent/nostr';
import { parsePublicKey } from '@nostr-dm-agent/nostr';
import type { KnownOwner, Owners } from '../store/owners-table.ts';
import { RefusalError, UsageError } from './command.ts';

/** An npub, or a public key in hex. @throws UsageError */
export function parseKey(text: string | undefined): PublicKey {
  if (text === undefined || text === '') throw new UsageError('Whom? Their npub is missing.');
  try {
    return parsePublicKey(text);
  } catch (cause) {
    throw new UsageError(`“${text.slice(0, 80)}” is not an npub.`, { cause });
  }
}

/** An owner by their npub, or by their number in an admin's `!owners`. @throws UsageError, RefusalError */
export function findOwner(owners: Owners, text: string | undefined): KnownOwner {
  const list = owners.list();
  if (text !== undefined && /^#?\d{1,3}$/.test(text)) {
    const found = list[Number(text.replace('#', '')) - 1];
    if (found === undefined) throw new UsageError(`There is no owner ${text}; !owners lists them.`);
    return found;
  }
  const publicKey = parseKey(text);
  const found = list.find((owner) => owner.publicKey === publicKey);
  if (found === undefined) throw new RefusalError('That is not an owner; see !owners.');
  return found;
}
