import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import { nullable } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import { OperationStateError, UnknownOperationError } from '../errors.ts';
import type { MintUrl, OperationId, OperationKind, OperationSummary } from '../types.ts';
import { mintUrlSchema, operationIdSchema, type StoredProof, satSchema } from './codec.ts';
import { yOf } from './proofs.ts';
import type { Store } from './store.ts';

/** What every operation has, whatever its kind and state. */
export type OperationHead = OperationSummary & {
  readonly key: string | undefined;
  readonly attempts: number;
  readonly nextAt: number;
};

/** An operation's state with its data, as its kind's file defines it. */
export type OperationBody = { readonly state: string };

export type NewOperation<Body extends OperationBody> = {
  readonly id: OperationId;
  readonly kind: OperationKind;
  readonly mint: MintUrl;
  readonly amount: Sat;
  readonly fee: Sat;
  readonly open: boolean;
  readonly body: Body;
  readonly key?: string | undefined;
  readonly note?: string | undefined;
};

export type OperationMove<Body extends OperationBody> = {
  readonly body: Body;
  readonly open: boolean;
  readonly amount?: Sat;
  readonly fee?: Sat;
};

/** The journal of operations. Everything that writes is to be called inside the transaction that it belongs to. */
export type Journal = {
  /** @throws UnknownOperationError */
  readonly head: (id: OperationId) => OperationHead;
  /** By its id, or a beginning that means one operation: the only one, or the only unfinished one. */
  readonly find: (id: string) => OperationHead | undefined;
  readonly byKey: (key: string) => OperationHead | undefined;
  /** @throws UnknownOperationError */
  readonly body: <Schema extends z.ZodType>(id: OperationId, schema: Schema) => z.output<Schema>;
  readonly insert: <Body extends OperationBody>(operation: NewOperation<Body>) => void;
  /** From one state to another (or the same, with other data). @throws OperationStateError when it is in neither of `from` */
  readonly move: <Body extends OperationBody>(
    id: OperationId,
    from: readonly string[],
    to: OperationMove<Body>,
  ) => void;
  readonly recordInputs: (id: OperationId, inputs: readonly StoredProof[]) => void;
  /** Operations that once put in one of these proofs. */
  readonly withInputs: (inputs: readonly StoredProof[]) => readonly OperationHead[];
  /** Undone operations that had put in some proof that this one put in. */
  readonly rolledBackSharingInputsWith: (id: OperationId) => readonly OperationHead[];
  /** It could not be finished now; not to be asked again before. */
  readonly postpone: (id: OperationId, nextAt: number) => void;
  /** The caller may use its key for another try: this one moved nothing. */
  readonly dropKey: (id: OperationId) => void;
  /** A person must look; undefined takes it back. */
  readonly setTrouble: (id: OperationId, trouble: string | undefined) => void;
  /** Top-ups whose invoice this is. */
  readonly mintsOf: (invoice: string) => readonly OperationHead[];
  /** A payment of ours to this invoice is under way, or made. */
  readonly melting: (invoice: string) => boolean;
  readonly open: () => readonly OperationHead[];
  readonly inState: (kind: OperationKind, state: string) => readonly OperationHead[];
  /** Open, or waiting for somebody: unclaimed tokens and unpaid invoices. Newest first. */
  readonly unfinished: (limit: number, owner?: string) => readonly OperationHead[];
  readonly latest: (limit: number, owner?: string) => readonly OperationHead[];
};

const headRow = z
  .object({
    id: operationIdSchema,
    kind: z.enum(['send', 'receive', 'mint', 'melt']),
    state: z.string(),
    open: z.number().transform((n) => n === 1),
    mint: mintUrlSchema,
    amount: satSchema,
    fee: satSchema,
    key: nullable(z.string()),
    note: nullable(z.string()),
    trouble: nullable(z.string()),
    attempts: z.number(),
    next_at: z.number(),
    created_at: z.number(),
    updated_at: z.number(),
  })
  .transform(
    ({ id, next_at, created_at, updated_at, ...rest }): OperationHead => ({
      ...rest,
      operation: id,
      nextAt: next_at,
      createdAt: created_at,
      updatedAt: updated_at,
    }),
  );
const columns =
  'id, kind, state, open, mint, amount, fee, key, note, trouble, attempts, next_at, created_at, updated_at';

/** Open, or waiting for somebody. */
const unfinished = `(open = 1 OR (kind = 'send' AND state IN ('issued', 'handed_over', 'reclaiming'))
  OR (kind = 'mint' AND state = 'quoted'))`;
const ofOwner = '(?1 IS NULL OR id IN (SELECT operation FROM brought_in WHERE owner = ?1))';

