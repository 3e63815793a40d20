import type { Clock } from '@nostr-dm-agent/kit/clock';
import { type Sat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { nullable } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import { placeOf, secretColumns } from '../at-rest/secret-columns.ts';
import type { Value } from '../faces.ts';
import { OperationStateError, UnknownOperationError } from '../wallet-errors.ts';
import type { MintUrl, OperationId, OperationKind, OperationSummary } from '../wallet-types.ts';
import { yOf } from './proofs.ts';
import { mintUrlSchema, operationIdSchema, type StoredProof, satSchema } from './stored-proof.ts';
import type { Store } from './wallet-database.ts';

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
  readonly body: Body;
  /** Default: none. */
  readonly fee?: Sat;
  readonly key?: string | null | undefined;
  readonly note?: string | null | undefined;
};

/** What changes with a state; default: it stays, and `open` is what the state says. */
export type OperationChange = { readonly open?: boolean; readonly amount?: Sat; readonly fee?: Sat };

/** States in which it is not known how the operation ends. */
const openStates = ['prepared', 'pending'];

/** The journal of operations. Everything that writes is to be called inside the transaction that it belongs to. */
export type Journal = {
  /** @throws UnknownOperationError */
  readonly head: (id: OperationId) => OperationHead;
  /** By its id, or a beginning that means one operation: the only one, or the only unfinished one. */
  readonly find: (id: string) => OperationHead | undefined;
  readonly byKey: (key: string) => OperationHead | undefined;
  /** With what exists in its state; only in one of `states` when there are any. @throws UnknownOperationError, OperationStateError */
  readonly body: <Body extends OperationBody, State extends Body['state'] = Body['state']>(
    id: OperationId,
    schema: z.ZodType<Body>,
    ...states: readonly State[]
  ) => Extract<Body, { readonly state: State }>;
  readonly insert: <Body extends OperationBody>(operation: NewOperation<Body>) => void;
  /** From one state to another (or the same, with other data). @throws OperationStateError when it is in neither of `from` */
  readonly move: <Body extends OperationBody>(
    id: OperationId,
    from: readonly Body['state'][],
    body: Body,
    change?: OperationChange,
  ) => void;
  readonly recordInputs: (id: OperationId, inputs: readonly StoredProof[]) => void;
  /** Operations that once put in one of these proofs. */
  readonly withInputs: (inputs: readonly { readonly secret: string }[]) => readonly OperationHead[];
  /** Undone operations that had put in some proof that this one put in. */
  readonly rolledBackSharingInputsWith: (id: OperationId) => readonly OperationHead[];
  /** It could not be finished now; not to be asked again before. */
  readonly postpone: (id: OperationId, nextAt: number) => void;
  /** The caller may use its key for another try: this one moved nothing. */
  readonly dropKey: (id: OperationId) => void;
  /** A person must look. */
  readonly setTrouble: (id: OperationId, trouble: string) => void;
  /** Top-ups whose invoice this is. */
  readonly mintsOf: (invoice: string) => readonly OperationHead[];
  /** The payment of ours to this invoice that is under way, or made. */
  readonly melting: (invoice: string) => OperationHead | undefined;
  /** What swaps that were made for this operation have cost. */
  readonly feeOfParts: (id: OperationId) => Sat;
  readonly open: () => readonly OperationHead[];
  /** `B_` of every output that an open operation still waits for. */
  readonly openOutputs: () => ReadonlySet<string>;
  readonly inState: (kind: OperationKind, state: string) => readonly OperationHead[];
  /** Open, or waiting for somebody: unclaimed tokens and unpaid invoices. Newest first. */
  readonly unfinished: (limit: number, owner?: string) => readonly OperationHead[];
  readonly latest: (limit: number, owner?: string) => readonly OperationHead[];
  /** Top-ups that an owner asked for since a moment, newest first. */
  readonly topUpsOf: (owner: string, since: number, limit: number) => readonly OperationHead[];
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
const column = secretColumns.operation;
const fees = z.object({ fee: satSchema });
const bodySchema = z.record(z.string(), z.unknown());
const columns =
  'id, kind, state, open, mint, amount, fee, key, note, trouble, attempts, next_at, created_at, updated_at';

const partOf = "json_extract(CASE operations.state WHEN 'regrouped' THEN operations.data END, '$.partOf')";
/** Swaps that were made for a payment are told with it. */
const whole = `NOT EXISTS (SELECT 1 FROM operations AS entire WHERE entire.id = ${partOf}
  AND (entire.state = 'paid' OR (entire.kind = 'send' AND entire.state NOT IN ('rolled_back', 'failed'))))`;
/** Open, or waiting for somebody: each part by an index of its own. */
const unfinished = `seq IN (SELECT seq FROM operations WHERE open = 1
  UNION ALL SELECT seq FROM operations WHERE kind = 'send' AND state IN ('issued', 'handed_over', 'reclaiming')
  UNION ALL SELECT seq FROM operations WHERE kind = 'mint' AND state = 'quoted')`;
/** What `operations_by_invoice` has; SQLite takes it only where this stands. */
const ofInvoices = "kind IN ('mint', 'melt')";
const forInvoice = "lower(json_extract(data, '$.quote.request')) = lower(?)";
const ofOwner = 'id IN (SELECT operation FROM brought_in WHERE owner = ?1)';

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the statements of one table, each a few lines
export function createJournal({ db, atRest }: Store, clock: Clock): Journal {
  /** @param rest of the statement, after the table's name */
  const select = (rest: string, ...values: readonly Value[]): readonly OperationHead[] =>
    db
      .query(`SELECT ${columns} FROM operations ${rest}`)
      .all(...values)
      .map((row) => headRow.parse(row));
  const head = (id: OperationId): OperationHead => {
    const [found] = select('WHERE id = ?', id);
    if (found === undefined) throw new UnknownOperationError(id);
    return found;
  };
  // Ids are lower-case letters and digits: all that begin with `?` lie before `?` and a tilde.
  const beginningWith = (text: string, where = 'true') =>
    select(`WHERE id >= ?1 AND id < ?1 || '~' AND ${where} LIMIT 2`, text);
  const dataOf = (id: OperationId, body: object): string =>
    atRest.sealJson(placeOf(column, id), body, column.clearOf(body));
  const data = db.query<{ state: string; data: string }, [string]>(
    'SELECT state, data FROM operations WHERE id = ?',
  );
  const parts = db.query(
    `SELECT coalesce(sum(fee), 0) AS fee FROM operations
     WHERE kind = 'send' AND state = 'regrouped' AND json_extract(data, '$.partOf') = ?`,
  );
  return {
    head,
    find(id) {
      const text = id.trim().toLowerCase();
      const [exact] = select('WHERE id = ?', text);
      if (exact !== undefined || text.length < 3) return exact;
      const open = beginningWith(text, unfinished);
      const [first, second] = open.length === 1 ? open : beginningWith(text);
      return second === undefined ? first : undefined;
    },
    byKey: (key) => select('WHERE key = ?', key)[0],
    body<Body extends OperationBody, State extends Body['state']>(
      id: OperationId,
      schema: z.ZodType<Body>,
      ...states: readonly State[]
    ) {
      const row = data.get(id);
      if (!row) throw new UnknownOperationError(id);
      const isMeant = (body: Body): body is Extract<Body, { readonly state: State }> =>
        states.length === 0 || states.some((state) => state === body.state);
      const body = schema.parse({
        ...bodySchema.parse(atRest.openJson(placeOf(column, id), row.data)),
        state: row.state,
      });
      if (!isMeant(body)) throw new OperationStateError(id, row.state);
      return body;
    },
    insert({ id, kind, mint, amount, body: { state, ...rest }, fee = zeroSat, key = null, note = null }) {
      const now = clock.now();
      const open = openStates.includes(state) ? 1 : 0;
      db.query(
        `INSERT INTO operations (id, kind, state, open, mint, amount, fee, key, note, data, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ).run(id, kind, state, open, mint, amount, fee, key, note, dataOf(id, rest), now, now);
    },
    move(
      id,
      from,
      { state, ...rest },
      { open = openStates.includes(state), amount = null, fee = null } = {},
    ) {
      const now = head(id);
      if (!from.includes(now.state)) throw new OperationStateError(id, now.state);
      db.query(
        `UPDATE operations SET state = ?1, open = ?2, data = ?3, amount = coalesce(?4, amount),
           fee = coalesce(?5, fee), trouble = CASE WHEN ?2 THEN trouble ELSE NULL END,
           updated_at = CASE WHEN state = ?1 AND NOT open AND NOT ?2 THEN updated_at ELSE ?6 END
         WHERE id = ?7`,
      ).run(state, open ? 1 : 0, dataOf(id, rest), amount, fee, clock.now(), id);
    },
    recordInputs(id, inputs) {
      const insert = db.query('INSERT OR IGNORE INTO operation_inputs (operation, y) VALUES (?, ?)');
      for (const input of inputs) insert.run(id, yOf(input));
    },
    withInputs: (inputs) =>
      select(
        `WHERE id IN (SELECT operation FROM operation_inputs WHERE y IN (SELECT value FROM json_each(?)))
         ORDER BY seq`,
        JSON.stringify(inputs.map(yOf)),
      ),
    rolledBackSharingInputsWith: (id) =>
      select(
        `WHERE state = 'rolled_back' AND id IN (SELECT operation FROM operation_inputs WHERE operation <> ?1
           AND y IN (SELECT y FROM operation_inputs WHERE operation = ?1))`,
        id,
      ),
    postpone: (id, nextAt) => {
      db.query('UPDATE operations SET attempts = attempts + 1, next_at = ? WHERE id = ?').run(nextAt, id);
    },
    dropKey: (id) => {
      db.query('UPDATE operations SET key = NULL WHERE id = ?').run(id);
    },
    setTrouble: (id, trouble) => {
      const set = 'UPDATE operations SET trouble = ?1, updated_at = ?2 WHERE id = ?3 AND trouble IS NOT ?1';
      db.query(set).run(trouble, clock.now(), id);
    },
    mintsOf: (invoice) =>
      select(`WHERE ${ofInvoices} AND kind = 'mint' AND ${forInvoice} ORDER BY seq`, invoice),
    melting: (invoice) =>
      select(
        `WHERE ${ofInvoices} AND kind = 'melt' AND state IN ('prepared', 'pending', 'paid') AND ${forInvoice} LIMIT 1`,
        invoice,
      )[0],
    feeOfParts: (id) => fees.parse(parts.get(id)).fee,
    open: () => select('WHERE open = 1 ORDER BY seq'),
    openOutputs: () =>
      new Set(
        db
          .query<{ value: string }, []>(
            `SELECT tree.value FROM operations, json_tree(operations.data) AS tree
             WHERE open = 1 AND tree.key = 'B_'`,
          )
          .all()
          .map(({ value }) => value),
      ),
    inState: (kind, state) => select('WHERE kind = ? AND state = ? ORDER BY seq', kind, state),
    unfinished: (limit, owner) =>
      owner === undefined
        ? select(`WHERE ${unfinished} ORDER BY seq DESC LIMIT ?`, limit)
        : select(`WHERE ${unfinished} AND ${ofOwner} ORDER BY seq DESC LIMIT ?2`, owner, limit),
    latest: (limit, owner) =>
      owner === undefined
        ? select(`WHERE ${whole} ORDER BY seq DESC LIMIT ?`, limit)
        : select(`WHERE ${ofOwner} AND ${whole} ORDER BY seq DESC LIMIT ?2`, owner, limit),
    topUpsOf: (owner, since, limit) =>
      select(
        `WHERE ${ofOwner} AND kind = 'mint' AND created_at >= ?2 ORDER BY seq DESC LIMIT ?3`,
        owner,
        since,
        limit,
      ),
  };
}
