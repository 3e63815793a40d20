import type { Lock } from '@nostr-dm-agent/kit/lock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import { migrateExtension } from './table-extension.ts';
import { lockWallet } from './wallet-database.ts';
import { walletMigrations } from './wallet-tables.ts';

const row = z.object({ state: z.string(), amount: z.number() });

/** What a wallet has in its proofs, by their state, in sat. */
export type ProofSums = Readonly<Record<string, number>>;

/**
 * Brings a wallet's database to this program's version, without its words, and looks whether it is whole. For whoever has the right
 * to write to it (`lockWalletFile`), or a copy.
 *
 * @param extensions other packages' tables
 * @throws DatabaseTooNewError, KeepCopyError, SQLite's errors
 */
export function migrateWallet(
  path: string,
  extensions: Readonly<Record<string, readonly string[]>>,
): { readonly proofs: ProofSums; readonly problem: string | undefined } {
  const db = openDatabase(path, walletMigrations);
  try {
    db.transaction(() => {
      for (const [name, migrations] of Object.entries(extensions)) migrateExtension(db, name, migrations);
    }).immediate();
    const [answer] = db.query<Record<string, string>, []>('PRAGMA integrity_check(1)').values();
    const found = String(answer?.[0] ?? 'nothing');
    return { proofs: proofSumsIn(db), problem: found === 'ok' ? undefined : found };
  } finally {
    db.close();
  }
}

/** Proofs that are worth something. */
export const proofSumsIn = (db: Pick<ReturnType<typeof openDatabase>, 'query'>): ProofSums =>
  Object.fromEntries(
    db
      .query(
        "SELECT state, sum(amount) AS amount FROM proofs WHERE state <> 'spent' GROUP BY state ORDER BY state",
      )
      .all()
      .map((one) => row.parse(one))
      .map(({ state, amount }) => [state, amount]),
  );

/** Keeps everybody else from a wallet. @throws WalletInUseError */
export const lockWalletFile = (path: string): Lock => lockWallet(path);