export function createJournal({ db }: Store, clock: Clock): Journal {
  const byId = db.query(`SELECT ${columns} FROM operations WHERE id = ?`);
  const keyed = db.query(`SELECT ${columns} FROM operations WHERE key = ?`);
  const data = db.query<{ state: string; data: string }, [string]>(
    'SELECT state, data FROM operations WHERE id = ?',
  );
  const heads = (rows: readonly unknown[]) => rows.map((row) => headRow.parse(row));
  const head = (id: OperationId): OperationHead => {
    const row = byId.get(id);
    if (!row) throw new UnknownOperationError(id);
    return headRow.parse(row);
  };
  // Ids are lower-case letters and digits: all that begin with `?` lie before `?` and a tilde.
  const beginning = `SELECT ${columns} FROM operations WHERE id >= ?1 AND id < ?1 || '~'`;
  const matches = (where: string, text: string) => heads(db.query(`${beginning} ${where} LIMIT 2`).all(text));
  return {
    head,
    find(id) {
      const text = id.trim().toLowerCase();
      const exact = byId.get(text);
      if (exact) return headRow.parse(exact);
      if (text.length < 3) return undefined;
      const open = matches(`AND ${unfinished}`, text);
      const [first, second] = open.length === 1 ? open : matches('', text);
      return second === undefined ? first : undefined;
    },
    byKey(key) {
      const row = keyed.get(key);
      return row ? headRow.parse(row) : undefined;
    },
    body(id, schema) {
      const row = data.get(id);
      if (!row) throw new UnknownOperationError(id);
      return schema.parse({
        ...z.record(z.string(), z.unknown()).parse(JSON.parse(row.data)),
        state: row.state,
      });
    },
    insert({ id, kind, mint, amount, fee, open, body, key, note }) {
      const { state, ...rest } = body;
      db.query(
        `INSERT INTO operations (id, kind, state, open, mint, amount, fee, key, note, data, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ).run(
        id,
        kind,
        state,
        open ? 1 : 0,
        mint,
        amount,
        fee,
        key ?? null,
        note ?? null,
        JSON.stringify(rest),
        clock.now(),
        clock.now(),
      );
    },
    move(id, from, { body, open, amount, fee }) {
      const now = head(id);
      if (!from.includes(now.state)) throw new OperationStateError(id, now.state);
      const { state, ...rest } = body;
      db.query(
        `UPDATE operations SET state = ?, open = ?, data = ?, amount = ?, fee = ?, updated_at = ?,
           trouble = CASE WHEN ? = 1 THEN trouble ELSE NULL END
         WHERE id = ?`,
      ).run(
        state,
        open ? 1 : 0,
        JSON.stringify(rest),
        amount ?? now.amount,
        fee ?? now.fee,
        clock.now(),
        open ? 1 : 0,
        id,
      );
    },
    recordInputs(id, inputs) {
      const insert = db.query('INSERT OR IGNORE INTO operation_inputs (operation, y) VALUES (?, ?)');
      for (const input of inputs) insert.run(id, yOf(input));
    },
    withInputs: (inputs) =>
      heads(
        db
          .query(
            `SELECT ${columns} FROM operations WHERE id IN (SELECT operation FROM operation_inputs
               WHERE y IN (SELECT value FROM json_each(?))) ORDER BY seq`,
          )
          .all(JSON.stringify(inputs.map(yOf))),
      ),
    rolledBackSharingInputsWith: (id) =>
      heads(
        db
          .query(
            `SELECT ${columns} FROM operations WHERE state = 'rolled_back' AND id IN (
               SELECT operation FROM operation_inputs WHERE operation <> ?1
                 AND y IN (SELECT y FROM operation_inputs WHERE operation = ?1))`,
          )
          .all(id),
      ),
    postpone: (id, nextAt) => {
      db.query('UPDATE operations SET attempts = attempts + 1, next_at = ? WHERE id = ?').run(nextAt, id);
    },
    dropKey: (id) => {
      db.query('UPDATE operations SET key = NULL WHERE id = ?').run(id);
    },
    setTrouble: (id, trouble) => {
      db.query('UPDATE operations SET trouble = ?, updated_at = ? WHERE id = ?').run(
        trouble ?? null,
        clock.now(),
        id,
      );
    },
    mintsOf: (invoice) =>
      heads(
        db
          .query(
            `SELECT ${columns} FROM operations
             WHERE kind = 'mint' AND lower(json_extract(data, '$.quote.request')) = lower(?) ORDER BY seq`,
          )
          .all(invoice),
      ),
    melting: (invoice) =>
      db
        .query(
          `SELECT 1 FROM operations WHERE kind = 'melt' AND state IN ('prepared', 'pending', 'paid')
             AND lower(json_extract(data, '$.quote.request')) = lower(?)`,
        )
        .get(invoice) !== null,
    open: () => heads(db.query(`SELECT ${columns} FROM operations WHERE open = 1 ORDER BY seq`).all()),
    inState: (kind, state) =>
      heads(
        db
          .query(`SELECT ${columns} FROM operations WHERE kind = ? AND state = ? ORDER BY seq`)
          .all(kind, state),
      ),
    unfinished: (limit, owner) =>
      heads(
        db
          .query(
            `SELECT ${columns} FROM operations WHERE ${unfinished} AND ${ofOwner} ORDER BY seq DESC LIMIT ?2`,
          )
          .all(owner ?? null, limit),
      ),
    latest: (limit, owner) =>
      heads(
        db
          .query(`SELECT ${columns} FROM operations WHERE ${ofOwner} ORDER BY seq DESC LIMIT ?2`)
          .all(owner ?? null, limit),
      ),
  };
}
