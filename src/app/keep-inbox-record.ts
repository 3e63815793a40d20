import { every } from '@nostr-dm-agent/kit/timers';
import type { InboxStats, OutboxStatus } from '@nostr-dm-agent/nostr';
import { saveInboxRecord } from '../store/inbox-record.ts';
import type { Meta } from '../store/meta-table.ts';
import type { Basics } from './basics.ts';

const EVERY_MS = 5_000;

/** Writes down what was turned away, and by whom the bot is, when there is news: `doctor` runs in another process. */
export function keepInboxRecord(
  meta: Meta,
  stats: () => Pick<InboxStats, 'rejected'>,
  refusing: () => OutboxStatus['refusing'],
  startedAt: number,
  { log, stopping: signal }: Pick<Basics, 'log' | 'stopping'>,
): void {
  let saved = '';
  every(EVERY_MS, { name: 'the record of the inbox', log, signal }, () => {
    const { rejected } = stats();
    const found = { since: startedAt, rejected, refusing: [...refusing()] };
    const now = JSON.stringify(found);
    if (now === saved) return;
    saveInboxRecord(meta, found);
    saved = now;
  });
}
