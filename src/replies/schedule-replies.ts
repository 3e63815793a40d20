import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { Missed, Pause, Schedule, ScheduledEnd } from '../schedules/schedule.ts';
import type { When } from '../schedules/when.ts';
import { type Lines, lines, plural, shorten } from './format.ts';
import { ownerName } from './owner-name.ts';
import { whenHint } from './when-hints.ts';
import { describeWhen, formatTime } from './when-in-words.ts';

/** Three that always work. */
export const whenExamples =
  'Like these: !every weekdays 8:00 run the tests · !at tomorrow 9:00 … · !in 20m …. Also mon,thu 18:30, every 2h, monthly 1 9:00, 2026-12-24 18:00, or five cron fields.';

/** Why a time was not understood, or is none that can be kept. */
export const whenProblems = {
  unknown: (typed: string) =>
    `I can’t read a time at the beginning of “${shorten(typed, 40)}”. ${whenHint(typed) ?? whenExamples}`,
  no_time: (typed: string) =>
    `“${shorten(typed, 40)}” names a day, and no time of day that I can read. ${whenHint(typed) ?? 'Write it after the day: !every daily 8:00 …, !at friday 17:00 …'}`,
  unclear: (typed: string) =>
    `“${shorten(typed, 60)}” may say more about the time than I can read, and I don’t guess. Nothing was scheduled. ${whenHint(typed) ?? 'Put a time like these in front, and a colon after it where the task begins with a day or a number: !every weekdays 8:00: friday report. Other zones: !timezone.'}`,
  hour: (typed: string) =>
    `In “${shorten(typed, 40)}” a number stands alone: it may be an hour of the morning, of the afternoon, or how many of something, and I don’t guess. Nothing was scheduled. Write the hour in full (3:00, 15:00, 3pm), and the task after it: !every monday 15:00 3 tests to run.`,
  midnight: (typed: string) =>
    `“${shorten(typed, 40)}” may be the midnight that begins that day, or the one that ends it. Nothing was scheduled. Write 0:00 (it begins the day) or 23:59 instead of midnight.`,
  not_night: (typed: string) =>
    `“${shorten(typed, 40)}”: that is no hour of the night. Nothing was scheduled. Write tonight 20:00, today 14:00 or tomorrow 8:00.`,
  once: (typed: string) =>
    `“${shorten(typed, 40)}” comes once, and !every is for what comes again and again. Nothing was scheduled. !at takes it; each year is !every year on dec 24 18:00 ….`,
  past: (typed: string) => `“${shorten(typed, 40)}” is over already. Nothing was scheduled.`,
  never: (typed: string) =>
    `“${shorten(typed, 40)}” never comes: there is no such date. Nothing was scheduled.`,
} as const;

export const tooOften =
  '5 minutes is the shortest time between two: a task costs money each time, and each is a message. Nothing was scheduled: take every 5m or more.';
export const taskMissing = (typed: string): string =>
  `The task is missing after “${shorten(typed, 40)}”: say what is to be done then.`;
export const noCommands =
  'Commands and money are not done by the clock: a schedule takes a task in plain words. Nothing was scheduled.';
export const notForMembers =
  'Members can’t schedule tasks here: an admin can allow it with !schedule members on. !remind works.';
export const tooMany = (most: number): string =>
  `You have ${most} scheduled already, which is the most. !schedule shows them, !schedule drop <n> ends one.`;

/** What was scheduled, as it was understood. */
export function scheduledText(
  schedule: Schedule,
  budget: Sat | undefined,
  zoneIsChosen: boolean,
  now: number,
): string {
  const { id, when, zone, work, nextAt = now, text } = schedule;
  const zoneNote =
    zoneIsChosen || when.kind === 'asked'
      ? ''
      : `Times are those of ${zone}, which is this machine’s zone: !timezone Europe/Berlin sets yours.`;
  if (work.kind === 'reminder') {
    const time =
      when.kind === 'once'
        ? capital(formatTime(nextAt, zone, now))
        : `#${id}, ${describeWhen(when, zone, now)}, first ${formatTime(nextAt, zone, now)}`;
    return lines(`⏰ ${time}: ${shorten(text, 200)}`, zoneNote !== '' && zoneNote);
  }
  const first = timesOf(when, zone, now, schedule.nextAt);
  const cost = budget === undefined ? '' : `, ≤ ${formatSat(budget)} a run`;
  const asks =
    work.mode === 'ask'
      ? ' It reads and answers, and changes nothing; with “agent” before the task it may.'
      : '';
  return lines(
    `#${id} · ${first} · ${work.mode} mode${cost}.${asks}`,
    `!schedule shows it, !schedule drop ${id} ends it.`,
    zoneNote !== '' && zoneNote,
  );
}

/** When it comes, with its zone, and when first. */
const timesOf = (when: When, zone: string, now: number, nextAt: number | undefined): string => {
  const words = describeWhen(when, zone, now);
  if (when.kind === 'asked') return words;
  // Every two hours is the same everywhere; its next time is one on a clock.
  if (when.kind === 'span' && nextAt !== undefined)
    return `${words} · next ${formatTime(nextAt, zone, now)} ${zone}`;
  return when.kind === 'once' || nextAt === undefined
    ? `${words} ${zone}`
    : `${words} ${zone} · next ${formatTime(nextAt, zone, now)}`;
};

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** @param late when it was due, where that is long ago (ms) */
export const reminderText = (text: string, late: number | undefined, zone: string, now: number): string =>
  `⏰ ${text}${late === undefined ? '' : `\n(This was for ${formatTime(late, zone, now)}; I was off then.)`}`;

