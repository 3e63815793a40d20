import { jsonText } from '@nostr-dm-agent/kit/json';
import { z } from 'zod';
import type { Meta } from './meta-table.ts';
import { relayUrlColumn } from './nostr-columns.ts';

/**
 * What the running bot leaves for `doctor`: how many messages it turned away since its start, by reason, and which relays take
 * none of its own.
 */
const record = z.object({
  since: z.number(),
  rejected: z.record(z.string(), z.number()),
  refusing: z.array(z.object({ url: relayUrlColumn, said: z.string(), times: z.number() })).default([]),
});
export type InboxRecord = z.infer<typeof record>;

const key = 'inbox_record';

export const saveInboxRecord = (meta: Meta, found: InboxRecord): void => meta.set(key, JSON.stringify(found));

/** Undefined when there is none, or one of another version. */
export const inboxRecordIn = (meta: Meta): InboxRecord | undefined =>
  jsonText(record).safeParse(meta.get(key)).data;
