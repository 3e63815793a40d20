import { rmSync } from 'node:fs';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { botMigrations } from '../store/bot-schema.ts';
import { claimDue } from '../store/instance-facts.ts';
import { createMeta } from '../store/meta-table.ts';
import { botPaths, movePathsIn } from './moved-paths.ts';
import type { Move } from './read-move.ts';

/**
 * Makes a bot's database out of a backup one that may begin: of this version, with its paths where they are now, and due to
 * claim the bot's key before it does anything (docs/design.md#one-bot-at-a-time).
 *
 * @throws DatabaseTooNewError
 */
export function prepareDatabase(path: string, moves: readonly Move[]): void {
  const db = openDatabase(path, botMigrations);
  try {
    db.transaction(() => {
      movePathsIn(db, botPaths, moves);
      createMeta(db).set(claimDue, 'restored');
    }).immediate();
    db.exec('PRAGMA journal_mode=DELETE');
  } finally {
    db.close();
  }
  // Where it came from is as it was.
  rmSync(`${path}.before-v${botMigrations.length}`, { force: true });
}
