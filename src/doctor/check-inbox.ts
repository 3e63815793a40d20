import { Database } from 'bun:sqlite';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { messageOf } from '../replies/format.ts';
import { refusedLine } from '../replies/refusal-replies.ts';
import { refusingLines } from '../replies/relay-replies.ts';
import { type InboxRecord, inboxRecordIn } from '../store/inbox-record.ts';
import { createMeta } from '../store/meta-table.ts';
import type { Finding } from './finding.ts';

const subject = 'messages';

/** What the bot has turned away, and which relays take none of its own. */
export function inboxFindings(
  record: Pick<InboxRecord, 'since' | 'rejected' | 'refusing'>,
): readonly Finding[] {
  const since = `since the start at ${new Date(record.since).toISOString()}`;
  const refused = refusedLine(record);
  return [
    {
      subject,
      state: 'ok',
      fact: refused === undefined ? `none was turned away ${since}` : `${refused} (${since})`,
    },
    ...refusingLines(record.refusing).map((fact) => ({
      subject: 'replies',
      state: 'warning' as const,
      fact,
      remedy: 'see what the relay wants, or read by another: in BOT_RELAYS, or in the owner’s inbox list',
    })),
  ];
}

/** What the bot has turned away since its last start, as it wrote down itself. */
export function checkInbox({ home }: Pick<Config, 'home'>): readonly Finding[] {
  const path = join(home, 'bot.db');
  if (!existsSync(path)) return [];
  try {
    using db = new Database(path, { readonly: true });
    const record = inboxRecordIn(createMeta(db));
    return record === undefined ? [] : inboxFindings(record);
  } catch (cause) {
    // Damaged, or of another version: the start says what to do about that.
    return [
      {
        subject,
        state: 'warning',
        fact: `${path} can’t be read: ${messageOf(cause)}`,
        remedy: 'see what the start says',
      },
    ];
  }
}
