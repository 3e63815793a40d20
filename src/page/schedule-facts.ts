import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { ScheduleFacts, SchedulesSource } from '@nostr-dm-agent/page';
import { clockChangeText, countText, turnText } from '../replies/schedule-replies.ts';
import { describeWhen, formatTime } from '../replies/when-in-words.ts';
import type { Schedule } from '../schedules/schedule.ts';
import type { Schedules } from '../schedules/schedules.ts';
import { clockChangeAhead } from '../schedules/zone.ts';
import type { Stores } from '../store/open-stores.ts';

export type ScheduleFactsDeps = {
  readonly schedules: Pick<Schedules, 'of' | 'hostZone'>;
  readonly settings: Pick<Stores['settings'], 'get'>;
  readonly runs: Pick<Stores['runs'], 'ofSession'>;
  readonly clock: Clock;
};

/** Among so many of its session's last runs is that of a schedule: its owner may have gone on with it since. */
const lookedThrough = 20;

/** A visitor's own; nobody sees another's. */
export const createScheduleFacts = (deps: ScheduleFactsDeps): SchedulesSource => ({
  list: ({ publicKey }) => deps.schedules.of(publicKey).map((schedule) => scheduleFacts(deps, schedule)),
  zone: ({ publicKey }) => {
    const chosen = deps.settings.get(publicKey, 'zone');
    const name = chosen ?? deps.schedules.hostZone;
    const now = deps.clock.now();
    const change = clockChangeAhead(deps.schedules.of(publicKey), name, now);
    return { name, chosen: chosen !== undefined, change: change && clockChangeText(change, name, now) };
  },
});

function scheduleFacts({ runs, clock }: ScheduleFactsDeps, schedule: Schedule): ScheduleFacts {
  const { id, text, when, zone, state, work, lastAt } = schedule;
  const now = clock.now();
  const isTask = work.kind === 'task';
  const session = isTask ? work.session : undefined;
  const last =
    session === undefined
      ? undefined
      : runs.ofSession(session, lookedThrough).find((run) => run.schedule === id);
  const turn = turnText(schedule, now);
  const count = countText(schedule);
  return {
    ...{ id, kind: work.kind, text },
    times: describeWhen(when, zone, now),
    state: state === 'ended' ? 'missed' : state,
    next: turn === '' ? undefined : turn,
    how: isTask ? `${work.mode} mode · ${work.workspace}` : undefined,
    count: count === '' ? undefined : count,
    last:
      lastAt === undefined
        ? undefined
        : { at: formatTime(lastAt, zone, now), outcome: last?.outcome, session: last && session },
  };
}
