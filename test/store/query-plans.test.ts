/**
 * What is asked often must not look at all that ever was: every statement that the stores prepare is explained by SQLite, on the
 * schema as it is, and none may scan a table that grows with each task.
 */
import { Database } from 'bun:sqlite';
import { afterAll, expect, test } from 'bun:test';
import { createBench } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { createParty } from '@nostr-dm-agent/nostr/testing/forge';
import { createPaidRunStore } from '@nostr-dm-agent/routstr/books';
import { z } from 'zod';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { storesIn } from '../../src/store/open-stores.ts';
import { createOutboxStore } from '../../src/store/outbox-table.ts';

const bench = createBench();
afterAll(() => bench.end());

const step = z.object({ detail: z.string() });
/** They have a row, or many, for each task. */
const growing =
  'spend_log|proofs|operations|operation_inputs|kept_tokens|paid_runs|paid_run_evidence|runs|messages|outbox|seen_wraps|sessions';
/** Without an index, or in the order of a whole one; partial ones hold what is open. */
const wholeScan = new RegExp(`^SCAN (${growing})( USING (COVERING )?INDEX (\\w+))?$`);

/** Statements that scan, of all that `work` prepares. */
async function scansOf(work: () => unknown, db: () => Database): Promise<readonly string[]> {
  const prepared = new Set<string>();
  const original = Database.prototype.query;
  Database.prototype.query = function (this: Database, sql: string) {
    prepared.add(sql);
    return original.call(this, sql);
  } as typeof original;
  try {
    await work();
  } finally {
    Database.prototype.query = original;
  }
  expect(prepared.size).toBeGreaterThan(10);
  const partial = new Set(
    db()
      .query("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql LIKE '% WHERE %'")
      .values()
      .flat(),
  );
  return [...prepared].filter((sql) => {
    if (!/^\s*(SELECT|UPDATE|DELETE|WITH)\b/i.test(sql)) return false;
    const steps = db()
      .query(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => step.parse(row).detail);
    const scans = steps.some((detail) => {
      const [found, , , , index] = wholeScan.exec(detail) ?? [];
      return found !== undefined && (index === undefined || !partial.has(index));
    });
    // The newest few, from the end of the table.
    const fromTheEnd =
      /ORDER BY (seq|id|ts|seen_at) DESC[^)]* LIMIT/.test(sql) &&
      !steps.some((one) => one.includes('TEMP B-TREE'));
    return scans && !fromTheEnd;
  });
}

test('of the wallet, its ledger and its paid runs', async () => {
  const wallet = bench.wallet(bench.mint());
  const db = new Database(wallet.info().file, { readonly: true });
  const owner = createParty().publicKey;
  const asked = () => {
    wallet.balance();
    for (const who of [undefined, owner]) {
      const whose = who === undefined ? {} : { owner: who };
      wallet.operations({ limit: 50, ...whose });
      wallet.operations({ limit: 50, unfinished: true, ...whose });
      wallet.ledger.latest(10, who);
      wallet.ledger.spentSince(0, who);
      wallet.ledger.summary(0, who);
    }
    wallet.ledger.find(1);
    wallet.operation('abcdef');
    wallet.operationFor('key');
    wallet.askedTopUps(owner, 0);
    wallet.shares.brought(owner, 0);
    wallet.ending();
    const runs = createPaidRunStore(wallet, systemClock);
    runs.open();
    runs.news();
    runs.userKeys();
    runs.find('one');
    runs.topUpsOf('one');
    runs.bookedOn('one');
    runs.openOn('one');
    runs.settledOn('one');
    runs.atStakeSince(0, owner);
    runs.evidence('one');
    runs.answers('one');
  };
  expect(await scansOf(asked, () => db)).toEqual([]);
  db.close();
});

test('of the bot’s own database', async () => {
  const db = openDatabase(':memory:', botMigrations);
  const stores = () => {
    storesIn(db, [], { clock: systemClock, random: () => 0.5 });
    createOutboxStore(db);
    createMessageStore(db, systemClock);
  };
  expect(await scansOf(stores, () => db)).toEqual([]);
  // What a schedule reported last is asked for each time: of fifty thousand runs, 230 ms where all of them are sorted.
  const last = "SELECT * FROM runs WHERE schedule = 1 AND outcome = 'answered' ORDER BY seq DESC LIMIT 20";
  expect(db.query(`EXPLAIN QUERY PLAN ${last}`).all()).toMatchObject([
    { detail: 'SEARCH runs USING INDEX runs_of_schedule (schedule=?)' },
  ]);
  db.close();
});
