import type { LogEntryFacts, LogFacts } from '@nostr-dm-agent/page';
import { formatAgo, lines, shorten } from './format.ts';

const signs: Record<LogEntryFacts['level'], string> = { debug: '·', info: '·', warn: '⚠', error: '✗' };

/** For a phone: newest last, as one reads on from there. */
export function logText({ entries, hasMore }: LogFacts, now: number): string {
  if (entries.length === 0)
    return hasMore ? 'Nothing like that in the last of the log.' : 'The log has nothing like that.';
  return lines(
    ...entries.toReversed().map(({ at, level, message, facts }) => {
      const told = facts.map(([name, text]) => `${name} ${shorten(text, 120)}`).join(' · ');
      return shorten(`${signs[level]} ${formatAgo(now - at)} · ${message}${told && ` · ${told}`}`, 400);
    }),
  );
}
