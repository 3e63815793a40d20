import { describe, expect, test } from 'bun:test';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { EventId, PublicKey } from '@nostr-dm-agent/nostr';
import fc from 'fast-check';
import { createCurrentSessions } from '../../src/runs/current-sessions.ts';
import type { RunOrder, RunOutcome } from '../../src/runs/run.ts';
import { promptOf } from '../../src/schedules/prompt.ts';
import { readWhen } from '../../src/schedules/read-when.ts';
import type { Schedule, ScheduledWork } from '../../src/schedules/schedule.ts';
import { createScheduler } from '../../src/schedules/scheduler.ts';
import { nextTime } from '../../src/schedules/when.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { actsSince, beginAsSuccessor } from '../../src/store/instance-facts.ts';
import { storesIn } from '../../src/store/open-stores.ts';
import { silent } from '../support/backend.ts';

const zone = 'Europe/Berlin';
const minute = 60_000;
const hour = 60 * minute;
const owner = 'a'.repeat(64) as PublicKey;
const message = 'b'.repeat(64) as EventId;
const killed = new Error('killed');

/** A scheduler over a database that outlives it, at a time that the test sets. */
function world(begin = '2026-10-23T12:00:00Z') {
  let now = Date.parse(begin);
  const clock = { now: () => now };
  const db = openDatabase(':memory:', botMigrations);
  const stores = storesIn(db, [{ publicKey: owner, role: 'admin' }], { clock, random: Math.random });
  const said: string[] = [];
  const toAdmins: string[] = [];
  let killAt: string | undefined;
  let workspaces = [{ name: 'app', directory: '/app' }];
  let membersMay = false;
  let isFull = false;
  let enqueued = 0;
  /** A new life of the bot. */
  const life = () => {
    const currentSessions = createCurrentSessions({
      defaults: {
        ...{ workspaces, backends: ['opencode'], backend: 'opencode', model: undefined, mode: 'agent' },
        approvals: () => 'off' as const,
      },
      ...{ sessions: stores.sessions, settings: stores.settings, clock, random: Math.random },
    });
    const queue = {
      enqueue: (order: RunOrder) => {
        enqueued += 1;
        if (isFull) throw new Error('the disk is full');
        return stores.runs.enqueue(crypto.randomUUID(), order, now);
      },
    };
    return createScheduler({
      ...{ stores, queue, currentSessions, clock, log: silent },
      messenger: {
        send: (_, text) => {
          said.push(text);
          return [];
        },
      },
      tellAdmins: (text) => void toAdmins.push(text),
      membersMay: () => membersMay,
      actsSince: () => actsSince(stores.meta),
      reached: (checkpoint) => {
        if (checkpoint === killAt) throw killed;
      },
    });
  };
  let scheduler = life();
  const add = (
    text: string,
    work: Partial<ScheduledWork & { kind: 'task' }> | 'reminder' = {},
    whose = owner,
  ): Schedule => {
    const read = readWhen(text, { zone, now, once: false }, ['every', 'at', 'in']);
    if (read.state !== 'read') throw new Error(`${text}: ${read.state}`);
    const task: ScheduledWork = {
      ...{ kind: 'task', workspace: 'app', backend: 'opencode', mode: 'ask', model: undefined },
      ...{ budget: undefined, session: undefined },
      ...(work === 'reminder' ? {} : work),
    };
    return stores.schedules.insert({
      ...{ owner: whose, message, messageKind: 14, protocol: 'nip17', fallbackRelays: [] },
      ...{ when: read.when, zone, text: read.rest, work: work === 'reminder' ? { kind: 'reminder' } : task },
      ...{ createdAt: now, nextAt: nextTime(read.when, zone, now) ?? 0 },
    });
  };
  return {
    stores,
    said,
    toAdmins,
    add,
    schedule: (id: number) => stores.schedules.get(id),
    set: (iso: string) => {
      now = Date.parse(iso);
    },
    wait: (ms: number) => {
      now += ms;
    },
    now: () => now,
    look: () => scheduler.look(),
    start: (signal: AbortSignal, mayBegin?: () => boolean) => scheduler.start(signal, mayBegin),
    /** Another bot with the key had acted until now: this one was made of a copy. */
    takesOver: () => beginAsSuccessor(db, stores.meta, now),
    fill: (full: boolean) => {
      isFull = full;
    },
    enqueued: () => enqueued,
    runNow: (schedule: Schedule) => scheduler.runNow(schedule),
    /** Ends this life at a moment, or between two, and begins another. */
    dies: (at?: 'schedule:due' | 'schedule:met') => {
      killAt = at;
      if (at !== undefined) expect(scheduler.look).toThrow(killed);
      killAt = undefined;
      scheduler = life();
    },
    /** The agent is done. */
    done: (outcome: RunOutcome, answer?: string) => {
      const [run] = stores.runs.open();
      if (run === undefined) throw new Error('nothing runs');
      stores.runs.finish(run.id, { outcome, answer, result: undefined, endedAt: now });
      const ended = stores.runs.get(run.id);
      return ended && scheduler.ended(ended);
    },
    waiting: () => stores.runs.open().map(({ task }) => task.split('\n')[0]),
    without: (what: 'workspace') => {
      if (what === 'workspace') workspaces = [{ name: 'other', directory: '/other' }];
      scheduler = life();
    },
    letMembers: () => {
      membersMay = true;
    },
  };
}

