import type { Database } from 'bun:sqlite';
import { createHash } from 'node:crypto';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { coded } from './node-refusals.ts';
import { enter } from './node-store.ts';
import type { Profile } from './node-types.ts';

/** An account with the node; everything in msat. */
export type Account = {
  readonly hash: string;
  /** Reserved money included. */
  readonly balance: number;
  readonly reserved: number;
  readonly total_spent: number;
  readonly total_requests: number;
  readonly mint: string;
};

export type Reservation = { readonly id: string; readonly account: string; readonly amount: number };

/** The account a token text opens: whoever has the text can compute its `sk-` key. */
export const accountHash = (token: string): string =>
  createHash('sha256').update(token, 'utf8').digest('hex');

export const available = (account: Account): number => account.balance - account.reserved;

/** Accounts and the reservations on them. Every change is one step that nothing comes between. */
export type Accounts = {
  readonly get: (hash: string) => Account | undefined;
  /** By a bearer text: an `sk-` key or the token itself. Never redeems. */
  readonly find: (bearer: string) => Account | undefined;
  /** Opens the account if it isn't open, and adds to its balance. */
  readonly credit: (hash: string, msat: number, mint: string) => Account;
  /** @throws NodeRefusal 402 */
  readonly reserve: (hash: string, msat: number) => Reservation;
  /** Ends a reservation with a charge; undefined when it had ended already. Gives what was charged. */
  readonly charge: (reservation: Reservation, msat: number) => number | undefined;
  /** `undo`: the request doesn't count. */
  readonly release: (reservation: Reservation, undo: boolean) => void;
  /** Lets go of reservations older than the node's patience; of one account, or of all. */
  readonly releaseStale: (olderThanMs: number, hash?: string) => void;
  /** What a node does that starts: no request of an earlier process is still going on. */
  readonly releaseAll: () => void;
  /** Takes the balance; false when it is not what it was. */
  readonly takeAll: (account: Account) => boolean;
  readonly giveBack: (hash: string, msat: number) => void;
};

/** @param isServing whether the request of a reservation is still being served */
export function createAccounts(
  db: Database,
  clock: Clock,
  isServing: (reservation: string) => boolean,
  profile: Profile,
): Accounts {
  const get = (hash: string): Account | undefined =>
    db.query<Account, [string]>('SELECT * FROM accounts WHERE hash = ?').get(hash) ?? undefined;
  const end = (reservation: Reservation, state: 'charged' | 'released'): boolean =>
    db.query("UPDATE reservations SET state = ? WHERE id = ? AND state = 'active'").run(state, reservation.id)
      .changes === 1;
  const release = (reservation: Reservation, undo: boolean): void =>
    db.transaction(() => {
      if (!end(reservation, 'released')) return;
      db.query(
        'UPDATE accounts SET reserved = reserved - ?, total_requests = total_requests - ? WHERE hash = ?',
      ).run(reservation.amount, undo ? 1 : 0, reservation.account);
    })();

  return {
    get,
    find: (bearer) =>
      bearer.startsWith('sk-')
        ? get(bearer.slice(3))
        : bearer.startsWith('cashu')
          ? get(accountHash(bearer))
          : undefined,
    credit: db.transaction((hash: string, msat: number, mint: string): Account => {
      db.query(
        `INSERT INTO accounts (hash, balance, mint) VALUES (?, ?, ?)
         ON CONFLICT (hash) DO UPDATE SET balance = balance + excluded.balance`,
      ).run(hash, msat, mint);
      enter(db, 'credit', msat, hash);
      const account = get(hash);
      if (!account) throw new Error('an account that was just written is gone');
      return account;
    }),
    reserve: db.transaction((hash: string, msat: number): Reservation => {
      const account = get(hash);
      if (!account || available(account) < msat) {
        const [left, reserved] = account ? [available(account), account.reserved] : [0, 0];
        throw coded(402, {
          message: `Insufficient balance: ${msat} mSats required. ${left} available. (reserved: ${reserved})`,
          type: 'insufficient_quota',
          code: 'insufficient_balance',
        });
      }
      const id = crypto.randomUUID();
      db.query(
        'UPDATE accounts SET reserved = reserved + ?, total_requests = total_requests + 1 WHERE hash = ?',
      ).run(msat, hash);
      db.query(
        "INSERT INTO reservations (id, account, amount, state, created_at) VALUES (?, ?, ?, 'active', ?)",
      ).run(id, hash, msat, clock.now());
      return { id, account: hash, amount: msat };
    }),
    charge: db.transaction((reservation: Reservation, msat: number): number | undefined => {
      if (!end(reservation, 'charged')) return undefined;
      const balance = get(reservation.account)?.balance ?? 0;
      // More than was reserved is taken as far as the balance goes, other requests' reservations included.
      const charged = msat > reservation.amount ? Math.min(balance, msat) : msat;
      db.query(
        `UPDATE accounts SET reserved = max(0, reserved - ?), balance = balance - ?, total_spent = total_spent + ?
         WHERE hash = ?`,
      ).run(reservation.amount, charged, charged, reservation.account);
      enter(db, 'spend', charged, reservation.account);
      return charged;
    }),
    release,
    releaseStale(olderThanMs, hash) {
      // Before June 2026 only a restart let go of a reservation.
      if (profile === 'legacy') return;
      const stale = db
        .query<Reservation, [number]>(
          "SELECT id, account, amount FROM reservations WHERE state = 'active' AND created_at < ?",
        )
        .all(clock.now() - olderThanMs);
      for (const reservation of stale) {
        if (hash !== undefined && reservation.account !== hash) continue;
        // Later versions renew a reservation for as long as its request is being served.
        if (profile === 'main' && isServing(reservation.id)) continue;
        release(reservation, false);
      }
    },
    releaseAll: db.transaction(() => {
      db.exec("UPDATE reservations SET state = 'released' WHERE state = 'active'");
      db.exec('UPDATE accounts SET reserved = 0');
    }),
    takeAll: (account) =>
      db
        .query('UPDATE accounts SET balance = 0 WHERE hash = ? AND balance = ? AND reserved = ?')
        .run(account.hash, account.balance, account.reserved).changes === 1,
    giveBack: (hash, msat) => {
      db.query('UPDATE accounts SET balance = balance + ? WHERE hash = ?').run(msat, hash);
    },
  };
}
