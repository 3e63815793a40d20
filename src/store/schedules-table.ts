import type { Database } from 'bun:sqlite';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { modes } from '../backends/backend.ts';
import {
  type NewSchedule,
  type Pause,
  pauses,
  type Schedule,
  type ScheduledWork,
  scheduleStates,
} from '../schedules/schedule.ts';
import { eventIdColumn, publicKeyColumn, relayUrlColumn } from './nostr-columns.ts';

const when = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('cron'), patterns: z.array(z.string()) }),
  z.object({ kind: z.literal('span'), seconds: z.int().positive() }),
  z.object({
    kind: z.literal('days'),
    days: z.int().positive(),
    from: z.string(),
    clock: z.object({ hour: z.int(), minute: z.int() }),
  }),
  z.object({ kind: z.literal('once'), at: z.int() }),
  z.object({ kind: z.literal('asked'), name: z.string() }),
]);

const row = rowOf({
  id: z.int(),
  owner: publicKeyColumn,
  kind: z.enum(['task', 'reminder']),
  message: eventIdColumn,
  messageKind: z.int(),
  protocol: z.enum(['nip17', 'nip04']),
  fallbackRelays: jsonText(z.array(relayUrlColumn)),
  at: jsonText(when),
  zone: z.string(),
  text: z.string(),
  workspace: nullable(z.string()),
  backend: nullable(z.string()),
  mode: nullable(z.enum(modes)),
  model: nullable(z.string()),
  budget: nullable(z.int()),
  session: nullable(z.string()),
  state: z.enum(scheduleStates),
  pause: nullable(z.enum(pauses)),
  nextAt: nullable(z.int()),
  createdAt: z.int(),
  lastAt: nullable(z.int()),
  runs: z.int(),
  quiet: z.int(),
  skipped: z.int(),
  failures: z.int(),
  refusals: z.int(),
}).transform(
  ({ at, kind, workspace, backend, mode, model, budget, session, ...rest }): Schedule => ({
    ...rest,
    when: at,
    work:
      kind === 'task' && workspace !== undefined && backend !== undefined && mode !== undefined
        ? { kind, workspace, backend, mode, model, budget, session }
        : { kind: 'reminder' },
  }),
);

/** What is done at a time. */
export type ScheduleStore = {
  readonly insert: (schedule: NewSchedule) => Schedule;
  readonly get: (id: number) => Schedule | undefined;
  /** Those of an owner that have not ended, in the order in which they were made. */
  readonly of: (owner: PublicKey) => readonly Schedule[];
  /** Those whose time has come, the earliest first. */
  readonly due: (now: number) => readonly Schedule[];
  /** The first time of any that comes after this one (Unix ms). */
  readonly nextAt: (after: number) => number | undefined;
  readonly update: (id: number, changed: ScheduleChange) => void;
};
export type ScheduleChange = Partial<
  Pick<Schedule, 'zone' | 'lastAt' | 'runs' | 'quiet' | 'skipped' | 'failures' | 'refusals'> & {
    readonly session: string;
    /** What it is from now on. */
    readonly turn:
      | { readonly state: 'active'; readonly nextAt: number | undefined }
      | { readonly state: 'paused'; readonly pause: Pause }
      | { readonly state: 'missed' | 'ended' };
  }
>;

export function createScheduleStore(db: Database): ScheduleStore {
  const insert = select(
    db,
    `INSERT INTO schedules (owner, kind, message, message_kind, protocol, fallback_relays, at, zone, text, workspace, backend, mode, model, budget, state, next_at, created_at)
     VALUES ($owner, $kind, $message, $messageKind, $protocol, $fallbackRelays, $at, $zone, $text, $workspace, $backend, $mode, $model, $budget, 'active', $nextAt, $createdAt)
     RETURNING *`,
    row,
  );
  const update = change(
    db,
    `UPDATE schedules SET zone = $zone, session = $session, state = $state, pause = $pause, next_at = $nextAt, last_at = $lastAt,
       runs = $runs, quiet = $quiet, skipped = $skipped, failures = $failures, refusals = $refusals WHERE id = $id`,
  );
  const get = select(db, 'SELECT * FROM schedules WHERE id = ?', row).one;
  const next = select(
    db,
    'SELECT min(next_at) AS next_at FROM schedules WHERE next_at > ?',
    rowOf({ nextAt: nullable(z.int()) }),
  );
  const sessionOf = (work: ScheduledWork): string | undefined =>
    work.kind === 'task' ? work.session : undefined;
  return {
    insert: ({ when, work, fallbackRelays, ...schedule }) => {
      const { session: _, ...columns } =
        work.kind === 'task'
          ? work
          : {
              ...work,
              workspace: undefined,
              backend: undefined,
              mode: undefined,
              model: undefined,
              budget: undefined,
              session: undefined,
            };
      const texts = { at: JSON.stringify(when), fallbackRelays: JSON.stringify(fallbackRelays) };
      const made = insert.one({ ...schedule, ...columns, ...texts });
      if (made === undefined) throw new Error('the schedule was not stored');
      return made;
    },
    get,
    of: select(db, "SELECT * FROM schedules WHERE owner = ? AND state <> 'ended' ORDER BY id", row).all,
    due: select(db, 'SELECT * FROM schedules WHERE next_at <= ? ORDER BY next_at, id', row).all,
    nextAt: (after) => next.one(after)?.nextAt,
    update: (id, { turn, ...changed }) => {
      const schedule = get(id);
      if (schedule === undefined) return;
      const { zone, lastAt, runs, quiet, skipped, failures, refusals } = { ...schedule, ...changed };
      const session = changed.session ?? sessionOf(schedule.work);
      const { state, pause, nextAt } =
        turn === undefined ? schedule : { pause: undefined, nextAt: undefined, ...turn };
      update({ id, zone, session, state, pause, nextAt, lastAt, runs, quiet, skipped, failures, refusals });
    },
  };
}
