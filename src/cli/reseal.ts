import { join } from 'node:path';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { LockHeldError } from '@nostr-dm-agent/kit/lock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { BotKeyError, isEncryptedKey, readBotKey } from '../config/bot-key.ts';
import { type ConfiguredOptions, configured } from '../config/configured.ts';
import { createSealer, type Sealer } from '../keys/seal.ts';
import { addResealed, type Resealed, resealAll, resealed } from '../keys/sealed-connections.ts';
import { connectionSeal } from '../money/auto-top-up-plan.ts';
import { type AutoTopUpStore, createAutoTopUpStore } from '../store/auto-top-up-table.ts';
import { botMigrations } from '../store/bot-schema.ts';
import { createConnectionStore } from '../store/connections-table.ts';
import { lockHome } from '../store/lock-home.ts';

/**
 * `reseal`: after the bot was given another key, seals what the old one (`BOT_KEY_OLD`, opened with
 * `BOT_KEY_OLD_PASSWORD` when it is an ncryptsec1…) had sealed. All in one transaction; may be repeated.
 *
 * @returns the exit code: 0 done, 1 when the bot runs or something stays locked, 2 when a key can't be used
 */
export async function reseal(
  options: ConfiguredOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const result = await configured(options);
  if (result === undefined) return 2;
  const { config } = result;
  const old = environment.BOT_KEY_OLD?.trim() ?? '';
  if (old === '') return say(2, 'BOT_KEY_OLD is not set: it must be the key that the bot had before.');
  let from: Awaited<ReturnType<typeof readBotKey>>;
  try {
    from = await readBotKey(old, isEncryptedKey(old) ? environment.BOT_KEY_OLD_PASSWORD : undefined);
  } catch (error) {
    if (!(error instanceof BotKeyError)) throw error;
    return say(2, `BOT_KEY_OLD can't be used (${error.reason}). Encrypted keys need BOT_KEY_OLD_PASSWORD.`);
  }
  if (from.publicKey === config.identity.publicKey) {
    return say(2, 'BOT_KEY_OLD is the key that the bot has now. Put the new one into .env first.');
  }
  try {
    return resealIn(config.home, createSealer(from.secretKey), createSealer(config.identity.secretKey));
  } catch (error) {
    if (error instanceof LockHeldError) return say(1, 'The bot is running. Stop it first, then reseal.');
    throw error;
  }
}

/** @throws LockHeldError */
function resealIn(home: string, before: Sealer, now: Sealer): number {
  const lock = lockHome(home);
  try {
    const db = openDatabase(join(home, 'bot.db'), botMigrations);
    try {
      const store = createConnectionStore(db, systemClock);
      const counts = db
        .transaction(() =>
          addResealed(resealAll(store, before, now), resealSource(createAutoTopUpStore(db), before, now)),
        )
        .immediate();
      const text = `Resealed: ${counts.resealed}. Sealed with the present key already: ${counts.already}. Locked: ${counts.locked}.`;
      return counts.locked === 0
        ? say(0, text)
        : say(1, `${text}\nNeither key opens those: their owners have to connect them again.`);
    } finally {
      db.close();
    }
  } finally {
    lock.release();
  }
}

/** The connection to an owner's wallet. */
function resealSource(store: AutoTopUpStore, before: Sealer, now: Sealer): Resealed {
  const source = store.source();
  if (source === undefined) return { resealed: 0, already: 0, locked: 0 };
  return resealed(source.connection, connectionSeal(source.owner), before, now, store.reseal);
}

/** To standard output when it went well. */
function say(code: number, text: string): number {
  (code === 0 ? process.stdout : process.stderr).write(`${text}\n`);
  return code;
}
