import type { Database } from 'bun:sqlite';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { EventId, PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { modes } from '../backends/backend.ts';
import { runResult } from '../backends/run-result.ts';
import {
  type Run,
  type RunOrder,
  type RunOutcome,
  type RunResult,
  runOutcomes,
  runStates,
  type Session,
} from '../runs/run.ts';
import { eventIdColumn, publicKeyColumn, relayUrlColumn } from './nostr-columns.ts';

const row = rowOf({
  seq: z.int(),
  id: z.string(),
  owner: publicKeyColumn,
  session: z.string(),
  message: eventIdColumn,
  messageKind: z.int(),
  protocol: z.enum(['nip17', 'nip04']),
  fallbackRelays: jsonText(z.array(relayUrlColumn)),
  task: z.string(),
  mode: z.enum(modes),
  model: nullable(z.string()),
  provider: nullable(z.string()),
  budget: nullable(z.int()),
  job: z.enum(['task', 'compact']),
  state: z.enum(runStates),
  outcome: nullable(z.enum(runOutcomes)),
  pid: nullable(z.int()),
  answer: nullable(z.string()),
  result: jsonText(runResult)
    .nullable()
    .transform((result) => result ?? undefined),
  queuedAt: z.int(),
  startedAt: nullable(z.int()),
  endedAt: nullable(z.int()),
  undoneAt: nullable(z.int()),
  told: nullable(z.string()),
  parts: z.int(),
  schedule: nullable(z.int()),
  dueAt: nullable(z.int()),
  pictures: jsonText(z.array(z.string()))
    .nullable()
    .transform((paths) => paths ?? []),
});

export type RunEnd = {
  readonly outcome: RunOutcome;
  readonly answer: string | undefined;
  readonly result: RunResult | undefined;
  readonly endedAt: number;
};

/** What figures are made of. */
export type EndedRun = Pick<Run, 'outcome' | 'provider' | 'queuedAt' | 'startedAt'> & {
  readonly endedAt: number;
};
const endedRow = rowOf({
  outcome: nullable(z.enum(runOutcomes)),
  provider: nullable(z.string()),
  queuedAt: z.int(),
  startedAt: nullable(z.int()),
  endedAt: z.int(),
});

/** Up to where ended runs were looked at: the newest of all, and those before it that were not done. */
export type EndedRunsCursor = { readonly newest: number; readonly open: ReadonlySet<number> };

export type QueueCounts = { readonly begun: number; readonly waiting: number };

/** The queue and the record of everything that was run. */
export type RunStore = {
  readonly enqueue: (id: string, order: RunOrder, queuedAt: number) => Run;
  readonly get: (id: string) => Run | undefined;
  /** By the number that its owner knows it by. */
  readonly numbered: (seq: number) => Run | undefined;
  /** Every run that is not done, in the order of the queue: for a start, which looks at all. */
  readonly open: () => readonly Run[];
  /** How many are under way and how many wait; of one owner when they are named. */
  readonly counts: (owner?: PublicKey) => QueueCounts;
  /** Those under way; of one owner when they are named. */
  readonly begun: (owner?: PublicKey) => readonly Run[];
  /** Those that wait, first ones first, after `offset`; of one owner when they are named. */
  readonly waiting: (limit: number, owner?: PublicKey, offset?: number) => readonly Run[];
  /** The one of this number, if it waits and is this owner's. */
  readonly waitingNumbered: (owner: PublicKey, seq: number) => Run | undefined;
  /** The first that waits and is of none of these sessions, nor of one in these places (`placeKey`). */
  readonly next: (busySessions: readonly string[], away: readonly string[]) => Run | undefined;
  /** How many of a session are not done, of those before `seq`. */
  readonly openIn: (session: string, seq?: number) => number;
  /** Whether one of a session is under way. */
  readonly hasBegunIn: (session: string) => boolean;
  /** Whether an owner has another session in which one is not done. */
  readonly hasOpenBeside: (owner: PublicKey, session: string) => boolean;
  /** Those of an owner that are not done and that these messages asked for. */
  readonly openOf: (owner: PublicKey, messages: readonly EventId[]) => readonly Run[];
  /** Takes all that wait of an owner off the queue, but these. */
  readonly dropWaiting: (owner: PublicKey, endedAt: number, but: readonly string[]) => number;
  /** The last ones of a session, newest first. */
  readonly ofSession: (session: string, limit: number) => readonly Run[];
  /** How many of a schedule's are not done. */
  readonly openOfSchedule: (schedule: number) => number;
  /** The last ones of a schedule that were answered, newest first. */
  readonly answersOf: (schedule: number, limit: number) => readonly Run[];
  /** Those that began in this folder since then (ms), newest first. */
  readonly inDirectory: (directory: string, since: number, limit: number) => readonly Run[];
  /** Those that have ended since a look, each once, whatever clocks say and however late that was written; without one none. */
  readonly endedSince: (cursor?: EndedRunsCursor) => {
    readonly ended: readonly EndedRun[];
    readonly cursor: EndedRunsCursor;
  };
  readonly lastOf: (owner: PublicKey) => Run | undefined;
  /** When each payer served one of the owner's last 200 tasks last (ms). */
  readonly lastUses: (owner: PublicKey) => readonly { readonly provider: string; readonly at: number }[];
  readonly prepare: (id: string, provider: string, startedAt: number) => void;
  readonly running: (id: string, pid: number | undefined) => void;
  /** So much of its answer was sent, in so many messages. */
  readonly tell: (id: string, told: string, parts: number) => void;
  /** The agent has ended; what it said is kept from here on. */
  readonly settling: (id: string, end: Omit<RunEnd, 'endedAt'>) => void;
  readonly finish: (id: string, end: RunEnd) => void;
  /** More is known of a run that was answered before its agent was done. */
  readonly amend: (id: string, end: Omit<RunEnd, 'endedAt'>) => void;
  /** What they changed was taken back then (ms), or stands again. */
  readonly undone: (ids: readonly string[], at: number | undefined) => void;
};

const columnsOf = ({ outcome, answer, result }: Omit<RunEnd, 'endedAt'>) => ({
  outcome,
  answer,
  result: result && JSON.stringify(result),
});

const countRow = z.object({ n: z.int() });
const stateCounts = rowOf({ open: z.int(), waiting: z.int().nullable() });

type OpenRuns = Pick<
  RunStore,
  | 'open'
  | 'counts'
  | 'begun'
  | 'waiting'
  | 'waitingNumbered'
  | 'next'
  | 'openIn'
  | 'hasBegunIn'
  | 'hasOpenBeside'
  | 'openOf'
  | 'dropWaiting'
>;

/** What says where a session works: all with the same wait for the same. */
export const placeKey = ({
  directory,
  workspace,
  backendSession,
}: Pick<Session, 'directory' | 'workspace' | 'backendSession'>): string =>
  [directory, workspace, backendSession === undefined ? 0 : 1].join('\n');
const placeKeyColumn = 'directory || char(10) || workspace || char(10) || (backend_session IS NOT NULL)';

/** What is asked of the queue. Each statement says `state <> 'done'`, so that the indexes of what waits are used. */
function openRuns(db: Database): OpenRuns {
  const open = "FROM runs WHERE state <> 'done'";
  // Said, for SQLite would rather look through all that an owner or a session ever had.
  const ofOwner = "FROM runs INDEXED BY runs_open_of_owner WHERE state <> 'done' AND owner = ?";
  const ofSession = "FROM runs INDEXED BY runs_open_in_session WHERE state <> 'done' AND session = ?";
  const counted = "SELECT count(*) AS open, sum(state = 'queued') AS waiting";
  const countAll = select(db, `${counted} ${open}`, stateCounts);
  const countOf = select(db, `${counted} ${ofOwner}`, stateCounts);
  const begunAll = select(db, `SELECT * ${open} AND state <> 'queued' ORDER BY seq`, row);
  const begunOf = select(db, `SELECT * ${ofOwner} AND state <> 'queued' ORDER BY seq`, row);
  const first = `AND state = 'queued' ORDER BY seq LIMIT ? OFFSET ?`;
  const waitingAll = select(db, `SELECT * ${open} ${first}`, row);
  const waitingOf = select(db, `SELECT * ${ofOwner} ${first}`, row);
  const next = select(
    db,
    `SELECT * ${open} AND state = 'queued' AND session NOT IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT 1`,
    row,
  );
  const nextElsewhere = select(
    db,
    `SELECT runs.* FROM runs INDEXED BY runs_open_in_order CROSS JOIN sessions ON sessions.id = runs.session
       WHERE state <> 'done' AND state = 'queued' AND session NOT IN (SELECT value FROM json_each(?))
       AND ${placeKeyColumn} NOT IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT 1`,
    row,
  );
  const numbered = select(db, `SELECT * ${open} AND owner = ? AND seq = ? AND state = 'queued'`, row);
  const inSession = select(db, `SELECT count(*) AS n ${ofSession} AND seq < ?`, countRow);
  const begunIn = select(db, `SELECT 1 AS n ${ofSession} AND state <> 'queued' LIMIT 1`, countRow);
  const beside = select(db, `SELECT 1 AS n ${ofOwner} AND session <> ? LIMIT 1`, countRow);
  const ofMessages = select(
    db,
    `SELECT * ${ofOwner} AND message IN (SELECT value FROM json_each(?)) ORDER BY seq`,
    row,
  );
  const dropAll = change(
    db,
    `UPDATE runs INDEXED BY runs_open_of_owner SET state = 'done', outcome = 'dropped', ended_at = ?
       WHERE state <> 'done' AND state = 'queued' AND owner = ?
       AND id NOT IN (SELECT value FROM json_each(?))`,
  );
  return {
    open: select(db, `SELECT * ${open} ORDER BY seq`, row).all,
    counts: (owner) => {
      const found = owner === undefined ? countAll.one() : countOf.one(owner);
      const waiting = found?.waiting ?? 0;
      return { begun: (found?.open ?? 0) - waiting, waiting };
    },
    begun: (owner) => (owner === undefined ? begunAll.all() : begunOf.all(owner)),
    waiting: (limit, owner, offset = 0) =>
      owner === undefined ? waitingAll.all(limit, offset) : waitingOf.all(owner, limit, offset),
    waitingNumbered: (owner, seq) => numbered.one(owner, seq),
    next: (busySessions, away) =>
      away.length === 0
        ? next.one(JSON.stringify(busySessions))
        : nextElsewhere.one(JSON.stringify(busySessions), JSON.stringify(away)),
    openIn: (session, seq = Number.MAX_SAFE_INTEGER) => inSession.one(session, seq)?.n ?? 0,
    hasBegunIn: (session) => begunIn.one(session) !== undefined,
    hasOpenBeside: (owner, session) => beside.one(owner, session) !== undefined,
    openOf: (owner, messages) => ofMessages.all(owner, JSON.stringify(messages)),
    dropWaiting: (owner, endedAt, but) => dropAll(endedAt, owner, JSON.stringify(but)),
  };
}

function endedSince(db: Database): RunStore['endedSince'] {
  const seqRow = z.object({ seq: z.int() });
  const newest = select(db, 'SELECT seq FROM runs ORDER BY seq DESC LIMIT 1', seqRow);
  const open = select(db, "SELECT seq FROM runs WHERE state <> 'done'", seqRow);
  const columns = 'SELECT outcome, provider, queued_at, started_at, ended_at FROM runs';
  const after = select(db, `${columns} WHERE seq > ? AND state = 'done'`, endedRow);
  const among = select(
    db,
    `${columns} WHERE seq IN (SELECT value FROM json_each(?)) AND state = 'done'`,
    endedRow,
  );
  return (cursor) => {
    const now = new Set(open.all().map(({ seq }) => seq));
    const gone = [...(cursor?.open ?? [])].filter((seq) => !now.has(seq));
    return {
      ended: cursor === undefined ? [] : [...among.all(JSON.stringify(gone)), ...after.all(cursor.newest)],
      cursor: { newest: newest.one()?.seq ?? 0, open: now },
    };
  };
}

export function createRunStore(db: Database): RunStore {
  const insert = select(
    db,
    `INSERT INTO runs (id, owner, session, message, message_kind, protocol, fallback_relays, task, mode, model, budget, job, schedule, due_at, pictures, state, queued_at)
     VALUES ($id, $owner, $session, $message, $messageKind, $protocol, $fallbackRelays, $task, $mode, $model, $budget, $job, $schedule, $dueAt, $pictures, 'queued', $queuedAt)
     RETURNING *`,
    row,
  );
  const openOfSchedule = select(
    db,
    "SELECT count(*) AS count FROM runs WHERE schedule = ? AND state <> 'done'",
    z.object({ count: z.int() }),
  );
  const settling = change(
    db,
    "UPDATE runs SET state = 'settling', outcome = $outcome, answer = $answer, result = $result WHERE id = $id",
  );
  const amend = change(
    db,
    'UPDATE runs SET outcome = $outcome, answer = $answer, result = $result WHERE id = $id',
  );
  const undone = change(
    db,
    'UPDATE runs SET undone_at = $at WHERE id IN (SELECT value FROM json_each($ids))',
  );
  const finish = change(
    db,
    `UPDATE runs SET state = 'done', outcome = $outcome, answer = $answer, result = $result,
       pid = NULL, told = NULL, ended_at = $endedAt WHERE id = $id`,
  );
  return {
    enqueue: (id, { pictures, ...order }, queuedAt) => {
      const lists = {
        fallbackRelays: JSON.stringify(order.fallbackRelays),
        pictures: pictures && JSON.stringify(pictures),
      };
      const none = { job: 'task', schedule: undefined, dueAt: undefined };
      const run = insert.one({ id, ...none, ...order, ...lists, queuedAt });
      if (run === undefined) throw new Error('the run was not stored');
      return run;
    },
    get: select(db, 'SELECT * FROM runs WHERE id = ?', row).one,
    numbered: select(db, 'SELECT * FROM runs WHERE seq = ?', row).one,
    ...openRuns(db),
    ofSession: select(db, 'SELECT * FROM runs WHERE session = ? ORDER BY seq DESC LIMIT ?', row).all,
    lastUses: select(
      db,
      `SELECT provider, max(started_at) AS at FROM (SELECT * FROM runs WHERE owner = ? ORDER BY seq DESC LIMIT 200)
       WHERE provider IS NOT NULL AND started_at IS NOT NULL GROUP BY provider`,
      rowOf({ provider: z.string(), at: z.int() }),
    ).all,
    openOfSchedule: (schedule) => openOfSchedule.one(schedule)?.count ?? 0,
    answersOf: select(
      db,
      "SELECT * FROM runs WHERE schedule = ? AND outcome = 'answered' ORDER BY seq DESC LIMIT ?",
      row,
    ).all,
    inDirectory: select(
      db,
      `SELECT runs.* FROM runs JOIN sessions ON sessions.id = runs.session
       WHERE sessions.directory = ? AND runs.started_at >= ? ORDER BY +runs.seq DESC LIMIT ?`,
      row,
    ).all,
    endedSince: endedSince(db),
    lastOf: select(db, 'SELECT * FROM runs WHERE owner = ? ORDER BY seq DESC LIMIT 1', row).one,
    prepare: change(db, "UPDATE runs SET state = 'preparing', provider = ?2, started_at = ?3 WHERE id = ?1"),
    running: change(db, "UPDATE runs SET state = 'running', pid = ?2 WHERE id = ?1"),
    tell: change(db, 'UPDATE runs SET told = ?2, parts = ?3 WHERE id = ?1'),
    settling: (id, end) => {
      settling({ id, ...columnsOf(end) });
    },
    finish: (id, { endedAt, ...end }) => {
      finish({ id, ...columnsOf(end), endedAt });
    },
    amend: (id, end) => {
      amend({ id, ...columnsOf(end) });
    },
    undone: (ids, at) => {
      undone({ ids: JSON.stringify(ids), at });
    },
  };
}