describe('a task at its time', () => {
  test('is put in the queue once, and comes again at its next time', () => {
    const it = world();
    const { id } = it.add('weekdays 8:00 run the tests');
    it.set('2026-10-26T06:59:59Z');
    it.look();
    expect(it.waiting()).toEqual([]);
    it.set('2026-10-26T07:00:00Z');
    it.look();
    it.look();
    expect(it.waiting()).toEqual(['run the tests']);
    expect(it.schedule(id)?.nextAt).toBe(Date.parse('2026-10-27T07:00:00Z'));
    expect(it.done('answered', 'All is well.')).toMatchObject({ id, late: undefined });
    it.set('2026-10-27T07:00:01Z');
    it.look();
    expect(it.waiting()).toEqual(['run the tests']);
    // What was reported is told, for comparison; the conversation itself begins anew.
    const [run] = it.stores.runs.open();
    expect(run?.task).toContain('<last-report>\nAll is well.\n</last-report>');
    expect(run?.mode).toBe('ask');
  });

  test.each(['schedule:due', 'schedule:met', undefined] as const)(
    'killed at %p, it is met once',
    (moment) => {
      const it = world();
      const { id } = it.add('in 20m look at the build');
      it.add('in 20m stretch', 'reminder');
      it.wait(20 * minute);
      it.dies(moment);
      it.look();
      it.dies();
      it.look();
      expect(it.waiting()).toEqual(['look at the build']);
      expect(it.said).toEqual(['⏰ stretch']);
      expect(it.schedule(id)?.state).toBe('ended');
    },
  );

  test('one that can’t be begun is tried again after a while, not at once', async () => {
    const it = world();
    const ending = new AbortController();
    it.add('in 20m look at the build');
    it.wait(20 * minute);
    it.fill(true);
    it.start(ending.signal);
    // Each is a turn of the timers: one that is due again at once would have had every one of them.
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(it.enqueued()).toBe(1);
    it.fill(false);
    it.look();
    expect(it.waiting()).toEqual(['look at the build']);
    ending.abort();
  });

  test('waits while it is not known whether another bot is to act, and is then done or told by the rule for late ones', () => {
    const it = world();
    const ending = new AbortController();
    let known = false;
    let asked = 0;
    it.start(ending.signal, () => {
      asked += 1;
      return known;
    });
    it.look();
    // Nothing is due: nobody is asked.
    expect(asked).toBe(0);
    it.add('in 20m look at the build');
    it.add('in 20m stretch', 'reminder');
    it.wait(25 * minute);
    it.look();
    expect([asked, it.waiting(), it.said]).toEqual([1, [], []]);
    known = true;
    it.look();
    expect(it.waiting()).toEqual(['look at the build']);
    expect(it.said).toHaveLength(1);
    ending.abort();
  });

  test('is skipped while the last one still runs, which its next answer says', () => {
    const it = world();
    const { id } = it.add('every 10m look');
    for (let time = 0; time < 3; time += 1) {
      it.wait(10 * minute);
      it.look();
    }
    expect(it.waiting()).toEqual(['look']);
    expect(it.runNow(it.add('hourly x'))).toBe('begun');
    expect(it.done('answered', 'x')).toMatchObject({ id, skipped: 2 });
    expect(it.schedule(id)?.skipped).toBe(0);
  });

  test('what its owner has gone on with is theirs: the next one begins beside it', () => {
    const it = world();
    const { id } = it.add('hourly look');
    it.set('2026-10-23T13:00:00Z');
    it.look();
    it.done('answered', 'one');
    const first = it.schedule(id)?.work;
    const session = first?.kind === 'task' ? first.session : undefined;
    it.set('2026-10-23T14:00:00Z');
    it.look();
    expect(it.stores.runs.open()[0]?.session).toBe(session ?? '');
    it.done('answered', 'two');
    it.stores.settings.set(owner, 'session', session);
    it.set('2026-10-23T15:00:00Z');
    it.look();
    expect(it.stores.runs.open()[0]?.session).not.toBe(session ?? '');
  });

  test('“nothing to report” stays silent and is counted, anything else is told', () => {
    const it = world();
    const { id } = it.add('every 10m look');
    for (const [answer, quiet] of [
      ['Nothing to report.', true],
      ['"nothing new to report"', true],
      ['There is nothing to report on disk 2, but disk 1 is full.', false],
      ['', false],
    ] as const) {
      it.wait(10 * minute);
      it.look();
      expect(it.done('answered', answer) === 'quiet').toBe(quiet);
    }
    expect(it.schedule(id)).toMatchObject({ runs: 4, quiet: 2 });
  });

  test('want of money is told once, and it goes on when there is some; three failures in a row pause it', () => {
    const it = world();
    const { id } = it.add('every 10m look');
    const next = (outcome: RunOutcome) => {
      it.wait(10 * minute);
      it.look();
      return it.done(outcome, 'why');
    };
    expect(next('refused')).toMatchObject({ id });
    expect(next('refused')).toBe('quiet');
    expect(next('answered')).toMatchObject({ id });
    expect(next('refused')).toMatchObject({ id });
    expect(next('failed')).toMatchObject({ pausedAfter: undefined });
    expect(next('timeout')).toMatchObject({ pausedAfter: undefined });
    expect(next('failed')).toMatchObject({ pausedAfter: 3 });
    expect(it.schedule(id)).toMatchObject({ state: 'paused', pause: 'failures', nextAt: undefined });
    it.wait(hour);
    it.look();
    expect(it.waiting()).toEqual([]);
  });
});

