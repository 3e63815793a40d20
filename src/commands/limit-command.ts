import { formatSat, parseSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { lines } from '../replies/format.ts';
import { ownerName } from '../replies/owner-name.ts';
import { type Command, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';
import { findOwner } from './owner-argument.ts';

/** `!limit`: what one owner may spend per day, beside what all together may (`!provider limit`). */
export function limitCommand({ stores: { owners, settings }, money }: CommandDeps): Command {
  const usage = (publicKey: PublicKey): string => {
    const limit = settings.get(publicKey, 'dayLimit');
    const used = money.wallet.opened() && money.routstr.usedToday(publicKey);
    const today = used === undefined ? '' : `, ${formatSat(used)} spent or at stake today`;
    return `${limit === undefined ? 'no limit' : `${formatSat(limit)} a day`}${today}`;
  };
  return {
    path: 'limit',
    parameters: '[<npub|n> <sats>/day|off]',
    family: 'Owners',
    summary: 'what one owner may spend per day: show yours, or set one (admins)',
    detail:
      'The number is that of !owners. It counts what paid runs cost since midnight, and the budgets of those that are not settled. !provider limit is for all together.',
    examples: ['!limit', '!limit 2 5000/day', '!limit npub1… off'],
    role: 'member',
    kind: 'immediate',
    run: ({ owner, argument }) => {
      if (argument === '') {
        const others = owners.list().filter(({ publicKey }) => publicKey !== owner.publicKey);
        const together = money.routstr.dayLimit();
        return lines(
          `You: ${usage(owner.publicKey)}.`,
          owner.role === 'admin' &&
            others.map(({ publicKey }) => `${ownerName(publicKey)}: ${usage(publicKey)}`),
          together !== undefined && `All together: ${formatSat(together)} a day (!provider limit).`,
        );
      }
      if (owner.role !== 'admin') {
        throw new RefusalError(
          'Limits are set by admins (!owners shows who is one). !limit alone shows yours, !spend what you used.',
        );
      }
      const [who, ...rest] = argument.split(/\s+/);
      const { publicKey } = findOwner(owners, who);
      settings.set(publicKey, 'dayLimit', parseLimit(rest.join(' ')));
      return `${ownerName(publicKey)}: ${usage(publicKey)}.`;
    },
  };
}

/** `5000/day`, `5k a day`, `5000`; undefined: none. */
function parseLimit(text: string): Sat | undefined {
  if (/^(off|none|no|0)$/i.test(text)) return undefined;
  if (text === '') throw new UsageError('How much? The amount per day is missing.');
  const limit = parseSat(text.replace(/\s*(?:\/|a\s|per\s)\s*day$/i, ''));
  if (limit === undefined) throw new UsageError(`“${text.slice(0, 24)}” is not an amount per day.`);
  return limit;
}
