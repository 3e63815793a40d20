/*
 * Requests of another database with the same words: one that was lost, or whose words were restored here. Their keys follow
 * from the words, so that payments which are still under way to them are ours.
 */
import { z } from 'zod';
import { requestKey } from '../crypto/request-keys.ts';
import type { StoredRequest } from '../store/request-store.ts';
import type { Core } from '../wallet-core.ts';
import type { RequestId } from '../wallet-types.ts';

/** How long these keys are listened at after the words were restored, and one that was used. */
const lookOnMs = 7 * 24 * 3_600_000;
/** How many numbers may have been used beyond the last one that is known. */
const lookahead = 20;
const settingKey = 'older_requests';
const settingSchema = z.object({ until: z.number(), below: z.number() });

/** The words were restored: payments to requests of an earlier database may be under way. */
export function lookForOlderPayments({ store, requests, payee, clock }: Core): void {
  store.write(() => {
    const setting = { until: clock.now() + lookOnMs, below: requests.nextNumber() + lookahead };
    store.db
      .query('INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)')
      .run(settingKey, JSON.stringify(setting));
  });
  payee.onChange?.();
}

function readSetting({ store }: Core): z.infer<typeof settingSchema> {
  const row = store.db
    .query<{ value: string }, [string]>('SELECT value FROM settings WHERE key = ?')
    .get(settingKey);
  return row === null ? { until: 0, below: 0 } : settingSchema.parse(JSON.parse(row.value));
}

/** A number that no other database is thought to have used. */
export const freshNumber = (core: Core): number =>
  Math.max(core.requests.nextNumber(), readSetting(core).below);

/** Numbers that another database may have used, and whose payments are looked for. */
export function olderNumbers(core: Core): readonly number[] {
  const { until, below } = readSetting(core);
  if (until <= core.clock.now()) return [];
  return Array.from({ length: below }, (_, number) => number).filter(
    (number) => core.requests.byNumber(number) === undefined,
  );
}

/** The request that a key is of: ours, or, not written down yet, one of another database. */
export function requestOf(core: Core, publicKey: string): StoredRequest | undefined {
  const known = core.requests.byKey(publicKey);
  if (known !== undefined) return known;
  const number = olderNumbers(core).find((one) => requestKey(core.seed, one).publicKey === publicKey);
  if (number === undefined) return undefined;
  const createdAt = core.clock.now();
  return {
    number,
    id: requestKey(core.seed, number).id as RequestId,
    key: publicKey,
    topUp: undefined,
    mint: undefined,
    amount: undefined,
    owner: undefined,
    createdAt,
    watchedUntil: createdAt + lookOnMs,
    refusal: undefined,
  };
}
