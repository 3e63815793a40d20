import type { Database } from 'bun:sqlite';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { nullable } from '@nostr-dm-agent/kit/sqlite';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { agentFailureKinds, modes } from '../backends/backend.ts';
import {
  type Run,
  type RunOrder,
  type RunOutcome,
  type RunResult,
  runOutcomes,
  runStates,
} from '../runs/run.ts';
import { eventIdColumn, publicKeyColumn, relayUrlColumn } from './nostr-columns.ts';

const runResult = z
  .object({
    failure: z
      .object({
        kind: z.enum(agentFailureKinds),
        detail: z.string().optional(),
        status: z.number().optional(),
      })
      .optional(),
    backendSession: z.string().optional(),
    steps: z.int(),
    tools: z.record(z.string(), z.int()),
    tokens: z.object({
      input: z.number(),
      output: z.number(),
      reasoning: z.number(),
      cacheRead: z.number(),
      cacheWrite: z.number(),
    }),
    model: z.string().optional(),
    unknownEvents: z.int(),
  })
  .transform(
    ({ failure, backendSession, model, ...rest }): RunResult => ({
      ...rest,
      backendSession,
      model,
      failure: failure && { kind: failure.kind, detail: failure.detail, status: failure.status },
    }),
  );

const runRow = z
  .object({
    seq: z.int(),
    id: z.string(),
    owner: publicKeyColumn,
    session: z.string(),
    message: eventIdColumn,
    message_kind: z.int(),
    protocol: z.enum(['nip17', 'nip04']),
    fallback_relays: jsonText(z.array(relayUrlColumn)),
    task: z.string(),
    mode: z.enum(modes),
    model: nullable(z.string()),
    provider: nullable(z.string()),
    budget: nullable(z.int()),
    state: z.enum(runStates),
    outcome: nullable(z.enum(runOutcomes)),
    pid: nullable(z.int()),
    answer: nullable(z.string()),
    result: nullable(z.string()),
    queued_at: z.int(),
    started_at: nullable(z.int()),
    ended_at: nullable(z.int()),
  })
  .transform(
    ({ message_kind, fallback_relays, queued_at, started_at, ended_at, result, ...rest }): Run => ({
      ...rest,
      messageKind: message_kind,
      fallbackRelays: fallback_relays,
      result: result === undefined ? undefined : jsonText(runResult).parse(result),
      queuedAt: queued_at,
      startedAt: started_at,
      endedAt: ended_at,
    }),
  );

export type RunEnd = {
  readonly outcome: RunOutcome;
  readonly answer: string | undefined;
  readonly result: RunResult | undefined;
  readonly endedAt: number;
};

/** The queue and the record of everything that was run. */
export type RunStore = {
  readonly enqueue: (id: string, order: RunOrder, queuedAt: number) => Run;
  readonly get: (id: string) => Run | undefined;
  /** Every run that is not done, in the order of the queue. */
  readonly open: () => readonly Run[];
  /** The last ones of a session, newest first. */
  readonly ofSession: (session: string, limit: number) => readonly Run[];
  readonly lastOf: (owner: PublicKey) => Run | undefined;
  readonly prepare: (id: string, provider: string, startedAt: number) => void;
  readonly running: (id: string, pid: number) => void;
  /** The agent has ended; what it said is kept from here on. */
  readonly settling: (id: string, end: Omit<RunEnd, 'endedAt'>) => void;
  readonly finish: (id: string, end: RunEnd) => void;
};

const columnsOf = ({ outcome, answer, result }: Omit<RunEnd, 'endedAt'>) => ({
  outcome,
  answer: answer ?? null,
  result: result === undefined ? null : JSON.stringify(result),
});

export function createRunStore(db: Database): RunStore {
  const insert = db.query(
    `INSERT INTO runs (id, owner, session, message, message_kind, protocol, fallback_relays, task, mode, model, budget, state, queued_at)
     VALUES ($id, $owner, $session, $message, $messageKind, $protocol, $fallbackRelays, $task, $mode, $model, $budget, 'queued', $queuedAt)`,
  );
  const select = db.query('SELECT * FROM runs WHERE id = ?');
  const open = db.query("SELECT * FROM runs WHERE state <> 'done' ORDER BY seq");
  const ofSession = db.query('SELECT * FROM runs WHERE session = ? ORDER BY seq DESC LIMIT ?');
  const lastOf = db.query('SELECT * FROM runs WHERE owner = ? ORDER BY seq DESC LIMIT 1');
  const prepare = db.query("UPDATE runs SET state = 'preparing', provider = ?, started_at = ? WHERE id = ?");
  const running = db.query("UPDATE runs SET state = 'running', pid = ? WHERE id = ?");
  const settling = db.query(
    "UPDATE runs SET state = 'settling', outcome = $outcome, answer = $answer, result = $result WHERE id = $id",
  );
  const finish = db.query(
    `UPDATE runs SET state = 'done', outcome = $outcome, answer = $answer, result = $result,
       pid = NULL, ended_at = $endedAt WHERE id = $id`,
  );
  const parse = (row: unknown): Run | undefined => (row === null ? undefined : runRow.parse(row));
  const get = (id: string) => parse(select.get(id));
  return {
    enqueue: (id, order, queuedAt) => {
      insert.run({
        id,
        ...order,
        fallbackRelays: JSON.stringify(order.fallbackRelays),
        model: order.model ?? null,
        budget: order.budget ?? null,
        queuedAt,
      });
      return runRow.parse(select.get(id));
    },
    get,
    open: () => open.all().map((row) => runRow.parse(row)),
    ofSession: (session, limit) => ofSession.all(session, limit).map((row) => runRow.parse(row)),
    lastOf: (owner) => parse(lastOf.get(owner)),
    prepare: (id, provider, startedAt) => {
      prepare.run(provider, startedAt, id);
    },
    running: (id, pid) => {
      running.run(pid, id);
    },
    settling: (id, end) => {
      settling.run({ id, ...columnsOf(end) });
    },
    finish: (id, { endedAt, ...end }) => {
      finish.run({ id, ...columnsOf(end), endedAt });
    },
  };
}
