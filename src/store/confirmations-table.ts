import type { Database } from 'bun:sqlite';
import type { MintUrl, OperationId } from '@nostr-dm-agent/cashu-wallet';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { isSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { EventId, PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';

const satShape = z.custom<Sat>((value) => typeof value === 'number' && isSat(value));
const mintShape = z.string().transform((url) => url as MintUrl);
const operationShape = z.string().transform((id) => id as OperationId);

const actionShape = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('send'), amount: satShape, mint: mintShape, key: z.string() }),
  z.object({ kind: z.literal('withdraw'), operation: operationShape, amount: satShape }),
  z.object({
    kind: z.literal('move'),
    withdrawal: operationShape,
    topUp: operationShape,
    amount: satShape,
    mint: mintShape,
  }),
]);

/** Something that moves money out, and waits for its owner's word. */
export type ProposedAction = z.infer<typeof actionShape>;

export type Confirmations = {
  /** A code that this owner has not been given lately. */
  readonly newCode: (owner: PublicKey) => string;
  /** To be part of the transaction that stores the reply with the code. */
  readonly propose: (owner: PublicKey, code: string, action: ProposedAction, expiresAt: number) => void;
  /**
   * What the code stands for; it is used up with this. The same message gets the same answer again, so that what a
   * restart cut off can go on.
   */
  readonly take: (owner: PublicKey, code: string, message: EventId) => Taken;
  /** Whether a code of theirs can still be sent. */
  readonly waiting: (owner: PublicKey) => boolean;
};
export type Taken =
  | { readonly state: 'taken'; readonly action: ProposedAction }
  | { readonly state: 'unknown' | 'expired' | 'used' };

const row = rowOf({
  action: jsonText(actionShape),
  expiresAt: z.number(),
  takenBy: nullable(z.string()),
});

/** Codes are told apart from new ones for so long. */
const rememberedMs = 24 * 3_600_000;

/** @param random uniform in [0, 1) */
export function createConfirmations(db: Database, clock: Clock, random: () => number): Confirmations {
  const find = select(db, 'SELECT * FROM confirmations WHERE owner = ? AND code = ?', row).one;
  const waiting = select(
    db,
    'SELECT * FROM confirmations WHERE owner = ? AND expires_at > ? AND taken_by IS NULL LIMIT 1',
    row,
  );
  const insert = change(
    db,
    'INSERT INTO confirmations (owner, code, action, expires_at) VALUES (?, ?, ?, ?)',
  );
  const mark = change(db, 'UPDATE confirmations SET taken_by = ? WHERE owner = ? AND code = ?');
  const prune = change(db, 'DELETE FROM confirmations WHERE expires_at < ?');

  const take = db.transaction((owner: PublicKey, code: string, message: EventId): Taken => {
    const found = find(owner, code);
    if (found === undefined) return { state: 'unknown' };
    if (found.takenBy === message) return { state: 'taken', action: found.action };
    if (found.takenBy !== undefined) return { state: 'used' };
    if (found.expiresAt <= clock.now()) return { state: 'expired' };
    mark(message, owner, code);
    return { state: 'taken', action: found.action };
  });
  const newCode = (owner: PublicKey): string => {
    const code = String(1000 + Math.floor(random() * 9000));
    return find(owner, code) === undefined ? code : newCode(owner);
  };
  return {
    newCode,
    propose: (owner, code, action, expiresAt) => {
      prune(clock.now() - rememberedMs);
      insert(owner, code, JSON.stringify(action), expiresAt);
    },
    take: (owner, code, message) => take.immediate(owner, code, message),
    waiting: (owner) => waiting.one(owner, clock.now()) !== undefined,
  };
}
