import type { PublicKey } from '@nostr-dm-agent/nostr';
import { lines, plural, shorten } from '../replies/format.ts';
import {
  cannotRun,
  noSchedules,
  notForMembers,
  scheduleLine,
  scheduleList,
} from '../replies/schedule-replies.ts';
import { describeWhen, formatTime } from '../replies/when-in-words.ts';
import type { Schedule } from '../schedules/schedule.ts';
import { nextTime } from '../schedules/when.ts';
import { clockChangeAhead, zoneNamed } from '../schedules/zone.ts';
import { addReminder, addSchedule, zoneOf } from './add-schedule.ts';
import { parseChoice, parseCount } from './arguments.ts';
import { type Call, type Command, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

const grammar =
  'Times: daily 8:00 · weekdays 7.30 · mon,thu 18:30 · every 2h · hourly · monthly 1 9:00 · in 20m · at 14:30 · tomorrow 9:00 · 2026-12-24 18:00 · five cron fields. In your zone: !timezone.';

/** `!every`, `!at`, `!in`, `!remind`, `!schedule`, `!timezone`. */
export const scheduleCommands = (deps: CommandDeps): readonly Command[] => [
  adding(deps, {
    path: 'every',
    lead: ['every'],
    once: false,
    summary: 'a task at its times, again and again',
    detail: `${grammar} It runs in ask mode, unless “agent” stands before the task, each time with a budget of its own (!!500 at the end). An answer of “nothing to report” is not sent.`,
    examples: [
      '!every weekdays 8:00 run the tests, tell me only what changed',
      '!every 2h agent update the dependencies !!500',
    ],
  }),
  adding(deps, {
    path: 'at',
    lead: ['at', 'on'],
    once: true,
    summary: 'a task once, at a time',
    detail: grammar,
    examples: [
      '!at 14:30 look at the build',
      '!at friday 17:00 agent tag a release',
      '!at 18:00 remind me to call Anna',
    ],
  }),
  adding(deps, {
    path: 'in',
    lead: ['in'],
    once: true,
    summary: 'a task once, after a while',
    detail: grammar,
    examples: ['!in 20m look at the build', '!in 1h30m remind me to deploy'],
  }),
  {
    path: 'remind',
    parameters: '<when> <text>',
    takesTask: true,
    family: 'Schedule',
    summary: 'a message to yourself at a time; free',
    detail: `No model reads it. ${grammar}`,
    examples: ['!remind 18:00 call Anna', '!remind me to stretch every 2h', '!remind fri 9:00 weekly report'],
    role: 'member',
    kind: 'immediate',
    run: (call) => addReminder(deps, call),
  },
  {
    path: 'schedule',
    parameters: '[n]',
    family: 'Schedule',
    summary: 'what is scheduled, or one of it in full',
    detail: 'What was missed while the bot was off is told, not made up for in a heap.',
    examples: ['!schedule', '!schedule 3'],
    role: 'member',
    kind: 'immediate',
    run: (call) => {
      const number = /^#?(\d{1,6})$/.exec(call.argument)?.[1];
      if (number !== undefined) return one(deps, found(deps, call, number));
      if (call.argument !== '')
        return addSchedule(deps, call, { text: call.argument, lead: [], once: false });
      return listed(deps, call.owner.publicKey);
    },
  },
  ...actions(deps),
  {
    path: 'schedule members',
    parameters: '[on|off]',
    family: 'Schedule',
    summary: 'whether members may schedule tasks (off by default)',
    detail: 'Nobody watches what comes by itself, and it costs each time. Reminders are free, and anybody’s.',
    examples: ['!schedule members on'],
    role: 'admin',
    instead: notForMembers,
    kind: 'immediate',
    run: ({ argument }) => {
      if (argument !== '') deps.schedules.letMembers(parseChoice(argument, 'word', ['on', 'off']) === 'on');
      return deps.schedules.membersMay()
        ? 'Members may schedule tasks, within their limits (!limit).'
        : 'Members can’t schedule tasks. What they had scheduled is paused when its time comes.';
    },
  },
  {
    path: 'timezone',
    parameters: '[zone]',
    family: 'Schedule',
    summary: 'the zone of the times that you write',
    detail: 'What comes again and again moves with it: 8:00 is 8:00 where you are.',
    examples: ['!timezone Europe/Berlin', '!timezone'],
    role: 'member',
    kind: 'immediate',
    run: ({ owner, argument }) => timezone(deps, owner.publicKey, argument),
  },
];

/** What is done to one that there is. */
const actions = (deps: CommandDeps): readonly Command[] => [
  acting(deps, 'pause', 'do it no more until you say so', (schedule) => {
    if (schedule.state !== 'active')
      throw new RefusalError(`#${schedule.id} is not active: it is ${schedule.state}.`);
    deps.stores.schedules.update(schedule.id, { turn: { state: 'paused', pause: 'asked' } });
    return `#${schedule.id} is paused. !schedule resume ${schedule.id} lets it go on.`;
  }),
  acting(deps, 'resume', 'let a paused one go on', (schedule) => {
    const { id, when, zone } = schedule;
    if (schedule.state === 'active') throw new RefusalError(`#${id} is active already.`);
    const why = deps.schedules.whyNot(schedule);
    if (why !== undefined) throw new RefusalError(cannotRun(id, why));
    const now = deps.clock.now();
    const nextAt = nextTime(when, zone, now);
    if (nextAt === undefined && when.kind !== 'asked')
      throw new RefusalError(
        `The time of #${id} is over. !schedule run ${id} does it now, !schedule drop ${id} ends it.`,
      );
    deps.stores.schedules.update(id, { turn: { state: 'active', nextAt }, failures: 0, refusals: 0 });
    return `#${id} goes on${nextAt === undefined ? '' : `: next ${formatTime(nextAt, zone, now)}`}.`;
  }),
  acting(deps, 'run', 'do it now, out of turn', (schedule) => {
    const { id, when, state } = schedule;
    const begun = deps.schedules.runNow(schedule);
    if (begun !== 'begun' && begun !== 'busy') throw new RefusalError(cannotRun(id, begun));
    if (begun === 'busy')
      throw new RefusalError(`#${id} is at work or waits in the queue already: see !queue.`);
    if (when.kind === 'once' && state === 'missed')
      deps.stores.schedules.update(id, { turn: { state: 'ended' } });
    return schedule.work.kind === 'task' ? `#${id} is in the queue now.` : `#${id} is done.`;
  }),
  {
    path: 'schedule drop',
    parameters: '<n|all>',
    family: 'Schedule',
    summary: 'end one, or all',
    detail: 'A run of it that is under way goes on: !stop ends that.',
    examples: ['!schedule drop 3', '!schedule drop all'],
    role: 'member',
    kind: 'immediate',
    run: (call) => {
      const { schedules } = deps.stores;
      const isAll = call.argument.toLowerCase() === 'all';
      const those = isAll ? schedules.of(call.owner.publicKey) : [found(deps, call, call.argument)];
      if (those.length === 0) throw new RefusalError('Nothing is scheduled.');
      for (const { id } of those) schedules.update(id, { turn: { state: 'ended' } });
      deps.schedules.changed();
      const [only] = those;
      return those.length > 1 || only === undefined
        ? `Ended ${plural(those.length, 'schedule')}.`
        : `#${only.id} is ended: ${shorten(only.text, 80)}`;
    },
  },
];

const adding = (
  deps: CommandDeps,
  {
    lead,
    once,
    ...words
  }: Pick<Command, 'path' | 'summary' | 'detail'> & {
    readonly examples: readonly [string, ...string[]];
    readonly lead: readonly string[];
    readonly once: boolean;
  },
): Command => ({
  ...words,
  parameters: '<when> <task>',
  family: 'Schedule',
  takesTask: true,
  role: 'member',
  kind: 'immediate',
  run: (call) => addSchedule(deps, call, { text: call.argument, lead, once }),
});

const acting = (
  deps: CommandDeps,
  verb: string,
  summary: string,
  act: (schedule: Schedule) => string,
): Command => ({
  path: `schedule ${verb}`,
  parameters: '<n>',
  family: 'Schedule',
  summary,
  examples: [`!schedule ${verb} 3`],
  role: 'member',
  kind: 'immediate',
  run: (call) => {
    const said = act(found(deps, call, call.argument));
    deps.schedules.changed();
    return said;
  },
});

/** @throws UsageError, RefusalError when they have none of that number */
function found(deps: CommandDeps, { owner }: Call, typed: string): Schedule {
  const id = parseCount(typed, 'number of !schedule', 999_999);
  const schedule = deps.stores.schedules.get(id);
  if (schedule === undefined || schedule.owner !== owner.publicKey || schedule.state === 'ended')
    throw new RefusalError(`You have no #${id}. !schedule lists what you have.`);
  return schedule;
}

function listed(deps: CommandDeps, owner: PublicKey): string {
  const all = deps.stores.schedules.of(owner);
  const [first] = all;
  if (first === undefined) return noSchedules;
  const now = deps.clock.now();
  const zone = zoneOf(deps, owner);
  const change = clockChangeAhead(all, zone, now);
  return scheduleList(
    all.map((schedule) => scheduleLine(schedule, now)),
    first.id,
    zone,
    change,
    now,
  );
}

function one(deps: CommandDeps, schedule: Schedule): string {
  const { id, when, zone, text, work } = schedule;
  const now = deps.clock.now();
  const times: number[] = [];
  for (let at = schedule.nextAt; at !== undefined && times.length < 3; at = nextTime(when, zone, at))
    times.push(at);
  return lines(
    scheduleLine({ ...schedule, text: '' }, now).trimEnd(),
    text,
    work.kind === 'task' &&
      `Workspace ${work.workspace} · ${work.mode} mode${work.session === undefined ? '' : ` · !resume ${work.session} to talk about its last run`}`,
    `${describeWhen(when, zone, now)} (${zone})`,
    times.length > 0 && `Next: ${times.map((at) => formatTime(at, zone, now)).join(' · ')}`,
    `!schedule pause ${id} · !schedule run ${id} · !schedule drop ${id}`,
  );
}

function timezone(deps: CommandDeps, owner: PublicKey, typed: string): string {
  const { settings, schedules } = deps.stores;
  const now = deps.clock.now();
  if (typed === '') {
    const chosen = settings.get(owner, 'zone');
    const zone = chosen ?? deps.schedules.hostZone;
    const whose = chosen === undefined ? ' (this machine’s: !timezone Europe/Berlin sets yours)' : '';
    return `${zone}${whose}. It is ${formatTime(now, zone, now).replace('today ', '')} there.`;
  }
  const zone = zoneNamed(typed);
  if (zone === undefined)
    throw new UsageError(
      `“${shorten(typed, 40)}” is no time zone that I know. It is written like Europe/Berlin, America/New_York or UTC.`,
    );
  settings.set(owner, 'zone', zone);
  // What comes once is a moment, wherever its owner is by then.
  const moved = schedules
    .of(owner)
    .filter(({ when, zone: before }) => when.kind !== 'once' && before !== zone);
  for (const { id, when, state } of moved) {
    const nextAt = nextTime(when, zone, now);
    const turn =
      state === 'active' && nextAt !== undefined && when.kind !== 'span'
        ? { turn: { state, nextAt } as const }
        : {};
    schedules.update(id, { zone, ...turn });
  }
  deps.schedules.changed();
  const follow =
    moved.length === 0
      ? ''
      : ` ${plural(moved.length, 'schedule')} of yours ${moved.length === 1 ? 'follows' : 'follow'}.`;
  return `${zone}: it is ${formatTime(now, zone, now).replace('today ', '')} there.${follow}`;
}
