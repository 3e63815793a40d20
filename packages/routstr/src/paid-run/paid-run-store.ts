import { setImmediate as breathe } from 'node:timers/promises';
import type { Books, KeptTokenId, OperationId, WalletJournal } from '@nostr-dm-agent/cashu-wallet';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { addSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { nullable } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import type { NodeUrl } from '../node/node-url.ts';
import type { Evidence } from '../node/outcomes.ts';
import { ledgerFigures } from './ledger-row.ts';
import {
  isAhead,
  isIn,
  isOfUserKey,
  isOpen,
  type PaidRun,
  type PaidRunBody,
  type PaidRunIn,
  type PaidRunTicket,
} from './paid-run.ts';
import { bodySchema, satColumn, ticketSchema } from './paid-run-schema.ts';
import { paidRunSecrets, paidRunTables, secretPlaces } from './paid-run-tables.ts';

/** A paid run is not where the caller left it. */
export class PaidRunStateError extends Error {
  override readonly name = 'PaidRunStateError';
  readonly run: string;
  readonly state: string;
  constructor(run: string, state: string) {
    super(`paid run ${run} is ${state}`);
    this.run = run;
    this.state = state;
  }
}

/** One exchange about a run's money, as it was written down. */
export type EvidenceEntry = Evidence & {
  readonly at: number;
  readonly step: string;
  readonly outcome: string;
};

/** Paid runs in the wallet's database. Everything that writes is one transaction, or a part of the one around it. */
export type PaidRunStore = {
  readonly find: (id: string) => PaidRun | undefined;
  /** @throws PaidRunStateError `unknown` */
  readonly get: (id: string) => PaidRun;
  readonly byOperation: (operation: OperationId) => PaidRun | undefined;
  readonly byKeptToken: (token: KeptTokenId) => PaidRun | undefined;
  /** Top-ups of a run, whatever became of them. */
  readonly topUpsOf: (id: string) => readonly PaidRun[];
  /** Oldest first. */
  readonly open: () => readonly PaidRun[];
  /** Settled ones of which the ledger says something else, or nothing more. Others have their turn meanwhile. */
  readonly unlikeLedger: (signal: AbortSignal) => AsyncIterable<string>;
  /** Runs on an account that are not settled, oldest first. */
  readonly openOn: (account: string) => readonly PaidRunIn<'spending' | 'unreckoned'>[];
  /** Those that are settled, newest first. */
  readonly settledOn: (account: string) => readonly PaidRunIn<'settled'>[];
  /** What the settled runs on an account cost in all. */
  readonly bookedOn: (account: string) => Sat;
  /** @throws PaidRunStateError when there is such a run already */
  readonly create: (id: string, node: NodeUrl, ticket: PaidRunTicket) => PaidRun;
  /**
   * The run once more, at another node: the attempt before is over (`settled` or `void`), and keeps its row under
   * another name. @throws PaidRunStateError when it is not
   */
  readonly again: (id: string, node: NodeUrl) => PaidRun;
  /** With its ledger row. @throws PaidRunStateError unless it is in one of `from` */
  readonly move: (id: string, from: readonly PaidRunBody['state'][], body: PaidRunBody) => PaidRun;
  /** Not to be looked at before. `asked`: that it was asked about counts for the next pause. */
  readonly postpone: (id: string, nextAt: number, asked: boolean) => void;
  /** As if it had not been asked yet: pauses are short again. */
  readonly startOver: (id: string, nextAt: number) => void;
  readonly keepAnswer: (id: string, raw: string) => void;
  /** Newest first. */
  readonly answers: (id: string) => readonly string[];
  readonly record: (id: string, step: string, outcome: string, evidence: Evidence) => void;
  readonly evidence: (id: string) => readonly EvidenceEntry[];
  /** The owner knows of the run's present state. */
  readonly setTold: (id: string) => void;
  /** Settled, or waiting for a person, without the owner knowing of it; not of users' keys (`userKeys`). */
  readonly news: () => readonly PaidRun[];
  /** Users' keys and what is added to them, oldest first, each with the last state that its user knows of. */
  readonly userKeys: () => readonly {
    readonly run: PaidRun;
    readonly told: PaidRunBody['state'] | undefined;
  }[];
  /** What it is to be, now that it is known. @throws PaidRunStateError unless it is `created` */
  readonly setBudget: (id: string, budget: Sat) => PaidRun;
  /** What open runs have taken out of the wallet since a moment; those of one owner when he is named. */
  readonly atStakeSince: (ts: number, owner?: string) => Sat;
};

const columns = 'id, node_url, ticket, ledger, attempts, next_at, created_at, state, data';
const rowSchema = z
  .object({
    id: z.string(),
    node_url: z.string().transform((url) => url as NodeUrl),
    ticket: jsonText(ticketSchema),
    ledger: nullable(z.number()),
    attempts: z.number(),
    next_at: z.number(),
    created_at: z.number(),
    state: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .transform(
    (row): PaidRun => ({
      id: row.id,
      node: row.node_url,
      ticket: row.ticket,
      ledger: row.ledger,
      attempts: row.attempts,
      nextAt: row.next_at,
      createdAt: row.created_at,
      body: bodySchema.parse({ ...row.data, state: row.state }),
    }),
  );
const sealedRow = z.looseObject({ data: z.string() });
const evidenceSchema = z.object({
  at: z.number(),
  step: z.string(),
  outcome: z.string(),
  status: nullable(z.number()),
  code: nullable(z.string()),
  message: z.string(),
  requestId: nullable(z.string()),
});
const sumSchema = z.object({ n: satColumn });
const lastSchema = z.object({ last: z.number().nullable() });
/** So many rows are looked at in one piece: some ten milliseconds. */
const sliceLength = 2_000;
const idSchema = z.object({ id: z.string() });
const toldSchema = z.object({
  told: nullable(z.string().transform((state) => state as PaidRunBody['state'])),
});
const rawSchema = z.object({ raw: z.string() });

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the statements of one table, each a few lines
export function createPaidRunStore(
  wallet: WalletJournal & Pick<Books, 'ledger'>,
  clock: Clock,
): PaidRunStore {
  const { transaction, ledger } = wallet;
  const tables = wallet.extension('paid_runs', paidRunTables, Object.values(paidRunSecrets));
  const readRow = (row: unknown): PaidRun => {
    const { data, ...rest } = sealedRow.parse(row);
    return rowSchema.parse({ ...rest, data: tables.openJson(secretPlaces.data, data) });
  };
  const readAll = (rows: readonly unknown[]) => rows.map(readRow);
  const one = (where: string, value: string | number): PaidRun | undefined => {
    const row = tables.get(`SELECT ${columns} FROM paid_runs WHERE ${where} = ?`, value);
    return row ? readRow(row) : undefined;
  };
  const get = (id: string): PaidRun => {
    const run = one('id', id);
    if (!run) throw new PaidRunStateError(id, 'unknown');
    return run;
  };
  const open = () => readAll(tables.all(`SELECT ${columns} FROM paid_runs WHERE open = 1 ORDER BY seq`));

  const onAccount = (account: string, open: 0 | 1, order: 'ASC' | 'DESC') =>
    readAll(
      tables.all(
        `SELECT ${columns} FROM paid_runs WHERE json_extract(ticket, '$.account') = ? AND open = ?
           ORDER BY seq ${order}`,
        account,
        open,
      ),
    );
  const bookedOn = (account: string): Sat =>
    sumSchema.parse(
      tables.get(
        `SELECT coalesce(sum(json_extract(data, '$.spent')), 0) AS n FROM paid_runs
           WHERE json_extract(ticket, '$.account') = ? AND open = 0`,
        account,
      ),
    ).n;

  /** The run's row in the ledger is made with its token, and says from then on what its state says. */
  function enterLedger(run: PaidRun, body: PaidRunBody): number | undefined {
    const figures = ledgerFigures(run, body, () => bookedOn(run.id));
    if (figures === undefined) return run.ledger;
    if (run.ledger !== undefined) {
      ledger.update(run.ledger, figures);
      return run.ledger;
    }
    const { ticket } = run;
    return ledger.append({
      ...figures,
      ts: run.createdAt,
      provider: 'routstr',
      model: ticket.model,
      sessionId: ticket.sessionId,
      promptPrefix: ticket.prompt,
      nodeUrl: run.node,
      // An account is the bot's: everybody's runs spend from it, and they are what an owner's limit counts.
      owner: isNobodys(run) ? undefined : ticket.owner,
    });
  }

  // Nothing has happened yet: the wallet's own operation is on disk before anything does.
  const create: PaidRunStore['create'] = (id, node, ticket) =>
    transaction(() => {
      const known = one('id', id);
      if (known) throw new PaidRunStateError(id, known.body.state);
      tables.run(
        `INSERT INTO paid_runs (id, state, open, node_url, ticket, data, created_at, updated_at)
         VALUES (?, 'created', 1, ?, ?, '{}', ?, ?)`,
        id,
        node,
        JSON.stringify(ticket),
        clock.now(),
        clock.now(),
      );
      return get(id);
    }, 'soon');

  return {
    find: (id) => one('id', id),
    get,
    byOperation: (operation) => one('operation', operation),
    byKeptToken: (token) => one('kept_token', token),
    topUpsOf: (id) =>
      readAll(
        tables.all(
          `SELECT ${columns} FROM paid_runs WHERE json_extract(ticket, '$.parent') = ? ORDER BY seq`,
          id,
        ),
      ),
    open,
    unlikeLedger: async function* (signal) {
      const last = lastSchema.parse(tables.get('SELECT max(seq) AS last FROM paid_runs')).last ?? 0;
      for (let from = 1; from <= last; from += sliceLength) {
        const found = tables.all(
          `SELECT p.id FROM paid_runs p LEFT JOIN spend_log l ON l.id = p.ledger
             WHERE p.seq BETWEEN ? AND ? AND p.state = 'settled' AND p.ledger IS NOT NULL AND (l.id IS NULL OR l.state <> p.state
               OR l.budget_sats <> json_extract(p.data, '$.out') OR l.refund_sats <> json_extract(p.data, '$.change')
               OR l.spent_sats <> json_extract(p.data, '$.spent') OR l.fee_sats <> json_extract(p.data, '$.fee'))
             ORDER BY p.seq`,
          from,
          from + sliceLength - 1,
        );
        for (const row of found) yield idSchema.parse(row).id;
        await breathe();
        signal.throwIfAborted();
      }
    },
    openOn: (account) => onAccount(account, 1, 'ASC').filter((run) => isIn(run, 'spending', 'unreckoned')),
    settledOn: (account) => onAccount(account, 0, 'DESC').filter((run) => isIn(run, 'settled')),
    bookedOn,
    create,
    again: (id, node) =>
      transaction(() => {
        const { body, ticket } = get(id);
        if (!isIn(get(id), 'settled', 'void')) throw new PaidRunStateError(id, body.state);
        const { attempt = 1 } = ticket;
        const name = `${id}~${attempt}`;
        // Checked at the end of the transaction: the evidence moves with its row.
        tables.run('PRAGMA defer_foreign_keys = ON');
        tables.run('UPDATE paid_runs SET id = ?, told = state WHERE id = ?', name, id);
        tables.run('UPDATE paid_run_evidence SET run = ? WHERE run = ?', name, id);
        const { sendKey: _, ...rest } = ticket;
        return create(id, node, { ...rest, attempt: attempt + 1 });
      }),
    move: (id, from, body) =>
      transaction(() => {
        const run = get(id);
        if (!from.includes(run.body.state)) throw new PaidRunStateError(id, run.body.state);
        const { state, ...rest } = body;
        tables.run(
          `UPDATE paid_runs SET state = ?, open = ?, data = ?, operation = coalesce(?, operation),
             kept_token = coalesce(?, kept_token), ledger = ?, attempts = CASE WHEN state = ?1 THEN attempts ELSE 0 END,
             updated_at = ? WHERE id = ?`,
          state,
          isOpen(body) ? 1 : 0,
          tables.sealJson(secretPlaces.data, rest, paidRunSecrets.data.clearOf(rest)),
          ('operation' in body ? body.operation : undefined) ?? null,
          ('keptToken' in body ? body.keptToken : undefined) ?? null,
          enterLedger(run, body) ?? null,
          clock.now(),
          id,
        );
        // The bodies held the change; the account is empty, and nobody needs its key any more.
        if (!isOpen(body)) tables.run('DELETE FROM paid_run_answers WHERE run = ?', id);
        return get(id);
      }),
    postpone: (id, nextAt, asked) =>
      transaction(() => {
        tables.run(
          'UPDATE paid_runs SET next_at = ?, attempts = attempts + ? WHERE id = ?',
          nextAt,
          asked ? 1 : 0,
          id,
        );
      }),
    startOver: (id, nextAt) =>
      transaction(() => {
        tables.run('UPDATE paid_runs SET next_at = ?, attempts = 0 WHERE id = ?', nextAt, id);
      }),
    keepAnswer: (id, raw) =>
      transaction(() => {
        tables.run(
          'INSERT INTO paid_run_answers (run, raw, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
          id,
          tables.seal(secretPlaces.answer, raw),
          clock.now(),
        );
      }),
    answers: (id) =>
      tables
        .all('SELECT raw FROM paid_run_answers WHERE run = ? ORDER BY id DESC', id)
        .map((row) => tables.open(secretPlaces.answer, rawSchema.parse(row).raw)),
    record: (id, step, outcome, { status, code, message, requestId }) =>
      transaction(() => {
        tables.run(
          `INSERT INTO paid_run_evidence (run, at, step, outcome, status, code, message, request_id)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
          id,
          clock.now(),
          step,
          outcome,
          status ?? null,
          code ?? null,
          message,
          requestId ?? null,
        );
      }, 'soon'),
    evidence: (id) =>
      tables
        .all(
          `SELECT at, step, outcome, status, code, message, request_id AS requestId FROM paid_run_evidence
           WHERE run = ? ORDER BY id`,
          id,
        )
        .map((row) => evidenceSchema.parse(row)),
    setTold: (id) =>
      transaction(() => {
        tables.run('UPDATE paid_runs SET told = state WHERE id = ?', id);
      }, 'soon'),
    news: () =>
      readAll(
        tables.all(`SELECT ${columns} FROM paid_runs
             WHERE state IN ('settled', 'needs_operator') AND told IS NOT state
               AND json_extract(ticket, '$.purpose') IS NOT 'key' ORDER BY seq`),
      ),
    userKeys: () =>
      tables
        .all(
          `SELECT ${columns}, told FROM paid_runs WHERE json_extract(ticket, '$.purpose') = 'key' ORDER BY seq`,
        )
        .map((row) => ({ run: readRow(row), told: toldSchema.parse(row).told })),
    setBudget: (id, budget) =>
      transaction(() => {
        const run = get(id);
        if (!isIn(run, 'created')) throw new PaidRunStateError(id, run.body.state);
        const ticket = JSON.stringify({ ...run.ticket, budget });
        tables.run('UPDATE paid_runs SET ticket = ? WHERE id = ?', ticket, id);
        return get(id);
      }, 'soon'),
    atStakeSince: (ts, owner) =>
      addSat(
        ...open()
          .filter(
            (run) =>
              run.createdAt >= ts && (owner === undefined || run.ticket.owner === owner) && isAtStake(run),
          )
          .map(({ body, ticket }) => ('out' in body ? body.out : ticket.budget)),
      ),
  };
}

/** An account is the bot's, and a key that of whoever has it in hand. */
const isNobodys = (run: PaidRun): boolean => run.ticket.purpose === 'account' || isOfUserKey(run);

/** Nobody spends what has no run yet. An account's money is what the runs on it use, and the cost of those that are over is in the ledger. */
const isAtStake = (run: PaidRun): boolean => !isNobodys(run) && !isAhead(run) && !isIn(run, 'unreckoned');
