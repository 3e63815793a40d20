import { Database } from 'bun:sqlite';

export type WalletSize = {
  /** Rows of the ledger, each with its paid run, its two operations and two spent proofs of each. */
  readonly runs: number;
  /** Of how many there are the operations and the proofs: theirs are most of the bytes. */
  readonly withOperations: number;
  readonly ready: number;
};

/** How far apart two paid runs are: 100,000 in a week. */
const apartMs = 6_048;

/**
 * Fills the database of a wallet, which nobody has open, by SQL and in one transaction: what each row says depends on its
 * number alone, so it is the same each time. Every fourth run is the first owner's.
 */
export function fillWallet(
  file: string,
  { runs, withOperations, ready }: WalletSize,
  { mint, keyset, owners, now }: { mint: string; keyset: string; owners: readonly string[]; now: number },
): void {
  const db = new Database(file);
  try {
    db.run('PRAGMA synchronous = OFF');
    db.run('PRAGMA cache_size = -400000');
    db.run('PRAGMA temp_store = MEMORY');
    db.run('CREATE TEMP TABLE people (n INTEGER PRIMARY KEY, key TEXT NOT NULL)');
    const person = db.query('INSERT INTO people VALUES (?, ?)');
    db.transaction(() => {
      owners.forEach((key, n) => {
        person.run(n, key);
      });
      const numbers = (count: number, from = 1) =>
        `WITH RECURSIVE n (i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i < ${from + count - 1})`;
      const owner = `(SELECT key FROM people WHERE n = CASE WHEN i % 4 = 0 THEN 0 ELSE (i * 7919) % ${owners.length} END)`;
      const at = `${now} - (${runs} - i) * ${apartMs}`;
      const model = `CASE i % 5 WHEN 0 THEN 'openai/gpt-5' WHEN 1 THEN 'deepseek/deepseek-v3' ELSE 'anthropic/claude-sonnet-4' END`;
      db.run(`${numbers(runs)}
        INSERT INTO spend_log (id, ts, provider, budget_sats, refund_sats, spent_sats, fee_sats, model, session_id,
          prompt_prefix, state, node_url, owner)
        SELECT i, ${at}, 'routstr', 2000, 1999 - (i * 37) % 1500, (i * 37) % 1500, 1, ${model}, 's' || (i % 4000),
          'Fix the parser so that it reads empty lines, and add a test for it please ' || i, 'settled',
          'https://node.example', ${owner} FROM n`);
      db.run(`${numbers(withOperations, runs - withOperations + 1)}
        INSERT INTO operations (id, kind, state, open, mint, amount, fee, note, data, created_at, updated_at)
        SELECT 'send' || i, 'send', 'claimed', 0, '${mint}', 2000, 0, 'run r' || i,
          json_object('token', 'cashuB' || hex(zeroblob(600)), 'outputs', json_array(hex(zeroblob(200)))), ${at}, ${at} FROM n`);
      db.run(`${numbers(withOperations, runs - withOperations + 1)}
        INSERT INTO operations (id, kind, state, open, mint, amount, fee, note, data, created_at, updated_at)
        SELECT 'receive' || i, 'receive', 'done', 0, '${mint}', 1999 - (i * 37) % 1500, 1, 'change of run r' || i,
          json_object('kept', i, 'outputs', json_array(hex(zeroblob(300)))), ${at}, ${at} FROM n`);
      const proof = (amount: string) =>
        `json_object('id', '${keyset}', 'amount', ${amount}, 'secret', lower(hex(randomblob(32))),
           'C', '02' || lower(hex(randomblob(32))), 'dleq', json_object('e', lower(hex(randomblob(32))), 's', lower(hex(randomblob(32)))))`;
      const spent = (name: string, origin: string, amount: string, by: string) =>
        db.run(`${numbers(withOperations, runs - withOperations + 1)}
          INSERT INTO proofs (y, mint, keyset, amount, proof, state, operation, origin, created_at)
          SELECT '${name}' || i, '${mint}', '${keyset}', ${amount}, ${proof(amount)}, 'spent', ${by}, ${origin}, ${at} FROM n`);
      // What a send put in, and what it gave away; what a receipt brought was put in by a later send.
      spent('in', 'NULL', '2000', `'send' || i`);
      spent('out', `'send' || i`, '2000', `'send' || i`);
      spent('back', `'receive' || i`, '1999 - (i * 37) % 1500', 'NULL');
      db.run(`${numbers(withOperations, runs - withOperations + 1)}
        INSERT INTO operation_inputs (operation, y) SELECT 'send' || i, 'in' || i FROM n`);
      db.run(`${numbers(runs)}
        INSERT INTO paid_runs (id, state, open, node_url, ticket, data, ledger, told, created_at, updated_at)
        SELECT 'r' || i, 'settled', 0, 'https://node.example',
          json_object('owner', ${owner}, 'sessionId', 's' || (i % 4000), 'model', ${model}, 'prompt', 'Fix the parser ' || i, 'budget', 2000),
          json_object('out', 2000, 'spent', (i * 37) % 1500, 'change', 1999 - (i * 37) % 1500, 'fee', 1),
          i, 'settled', ${at}, ${at} FROM n`);
      // Powers of two up to 2,048, as change leaves them; each a proof that the mint could know.
      db.run(`${numbers(ready)}
        INSERT INTO proofs (y, mint, keyset, amount, proof, state, created_at)
        SELECT '03' || lower(hex(randomblob(32))), '${mint}', '${keyset}', 1 << (i % 12), ${proof('1 << (i % 12)')}, 'ready', ${now} FROM n`);
    })();
    db.run('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    db.close();
  }
}