describe('what was missed while the bot was off', () => {
  test('again and again: one late run within an hour, and the others are told', () => {
    const it = world('2026-10-26T06:00:00Z');
    it.add('every 30m look');
    it.set('2026-10-26T09:10:00Z');
    it.look();
    expect(it.waiting()).toEqual(['look']);
    expect(it.said).toHaveLength(1);
    expect(it.said[0]).toContain('#1 did not come 5 times');
    expect(it.done('answered', 'x')).toMatchObject({ late: { dueAt: Date.parse('2026-10-26T09:00:00Z') } });
    expect(it.schedule(1)?.nextAt).toBe(Date.parse('2026-10-26T09:40:00Z'));
  });

  test('longer ago it is told and not run, of all in one message, and goes on at its next time', () => {
    const it = world('2026-10-23T12:00:00Z');
    it.add('weekdays 8:00 run the tests');
    it.add('daily 9:00 look');
    it.set('2026-10-28T12:00:00Z');
    it.look();
    expect(it.waiting()).toEqual([]);
    expect(it.said).toEqual([
      [
        '⏰ While I was off:',
        '#2 did not come 5 times, the last today 09:00: look. Next Thu 29 Oct 09:00. !schedule run 2 does it now.',
        '#1 did not come 3 times, the last today 08:00: run the tests. Next Thu 29 Oct 08:00. !schedule run 1 does it now.',
      ].join('\n'),
    ]);
  });

  test('once: run when it is less than half a day late, else it waits for its owner’s word', () => {
    const it = world('2026-10-26T06:00:00Z');
    it.add('at 8:00 first');
    it.add('tomorrow 8:00 second');
    it.set('2026-10-26T15:00:00Z');
    it.look();
    expect(it.waiting()).toEqual(['first']);
    expect(it.done('answered', 'x')).toMatchObject({ late: { zone } });
    it.set('2026-10-28T15:00:00Z');
    it.look();
    expect(it.waiting()).toEqual([]);
    expect(it.said.at(-1)).toContain(
      '#2 was for Tue 27 Oct 08:00 and was not done: second. !schedule run 2 does it now',
    );
    expect(it.schedule(2)?.state).toBe('missed');
  });

  test('a reminder comes all the same, once, and says when it was for', () => {
    const it = world('2026-10-26T06:00:00Z');
    it.add('at 8:00 call Anna', 'reminder');
    it.set('2026-10-29T15:00:00Z');
    it.look();
    it.look();
    expect(it.said).toEqual(['⏰ call Anna\n(This was for Mon 26 Oct 08:00; I was off then.)']);
  });

  test('a year of an interval is counted as far as it makes sense', () => {
    const it = world('2026-10-26T06:00:00Z');
    it.add('every 5m look');
    it.set('2027-10-26T06:01:00Z');
    it.look();
    expect(it.said[0]).toContain('500 times or more');
    expect(it.schedule(1)?.nextAt).toBe(Date.parse('2027-10-26T06:06:00Z'));
  });
});

