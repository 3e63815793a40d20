import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { EventId, RelayUrl } from '@nostr-dm-agent/nostr';
import { createParty } from '@nostr-dm-agent/nostr/testing/forge';
import { forgetOnce } from '../../src/app/forget-history.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { storesIn } from '../../src/store/open-stores.ts';
import { fillHome } from './big-home.ts';
import { type Figures, median, taking } from './figures.ts';

const hash = (text: string) => new Bun.CryptoHasher('sha256').update(text).digest('hex') as EventId;

/** Forgetting what is old of so many messages and runs, and what `ids` that stay for ever cost. */
export async function measureHistory(
  { messages, ids }: { readonly messages: number; readonly ids: number },
  figures: Figures,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'scale-history-'));
  const file = join(folder, 'bot.db');
  try {
    openDatabase(file, botMigrations).close();
    const people = Array.from({ length: 100 }, () => createParty().publicKey);
    const now = Date.now();
    fillHome(file, { messages, runs: messages, sent: 0 }, { owners: people, directory: '/app', now });
    const db = openDatabase(file, botMigrations);
    const clock = { now: () => now };
    const { history } = storesIn(db, [], { clock, random: () => 0.5 });
    const mebibytes = (): number => {
      db.run('PRAGMA wal_checkpoint(TRUNCATE)');
      return statSync(file).size / 1024 / 1024;
    };
    const count = (table: string): number =>
      Number(db.query(`SELECT count(*) FROM ${table}`).values()[0]?.[0]);
    const before = { size: mebibytes(), messages: count('messages'), runs: count('runs') };
    const parts: number[] = [];
    const timed =
      <A extends unknown[], T>(work: (...given: A) => T): ((...given: A) => T) =>
      (...given) => {
        const begun = performance.now();
        const result = work(...given);
        parts.push(performance.now() - begun);
        return result;
      };
    const forgetter = {
      messages: timed(history.messages),
      runs: timed(history.runs),
      files: timed(history.files),
    };
    // Two thirds of what there is.
    const cut = now - (messages * 6_048) / 3;
    const all = await taking(() => forgetOnce(forgetter, cut, async () => undefined));
    figures.add('messages forgotten', before.messages - count('messages'), '');
    figures.add('runs forgotten', before.runs - count('runs'), '');
    figures.add('all of it, without its pauses', all, 'ms');
    figures.add('one part of 200, median', median(parts), 'ms', 50);
    figures.add('one part of 200, slowest', Math.max(...parts), 'ms', 1_000);
    figures.add('bot.db before', before.size, 'MiB');
    db.run('VACUUM');
    figures.add('what is in it after', mebibytes(), 'MiB');
    figures.add(
      'again, when there is nothing',
      await taking(() => forgetOnce(history, cut, async () => undefined)),
      'ms',
      100,
    );

    const size = mebibytes();
    const add = db.query(
      'INSERT OR IGNORE INTO forgotten_messages (id) SELECT unhex(value) FROM json_each(?)',
    );
    for (let n = 0; n < ids; n += 10_000)
      db.transaction(() =>
        add.run(
          JSON.stringify(Array.from({ length: Math.min(10_000, ids - n) }, (_, k) => hash(`${n + k}`))),
        ),
      )();
    figures.add('an id that stays', ((mebibytes() - size) * 1024 * 1024) / ids, 'bytes', 64);
    const store = createMessageStore(db, clock);
    const relay = 'wss://relay.example/' as RelayUrl;
    const inserts: number[] = [];
    for (let n = 0; n < 200; n += 1) {
      const [message, wrap] = [hash(`message ${n}`), hash(`wrap ${n}`)];
      const sender = people[0] ?? createParty().publicKey;
      const given = {
        id: message,
        sender,
        protocol: 'nip17',
        kind: 14,
        text: 'x',
        references: [],
        createdAt: 1,
        relay,
      } as const;
      inserts.push(await taking(() => store.insert(given, wrap, 'received')));
    }
    figures.add(`a message is stored, ${ids.toLocaleString('en-US')} forgotten`, median(inserts), 'ms', 10);
    db.close();
    figures.print('History that is forgotten');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
