import type { RestoredFrom } from '@nostr-dm-agent/cashu-wallet/remote';
import { formatSat } from '@nostr-dm-agent/kit/sat';
import type { RunsLeft } from '@nostr-dm-agent/routstr';
import { formatAgo, plural } from '../../replies/format.ts';
import { foundText } from '../../replies/wallet-news.ts';
import { balanceLine, mintName } from '../../replies/wallet-replies.ts';

/**
 * What became of a copy that was put back: what it is, what was done since, what was replaced.
 *
 * @param left paid runs that the replaced one alone knows
 */
export function restoredFromText(restored: RestoredFrom, left: RunsLeft, now: number): string {
  const { from, kept, carried, lastEntryAt, found, check, balance } = restored;
  const age =
    lastEntryAt === undefined ? 'it was empty' : `its last entry is from ${formatAgo(now - lastEntryAt)}`;
  const came = [
    ...(carried.operations > 0 ? [`${plural(carried.operations, 'open operation')}`] : []),
    ...(carried.keptTokens > 0 ? [`${plural(carried.keptTokens, 'token')} not redeemed yet`] : []),
  ];
  return [
    `Put back from ${from}; ${age}. ${balanceLine(balance)}`,
    ...(found.length === 0 && check.spentElsewhere === 0 && check.unreachable.length === 0
      ? ['The mints know of nothing that was done since.']
      : []),
    ...found.map(foundText),
    ...check.unreachable.map(
      (mint) =>
        `${mintName(mint)} could not be asked what was done since: it is, before anything is used there.`,
    ),
    ...(kept === undefined ? [] : [`What was there is kept as ${kept}.`]),
    ...(came.length > 0 ? [`Taken over from it: ${came.join(', ')}.`] : []),
    ...(carried.unread
      ? [
          'It is damaged or of another version: what only it knew of unclaimed tokens, open payments and tokens not redeemed yet could not all be read.',
        ]
      : []),
    ...(left.runs > 0 && kept !== undefined
      ? [
          `Only it knows of ${plural(left.runs, 'paid run')} with up to ${formatSat(left.amount)} at nodes. To get that: wallet restore --from ${kept}, then start the bot.`,
        ]
      : []),
  ].join('\n');
}