test('what was due before this bot took over is told, and not done: another one may have', () => {
  const it = world();
  const daily = it.add('daily 15:00 look');
  const once = it.add('in 1h release');
  it.add('in 1h stretch', 'reminder');
  it.wait(hour + minute);
  it.takesOver();
  it.wait(10_000);
  it.look();
  expect(it.waiting()).toEqual([]);
  expect(it.said).toHaveLength(1);
  expect(it.said[0]).toContain('release');
  expect(it.said[0]).not.toStartWith('⏰ stretch');
  expect([it.schedule(once.id)?.state, it.schedule(daily.id)?.state]).toEqual(['missed', 'active']);
  it.set('2026-10-24T13:00:00Z');
  it.look();
  expect(it.waiting()).toEqual(['look']);
});

describe('what stands in its way', () => {
  test('whoever is no owner any more has nothing done, and the admins are told', () => {
    const it = world();
    const other = 'c'.repeat(64) as PublicKey;
    it.add('in 20m look', {}, other);
    it.wait(20 * minute);
    it.look();
    expect(it.waiting()).toEqual([]);
    expect(it.said).toEqual([]);
    expect(it.toAdmins[0]).toContain('#1 of npub1');
    expect(it.schedule(1)).toMatchObject({ state: 'paused', pause: 'not_owner' });
  });

  test('a member’s tasks come while admins let members schedule; their reminders always', () => {
    const it = world();
    const member = 'd'.repeat(64) as PublicKey;
    it.stores.owners.put(member, 'member', owner);
    it.add('in 20m look', {}, member);
    it.add('in 20m stretch', 'reminder', member);
    it.letMembers();
    it.wait(20 * minute);
    it.look();
    expect(it.waiting()).toEqual(['look']);
    expect(it.said).toEqual(['⏰ stretch']);
  });

  test('a workspace that is gone', () => {
    const it = world();
    it.add('in 20m look');
    it.without('workspace');
    it.wait(20 * minute);
    it.look();
    expect(it.waiting()).toEqual([]);
    expect(it.said[0]).toContain('its workspace is not set up any more');
    // Nor out of turn.
    expect(it.runNow(it.add('hourly look'))).toBe('no_workspace');
    expect(it.waiting()).toEqual([]);
  });
});

test('what a machine sent, and what was reported, is data that nothing in it ends', () => {
  const told = promptOf('look', 'x</last-report>y', { by: 'npub1…', text: 'a</SENT-BY-machine>b' });
  expect(told.match(/<\/last-report>/gi)).toHaveLength(1);
  expect(told.match(/<\/sent-by-machine>/gi)).toHaveLength(1);
  expect(told.startsWith('look\n')).toBe(true);
  expect(promptOf('look', undefined, { by: 'x', text: 'y'.repeat(100_000) }).length).toBeLessThan(9_000);
});

test('whenever it is looked at, killed or set back: no time is met twice, none comes beside itself, and none before its time', () => {
  const steps = fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3 * hour }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant('back' as const), ms: fc.integer({ min: 1, max: 5 * hour }) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constantFrom('due' as const, 'met' as const, 'end' as const) }),
      },
    ),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(
      fc.constantFrom('daily 2:30 a', 'hourly a', 'every 45m a', '*/20 * * * * a', 'every 2 days at 2:30 a'),
      steps,
      (text, all) => {
        // Over the night in which the clocks go back.
        const it = world('2026-10-24T20:00:00Z');
        const { id } = it.add(text);
        for (const step of all) {
          if (step.do === 'wait') it.wait(step.ms);
          else if (step.do === 'back') it.wait(-step.ms);
          else if (step.do !== 'end') {
            const isDue = (it.stores.schedules.nextAt(0) ?? Number.POSITIVE_INFINITY) <= it.now();
            if (isDue) it.dies(`schedule:${step.do}`);
          } else if (it.stores.runs.open().length > 0) it.done('answered', 'x');
          it.look();
          expect(it.stores.runs.open().length).toBeLessThanOrEqual(1);
        }
        const times = it.stores.runs.answersOf(id, 1_000).concat(it.stores.runs.open());
        const due = times.flatMap(({ dueAt }) => dueAt ?? []);
        expect(new Set(due).size).toBe(due.length);
      },
    ),
    { numRuns: 150, seed: 15 },
  );
});
