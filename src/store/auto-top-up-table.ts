import type { Database } from 'bun:sqlite';
import type { OperationId } from '@nostr-dm-agent/cashu-wallet';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { isSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { NostrEvent } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { publicKeyColumn, relayUrlColumn } from './nostr-columns.ts';

/** The wallet that the bot's own is filled from. Times in Unix ms. */
export type AutoTopUpSource = z.output<typeof sourceRow>;
/** One automatic top-up: the wallet's operation has its quote. Times in Unix ms. */
export type AutoTopUpEntry = z.output<typeof entryRow>;

const satColumn = z.number().refine(isSat).transform(sat);
const flag = z.int().transform((value) => value === 1);
const eventShape = z.object({
  id: z.string(),
  pubkey: z.string(),
  kind: z.int(),
  created_at: z.int(),
  content: z.string(),
  tags: z.array(z.array(z.string())),
  sig: z.string(),
});

const sourceRow = rowOf({
  owner: publicKeyColumn,
  connection: z.string().startsWith('sealed'),
  relays: jsonText(z.array(relayUrlColumn)),
  cap: satColumn,
  stopped: nullable(z.string()),
  nextAt: z.int(),
  failures: z.int(),
  told: nullable(z.string()),
  setAt: z.int(),
});
const entryRow = rowOf({
  operation: z.string().transform((value) => value as OperationId),
  owner: publicKeyColumn,
  amount: satColumn,
  invoice: z.string(),
  request: jsonText(eventShape),
  requestUntil: z.int(),
  asked: flag,
  answer: nullable(z.string()),
  expiresAt: z.int(),
  begunAt: z.int(),
  endedAt: nullable(z.int()),
  state: z.enum(['open', 'paid', 'expired']),
});

export type AutoTopUpStore = {
  readonly source: () => AutoTopUpSource | undefined;
  /** In place of the one that there was. */
  readonly setSource: (
    source: Pick<AutoTopUpSource, 'owner' | 'connection' | 'relays' | 'cap' | 'setAt'>,
  ) => void;
  readonly setCap: (cap: Sat, at: number) => void;
  readonly reseal: (connection: string) => void;
  /** Its secret is gone with it. The journal stays. */
  readonly dropSource: () => void;
  /** How it fares. */
  readonly note: (now: Pick<AutoTopUpSource, 'stopped' | 'nextAt' | 'failures' | 'told'>) => void;
  readonly open: () => AutoTopUpEntry | undefined;
  readonly last: () => AutoTopUpEntry | undefined;
  readonly find: (operation: string) => AutoTopUpEntry | undefined;
  /** Expired since then, newest first: a payment can come late. */
  readonly expiredSince: (since: number) => readonly AutoTopUpEntry[];
  /**
   * What was paid, or may have been and may yet be, since a moment. What the clock puts ahead counts, too: it was set back.
   */
  readonly usedSince: (since: number) => Sat;
  /** @throws when one is open */
  readonly begin: (
    entry: Pick<AutoTopUpEntry, 'operation' | 'owner' | 'amount' | 'invoice' | 'expiresAt' | 'begunAt'> &
      Asked,
  ) => void;
  /** The same invoice is to be asked for by another request. */
  readonly renew: (operation: string, asked: Asked) => void;
  /** To be on disk before the request is published. */
  readonly markAsked: (operation: string) => void;
  readonly answered: (operation: string, answer: string) => void;
  readonly end: (operation: string, state: 'paid' | 'expired', at: number) => void;
};
type Asked = { readonly request: NostrEvent; readonly requestUntil: number };

export function createAutoTopUpStore(db: Database): AutoTopUpStore {
  const setSource = change(
    db,
    `INSERT OR REPLACE INTO auto_top_up (id, owner, connection, relays, cap, stopped, next_at, failures, told, set_at)
     VALUES (1, $owner, $connection, $relays, $cap, NULL, 0, 0, NULL, $setAt)`,
  );
  const note = change(
    db,
    'UPDATE auto_top_up SET stopped = $stopped, next_at = $nextAt, failures = $failures, told = $told',
  );
  const begin = change(
    db,
    `INSERT INTO auto_top_ups
       (operation, owner, amount, invoice, request, request_until, asked, expires_at, begun_at, state)
     VALUES ($operation, $owner, $amount, $invoice, $request, $requestUntil, 0, $expiresAt, $begunAt, 'open')`,
  );
  const renew = change(
    db,
    `UPDATE auto_top_ups SET request = $request, request_until = $requestUntil, asked = 0, answer = NULL
     WHERE operation = $operation AND state = 'open'`,
  );
  const answered = change(db, "UPDATE auto_top_ups SET answer = ? WHERE operation = ? AND state = 'open'");
  const end = change(
    db,
    "UPDATE auto_top_ups SET state = ?, ended_at = ? WHERE operation = ? AND state <> 'paid'",
  );
  const used = select(
    db,
    `SELECT coalesce(sum(amount), 0) AS amount FROM auto_top_ups
     WHERE state = 'open' OR (state = 'paid' AND (begun_at >= $since OR ended_at >= $since))`,
    z.object({ amount: satColumn }),
  );
  const drop = change(db, 'DELETE FROM auto_top_up');
  return {
    source: select(db, 'SELECT * FROM auto_top_up', sourceRow).one,
    setSource: ({ owner, connection, relays, cap, setAt }) => {
      setSource({ owner, connection, cap, setAt, relays: JSON.stringify(relays) });
    },
    setCap: change(db, 'UPDATE auto_top_up SET cap = ?, set_at = ?, told = NULL'),
    reseal: change(db, 'UPDATE auto_top_up SET connection = ?'),
    dropSource: () => void drop(),
    note: ({ stopped = null, nextAt, failures, told = null }) => {
      note({ stopped, nextAt, failures, told });
    },
    open: select(db, "SELECT * FROM auto_top_ups WHERE state = 'open'", entryRow).one,
    last: select(db, 'SELECT * FROM auto_top_ups ORDER BY id DESC LIMIT 1', entryRow).one,
    find: select(db, 'SELECT * FROM auto_top_ups WHERE operation = ?', entryRow).one,
    expiredSince: select(
      db,
      "SELECT * FROM auto_top_ups WHERE ended_at >= ? AND state = 'expired' ORDER BY id DESC LIMIT 50",
      entryRow,
    ).all,
    usedSince: (since) => used.one({ since })?.amount ?? sat(0),
    begin: ({ request, ...entry }) => {
      begin({ ...entry, request: JSON.stringify(request) });
    },
    renew: (operation, { request, requestUntil }) => {
      renew({ operation, requestUntil, request: JSON.stringify(request) });
    },
    markAsked: change(db, 'UPDATE auto_top_ups SET asked = 1 WHERE operation = ?'),
    answered: (operation, answer) => {
      answered(answer, operation);
    },
    end: (operation, state, at) => {
      end(state, at, operation);
    },
  };
}
