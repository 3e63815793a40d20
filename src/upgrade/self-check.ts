import { Database } from 'bun:sqlite';
import { existsSync } from 'node:fs';
import { migrateWallet, type ProofSums, proofSumsIn } from '@nostr-dm-agent/cashu-wallet/remote';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { paidRunTables } from '@nostr-dm-agent/routstr/books';
import { z } from 'zod';
import { botMigrations } from '../store/bot-schema.ts';

/** A bot's databases. */
export type Databases = { readonly bot: string; readonly wallets: readonly string[] };

/** What is in them that an upgrade must not change: sat in proofs by state, and how many there are of what. */
export const contentSchema = z.object({
  proofs: z.array(z.record(z.string(), z.number())),
  counts: z.record(z.string(), z.number()),
});
export type Content = z.infer<typeof contentSchema>;

const countRow = z.object({ n: z.number() });
/** Of `bot.db`. */
const counted = ['sessions', 'runs', 'messages', 'owners'];

function look<T>(path: string, read: (db: Database) => T): T {
  const db = new Database(path, { readonly: true });
  try {
    db.exec('PRAGMA busy_timeout=5000');
    return read(db);
  } finally {
    db.close();
  }
}

const hasTable = (db: Database, name: string): boolean =>
  db.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(name) !== null;

/** Of a database and of others' tables in it. @throws SQLite's errors */
export const versionsOf = (path: string): readonly unknown[] =>
  look(path, (db) => [
    db.query('PRAGMA user_version').values(),
    hasTable(db, 'extensions') ? db.query('SELECT name, version FROM extensions ORDER BY name').values() : [],
  ]);

/** What changes with whatever is done in a database, of the bot's or a wallet's. */
const marks: Readonly<Record<string, string>> = {
  messages: 'count(*), max(seq)',
  runs: 'count(*), max(seq), max(ended_at)',
  outbox: 'count(*), max(seq)',
  sessions: 'count(*), max(used_at)',
  operations: 'count(*), max(updated_at), total(open)',
  proofs: "count(*), total(amount), total(state = 'ready')",
  counters: 'count(*), total(next)',
  kept_tokens: 'count(*), max(updated_at)',
  paid_runs: 'count(*), max(updated_at), total(open)',
};
/** By the tables that there are. @throws SQLite's errors */
export const marksOf = (path: string): ReadonlyMap<string, unknown> =>
  look(
    path,
    (db) =>
      new Map(
        Object.entries(marks)
          .filter(([table]) => hasTable(db, table))
          .map(([table, columns]) => [table, db.query(`SELECT ${columns} FROM ${table}`).values()]),
      ),
  );

/** @throws SQLite's errors */
export function contentOf({ bot, wallets }: Databases): Content {
  const counts = existsSync(bot)
    ? look(bot, (db) =>
        counted.map(
          (table) => [table, countRow.parse(db.query(`SELECT count(*) AS n FROM ${table}`).get()).n] as const,
        ),
      )
    : [];
  return {
    proofs: wallets.filter(existsSync).map((path): ProofSums => look(path, proofSumsIn)),
    counts: Object.fromEntries(counts),
  };
}

/**
 * What a version does first on an upgrade, on copies and then on the databases themselves: everything of it is loaded, they are
 * brought to it, and found whole. In a process of its own, of that version.
 *
 * @throws whatever keeps it from running here
 */
export async function selfCheck(databases: Databases): Promise<Content> {
  await import('../app/assemble.ts');
  const { bot, wallets } = databases;
  if (existsSync(bot)) {
    const db = openDatabase(bot, botMigrations);
    try {
      const [[found] = []] = db.query('PRAGMA integrity_check(1)').values();
      if (found !== 'ok') throw new Error(`${bot} is damaged: ${String(found)}`);
    } finally {
      db.close();
    }
  }
  for (const path of wallets.filter(existsSync)) {
    const { problem } = migrateWallet(path, { paid_runs: paidRunTables });
    if (problem !== undefined) throw new Error(`${path} is damaged: ${problem}`);
  }
  return contentOf(databases);
}