/** In front of an answer that came by itself. */
export const atItsTime = ({ id, name, late }: ScheduledEnd, text: string, now: number): string => {
  const head = name === undefined ? `⏰ #${id}` : `⚡ ${name} (#${id})`;
  const note = late === undefined ? '' : ` (late: it was for ${formatTime(late.dueAt, late.zone, now)})`;
  return text === '' ? `${head}${note}` : `${head}${note} — ${text}`;
};

/** After it. */
export const afterwards = ({ id, skipped, pausedAfter }: ScheduledEnd): string =>
  lines(
    skipped > 0 && `(Skipped ${plural(skipped, 'time')} while it still ran.)`,
    pausedAfter !== undefined &&
      `⚠ #${id} is paused: it failed ${pausedAfter} times in a row. !schedule resume ${id} lets it go on, !schedule drop ${id} ends it.`,
  );

/** Times that passed while the bot was off. */
export function missedText(
  all: readonly { readonly schedule: Schedule; readonly missed: Missed }[],
  now: number,
): string {
  return lines(
    '⏰ While I was off:',
    all.map(({ schedule: { id, zone, when, text }, missed: { times, more, lastAt, nextAt } }) => {
      const last = formatTime(lastAt, zone, now);
      if (when.kind === 'once')
        return `#${id} was for ${last} and was not done: ${shorten(text, 60)}. !schedule run ${id} does it now, !schedule drop ${id} forgets it.`;
      const next = nextAt === undefined ? '' : ` Next ${formatTime(nextAt, zone, now)}.`;
      return `#${id} did not come ${more ? `${times} times or more` : plural(times, 'time')}, the last ${last}: ${shorten(text, 60)}.${next} !schedule run ${id} does it now.`;
    }),
  );
}

const reasons: Readonly<Record<Exclude<Pause, 'asked'>, string>> = {
  failures: 'it failed again and again',
  not_owner: 'its owner is none any more',
  not_allowed: 'members can’t schedule tasks now (!schedule members on, by an admin)',
  no_workspace: 'its workspace is not set up any more',
  no_backend: 'its agent is not set up any more',
};
const paused = (why: Pause): string => (why === 'asked' ? 'paused' : `paused: ${reasons[why]}`);

/** Of one that is to be done out of turn, or to go on. */
export const cannotRun = (id: number, why: Pause): string =>
  why === 'asked' || why === 'failures'
    ? `#${id} is ${paused(why)}. !schedule resume ${id} lets it go on.`
    : `#${id} can’t be done: ${reasons[why]}. !schedule drop ${id} ends it.`;

export const pausedText = (schedule: Schedule, why: Pause): string =>
  why === 'not_owner'
    ? `⏰ #${schedule.id} of ${ownerName(schedule.owner)} is paused: they are no owner any more. (${shorten(schedule.text, 60)})`
    : `⏰ #${schedule.id} is ${paused(why)}. (${shorten(schedule.text, 60)}) !schedule resume ${schedule.id} once that has changed.`;

/** When it comes next, or why it does not; empty: there is nothing to say beside its times. */
export function turnText({ state, pause, when, nextAt, zone }: Schedule, now: number): string {
  if (state === 'missed') return 'missed';
  if (state === 'paused') return paused(pause ?? 'asked');
  return when.kind === 'once' || nextAt === undefined ? '' : `next ${formatTime(nextAt, zone, now)}`;
}

/** How often it was done; empty: never. */
export const countText = ({ runs, quiet, work }: Schedule): string =>
  runs === 0
    ? ''
    : `${plural(runs, work.kind === 'task' ? 'run' : 'time')}${quiet > 0 ? ` (${quiet} with nothing to report)` : ''}`;

/** One of the list. */
export function scheduleLine(schedule: Schedule, now: number): string {
  const { id, when, zone, text, work } = schedule;
  const facts = [
    describeWhen(when, zone, now),
    turnText(schedule, now),
    work.kind === 'task' && work.mode !== 'ask' ? work.mode : '',
    countText(schedule),
  ];
  return `#${id} ${facts.filter((fact) => fact !== '').join(' · ')}\n   ${work.kind === 'reminder' ? '⏰ ' : ''}${shorten(text, 80)}`;
}

/** The clocks change soon: at, by how many minutes. */
export const clockChangeText = (
  { at, minutes }: { readonly at: number; readonly minutes: number },
  zone: string,
  now: number,
): string =>
  `Clocks go ${minutes > 0 ? 'forward' : 'back'} on ${formatTime(at, zone, now)} (${zone}): times of day stay what they are on the clock.`;

/**
 * @param example the number of one of them
 * @param change when the clocks change, where that is soon
 */
export const scheduleList = (
  all: readonly string[],
  example: number,
  zone: string,
  change: { readonly at: number; readonly minutes: number } | undefined,
  now: number,
): string => {
  const ways: Lines = `Pause, resume, run now or end one: !schedule pause ${example} · !schedule resume ${example} · !schedule run ${example} · !schedule drop ${example}.`;
  return lines(all, change !== undefined && clockChangeText(change, zone, now), ways);
};

export const noSchedules = `Nothing is scheduled. ${whenExamples}`;
