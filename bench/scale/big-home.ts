import { Database } from 'bun:sqlite';

export type HomeSize = { readonly messages: number; readonly runs: number; readonly sent: number };

/** How far apart two tasks are: 100,000 in a week. */
const apartMs = 6_048;

/** Fills `bot.db`, which nobody has open, as a bot with these owners leaves it after so many tasks. */
export function fillHome(
  file: string,
  { messages, runs, sent }: HomeSize,
  { owners, directory, now }: { owners: readonly string[]; directory: string; now: number },
): void {
  const db = new Database(file);
  try {
    db.run('PRAGMA synchronous = OFF');
    db.run('PRAGMA cache_size = -200000');
    db.run('CREATE TEMP TABLE people (n INTEGER PRIMARY KEY, key TEXT NOT NULL)');
    const person = db.query('INSERT INTO people VALUES (?, ?)');
    db.transaction(() => {
      owners.forEach((key, n) => {
        person.run(n, key);
      });
      const numbers = (count: number) =>
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;
      const whose = `CASE WHEN i % 4 = 0 THEN 0 ELSE (i * 7919) % ${owners.length} END`;
      const owner = `(SELECT key FROM people WHERE n = ${whose})`;
      const at = (count: number) => `${now} - (${count} - i) * ${apartMs}`;
      const id = (name: string) => `printf('${name}%062x', i)`;
      db.run(
        `INSERT OR IGNORE INTO owners (pubkey, role, added_by, added_at) SELECT key, 'member', key, ${now} FROM people WHERE n > 0`,
      );
      db.run(`INSERT INTO sessions (id, owner, workspace, directory, backend, mode, title, backend_session, created_at, used_at)
        SELECT 's' || n || '-' || k, key, 'app', '${directory}', 'opencode', 'agent', 'Fix the parser', 'ses_' || n, ${now}, ${now} - k
        FROM people, (SELECT 0 AS k UNION SELECT 1 UNION SELECT 2 UNION SELECT 3)`);
      db.run(`${numbers(messages)}
        INSERT INTO messages (id, sender, protocol, kind, text, refs, created_at_s, relay, received_at, state)
        SELECT ${id('aa')}, ${owner}, 'nip17', 14, 'Fix the parser so that it reads empty lines, and add a test for it please. '
          || hex(zeroblob(100)), '[]', (${at(messages)}) / 1000, 'ws://127.0.0.1:1/', ${at(messages)}, 'done' FROM n`);
      db.run(`${numbers(runs)}
        INSERT INTO runs (id, owner, session, message, message_kind, protocol, fallback_relays, task, mode, provider, state,
          outcome, answer, result, queued_at, started_at, ended_at)
        SELECT ${id('r')}, ${owner}, 's' || (${whose}) || '-' || (i % 4), ${id('aa')}, 14, 'nip17', '[]',
          'Fix the parser so that it reads empty lines, and add a test for it please.', 'agent', 'routstr', 'done', 'answered',
          'Done: ' || hex(zeroblob(400)),
          '{"steps":5,"tools":{"edit":2},"tokens":{"input":9,"output":9,"reasoning":0,"cacheRead":0,"cacheWrite":0},"unknownEvents":0,"limits":[],"newGit":[]}',
          ${at(runs)}, ${at(runs)}, ${at(runs)} + 5000 FROM n`);
      db.run(`${numbers(sent)}
        INSERT INTO outbox (message_id, recipient, protocol, content, state, attempts, created_at, fallback_relays, deliveries, event, seal)
        SELECT ${id('bb')}, ${owner}, 'nip17', 'text', 'sent', 1, ${at(sent)}, '[]', '{}',
          json_object('content', hex(zeroblob(900))), json_object('content', hex(zeroblob(600))) FROM n`);
      db.run(
        `${numbers(messages)} INSERT INTO seen_wraps (id, seen_at) SELECT ${id('cc')}, ${at(messages)} FROM n`,
      );
    })();
    db.run('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    db.close();
  }
}
