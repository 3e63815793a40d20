import { sat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { Mode } from '../backends/backend.ts';
import {
  noCommands,
  notForMembers,
  scheduledText,
  taskMissing,
  tooMany,
  tooOften,
  whenExamples,
  whenProblems,
} from '../replies/schedule-replies.ts';
import type { Setting } from '../schedules/grammar.ts';
import { type ReadWhen, readReminder, readWhen } from '../schedules/read-when.ts';
import type { NewSchedule, ScheduledWork } from '../schedules/schedule.ts';
import { namedTask } from '../schedules/triggers.ts';
import { nextTime, shortestGap, type When } from '../schedules/when.ts';
import { notABudget, overMemberBudget, splitBudget } from './budget-suffix.ts';
import { type Call, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

const mostTasks = 10;
const mostReminders = 50;
const shortestGapMs = 5 * 60_000;
/** A message that took longer than that counts from when it came. */
const longestWayMs = 6 * 3_600_000;
const longestText = 8_000;

/** The zone of the times that they write. */
export const zoneOf = ({ stores, schedules }: CommandDeps, owner: PublicKey): string =>
  stores.settings.get(owner, 'zone') ?? schedules.hostZone;

/** Times count from when the message was written. */
function settingOf(deps: CommandDeps, { owner, message }: Call, once: boolean): Setting {
  const now = deps.clock.now();
  const written = message.createdAt * 1000;
  // The sender's clock counts whole seconds.
  const isRecent = written < now - 2_000 && now - written < longestWayMs;
  return { zone: zoneOf(deps, owner.publicKey), now: isRecent ? written : now, once };
}

/** @throws UsageError, RefusalError */
function understood(
  deps: CommandDeps,
  read: ReadWhen,
  typed: string,
  { zone }: Setting,
): ReadWhen & { state: 'read' } {
  if (typed.trim() === '') throw new UsageError(`When, and what? ${whenExamples}`);
  if (read.state !== 'read') throw new RefusalError(whenProblems[read.state](typed));
  // It was to come while its message was on the way.
  if (nextTime(read.when, zone, deps.clock.now()) === undefined)
    throw new RefusalError(whenProblems.past(typed));
  return read;
}

/** `remind me to call Anna`, `say hello`: no model is needed for that. */
const reminderIn = (text: string): string | undefined => {
  const remind = /^remind(?:\s+(?:me|us))?(?:\s+(?:to|that|of|about))?\s+(?=\S)/iu.exec(text);
  const said = remind ?? /^say\s+(?=\S)/iu.exec(text);
  return said === null ? undefined : text.slice(said[0].length);
};

/** `!every`, `!at`, `!in`, `!schedule`: a task, or a reminder. @throws UsageError, RefusalError */
export function addSchedule(
  deps: CommandDeps,
  call: Call,
  { text, lead, once }: { readonly text: string; readonly lead: readonly string[]; readonly once: boolean },
): string {
  const setting = settingOf(deps, call, once);
  const read = understood(deps, readWhen(text, setting, lead), text, setting);
  const typed = text.slice(0, text.length - read.rest.length);
  if (read.when.kind === 'once' && lead.includes('every')) throw new RefusalError(whenProblems.once(typed));
  const reminder = reminderIn(read.rest);
  if (reminder !== undefined) return keep(deps, call, read.when, reminder, { kind: 'reminder' });
  const { task, work } = workIn(deps, call, read.rest);
  if (task.trim() === '') throw new RefusalError(taskMissing(typed));
  return keep(deps, call, read.when, task, work);
}

/** `!task <name> = <what to do>`: done whenever it is asked for. One of this name is replaced. @throws RefusalError */
export function addNamedTask(deps: CommandDeps, call: Call, name: string, text: string): string {
  const { task, work } = workIn(deps, call, text);
  const before = namedTask(deps.stores, call.owner.publicKey, name);
  if (before !== undefined) deps.stores.schedules.update(before.id, { turn: { state: 'ended' } });
  return keep(deps, call, { kind: 'asked', name }, task, work);
}

/** How a task is worked on, and its budget, as its text says. */
function workIn(deps: CommandDeps, call: Call, text: string) {
  const { mode, task: rest } = modeIn(text);
  const { task, budget } = budgetIn(deps, call, rest);
  const { publicKey } = call.owner;
  const { workspace, backend, model } = deps.currentSessions.choices(publicKey);
  const work: ScheduledWork = {
    ...{ kind: 'task', workspace: workspace.name, backend, mode, model, budget },
    session: undefined,
  };
  refuseMembers(deps, publicKey, work);
  return { task, work };
}

/** `!remind`, with the time in front or at the end. @throws UsageError, RefusalError */
export function addReminder(deps: CommandDeps, call: Call): string {
  const setting = settingOf(deps, call, true);
  const text = call.argument.replace(/^(?:me|us)\s+(?=\S)/i, '');
  const read = understood(deps, readReminder(text, setting), text, setting);
  const said = read.rest.replace(/^(?:to|that|of|about)\s+(?=\S)/i, '');
  const what = reminderIn(said) ?? said;
  if (what === '') throw new RefusalError(taskMissing(text));
  return keep(deps, call, read.when, what, { kind: 'reminder' });
}

/** Nobody is there to stop it: it only reads, unless it is written out that it may do more. */
function modeIn(text: string): { readonly mode: Mode; readonly task: string } {
  const written =
    /^(?:[!！]\s*(ask|plan|agent)\b:?|(ask|plan|agent)(?:\s+mode)?:|(agent)(?:\s+mode)?(?=\s))\s*/iu.exec(
      text,
    );
  const word = (written?.[1] ?? written?.[2] ?? written?.[3])?.toLowerCase();
  const mode = word === 'agent' || word === 'plan' ? word : 'ask';
  return { mode, task: text.slice(written?.[0].length ?? 0) };
}

function budgetIn(deps: CommandDeps, { owner }: Call, text: string) {
  const read = splitBudget(text);
  if (read.state === 'malformed') throw new RefusalError(notABudget(read.found));
  const most = deps.money.routstr.budget();
  if (read.budget !== undefined && read.budget > most && owner.role !== 'admin')
    throw new RefusalError(overMemberBudget(read.budget, most));
  return read;
}

/** @throws RefusalError when they may not have tasks done at a time */
function refuseMembers({ stores, schedules }: CommandDeps, owner: PublicKey, { kind }: ScheduledWork): void {
  if (kind === 'task' && stores.owners.roleOf(owner) !== 'admin' && !schedules.membersMay())
    throw new RefusalError(notForMembers);
}

/** What is acted on when it comes as a message is not kept for later. */
const notLater: ReadonlySet<string> = new Set([
  ...['commands', 'tokens', 'invoice', 'payee', 'code', 'secret', 'access-key'],
]);

function keep(deps: CommandDeps, call: Call, when: When, text: string, work: ScheduledWork): string {
  const { schedules, settings } = deps.stores;
  const { publicKey: owner } = call.owner;
  if (notLater.has(deps.meaningOf(text).kind)) throw new RefusalError(noCommands);
  if (text.length > longestText)
    throw new RefusalError(`That is too long to be scheduled: ${longestText} characters are the most.`);
  const own = schedules.of(owner).filter((each) => each.work.kind === work.kind).length;
  const most = work.kind === 'task' ? mostTasks : mostReminders;
  if (own >= most) throw new RefusalError(tooMany(most));
  const now = deps.clock.now();
  const zone = zoneOf(deps, owner);
  const gap = shortestGap(when, zone, now);
  if (gap !== undefined && gap < shortestGapMs) throw new RefusalError(tooOften);
  const nextAt = nextTime(when, zone, now);
  if (nextAt === undefined && when.kind !== 'asked') throw new RefusalError(whenProblems.past(text));
  const { id: message, kind: messageKind, protocol, relay } = call.message;
  const order: NewSchedule = {
    ...{ owner, message, messageKind, protocol, fallbackRelays: [relay] },
    ...{ when, zone, text, work, createdAt: now, nextAt },
  };
  const made = schedules.insert(order);
  deps.schedules.changed();
  const paid = deps.providers.chosenBy(owner) === 'routstr';
  const own_ =
    work.kind === 'task' && work.budget !== undefined ? sat(work.budget) : deps.money.routstr.budget();
  return scheduledText(made, paid ? own_ : undefined, settings.get(owner, 'zone') !== undefined, now);
}
