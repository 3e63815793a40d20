/* What a home knows of itself as one of perhaps several with the bot's key (docs/design.md#one-bot-at-a-time). */
import type { Database } from 'bun:sqlite';
import type { Meta } from './meta-table.ts';

/** It has to claim the key before it does anything. `restored`: from a backup; `told`: by `start --take-over`; `moved`: on another machine than before. */
export type ClaimReason = 'restored' | 'told' | 'moved';
export const claimDue = 'claim_due';

/** Who this home is. Generation 0: it has not looked at its relays yet. `claimedAt` (Unix ms): it has claimed that generation itself. */
export type OwnInstance = {
  readonly instance: string;
  readonly generation: number;
  readonly claimedAt: number | undefined;
};

const keys = { instance: 'instance', generation: 'generation', claimedAt: 'claimed_at' } as const;

export function readInstance(meta: Meta): OwnInstance {
  const claimedAt = meta.get(keys.claimedAt) ?? '';
  return {
    instance: meta.get(keys.instance) ?? '',
    generation: Number(meta.get(keys.generation) ?? 0),
    claimedAt: claimedAt === '' ? undefined : Number(claimedAt),
  };
}

export function writeInstance(meta: Meta, { instance, generation, claimedAt }: OwnInstance): void {
  meta.set(keys.instance, instance);
  meta.set(keys.generation, String(generation));
  meta.set(keys.claimedAt, claimedAt === undefined ? '' : String(claimedAt));
}

export const dueClaim = (meta: Meta): ClaimReason | undefined => {
  const reason = meta.get(claimDue);
  return reason === 'restored' || reason === 'told' || reason === 'moved' ? reason : undefined;
};

const takenOverAt = 'taken_over_at';
/** Nothing that was written before is acted on: another one may have. Unix ms; 0: this home was always the only one. */
export const actsSince = (meta: Meta): number => Number(meta.get(takenOverAt) ?? 0);

const fencedBy = 'fenced_by';
/** Who has claimed the key since; undefined: nobody that this home knows of. */
export const knownFence = (meta: Meta): string | undefined => meta.get(fencedBy) || undefined;
export const noteFence = (meta: Meta, instance: string): void => meta.set(fencedBy, instance);

/**
 * The claim stands: this home begins where another one, of which it knows nothing since it was copied, has left off. What was
 * said before is not acted on, what was begun is not taken up, codes and links that may have been used there are void.
 */
export function beginAsSuccessor(db: Database, meta: Meta, now: number): void {
  db.transaction(() => {
    meta.set(claimDue, '');
    meta.set(fencedBy, '');
    meta.set(takenOverAt, String(now));
    meta.set('key_known', 'yes');
    db.exec("UPDATE messages SET state = 'received' WHERE state = 'acting'");
    db.exec('DELETE FROM confirmations');
    db.exec('DELETE FROM page_sessions');
    db.query('UPDATE invites SET cancelled_at = ? WHERE used_by IS NULL AND cancelled_at IS NULL').run(now);
  }).immediate();
}
