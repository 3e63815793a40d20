import { lines, shorten } from '../replies/format.ts';
import { cannotRun, scheduleLine } from '../replies/schedule-replies.ts';
import type { Schedule } from '../schedules/schedule.ts';
import { namedTask } from '../schedules/triggers.ts';
import { addNamedTask } from './add-schedule.ts';
import { type Call, type Command, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

/** `!task`, `!task run`, `!task drop`: tasks that have a name, for triggers and for whoever types less. */
export const namedTaskCommands = (deps: CommandDeps): readonly Command[] => [
  {
    path: 'task',
    parameters: '[<name> = <what to do>]',
    takesTask: true,
    family: 'Schedule',
    summary: 'tasks with a name, which a trigger may start; or name one',
    detail:
      'A trigger is the npub of a machine, like a CI server: !owners add <npub> trigger. It sends “<name> <text>” as a direct message; the text is data for the agent, the answer comes to you. It runs in ask mode, unless “agent” stands before the task.',
    examples: ['!task ci-failed = look at the log of the last build and say why it failed', '!task'],
    role: 'member',
    kind: 'immediate',
    run: (call) => {
      if (call.argument === '') return listed(deps, call);
      const [, name, text] = /^([^\s=:]+)\s*[=:]\s*([\s\S]+)$/.exec(call.argument) ?? [];
      if (name === undefined || text === undefined)
        throw new UsageError('A task is named like this: its name, =, what to do.');
      if (!/^[a-z0-9][a-z0-9_-]{0,39}$/i.test(name))
        throw new UsageError(`“${shorten(name, 40)}” is no name for a task: letters, digits, - and _.`);
      return addNamedTask(deps, call, name.toLowerCase(), text);
    },
  },
  {
    path: 'task run',
    parameters: '<name> [text]',
    takesTask: true,
    family: 'Schedule',
    summary: 'do one now, with a text that it is to look at',
    examples: ['!task run ci-failed', '!task run ci-failed build 812 of main'],
    role: 'member',
    kind: 'immediate',
    run: (call) => {
      const { task, rest } = found(deps, call);
      const begun = deps.schedules.asked(task, { by: 'its owner', text: rest });
      if (begun === 'begun') return `${rest === '' ? 'It' : 'It, with that text,'} is in the queue now.`;
      throw new RefusalError(
        begun === 'busy' ? 'Enough of it waits already: see !queue.' : cannotRun(task.id, begun),
      );
    },
  },
  {
    path: 'task drop',
    parameters: '<name>',
    family: 'Schedule',
    summary: 'a task has its name no more',
    examples: ['!task drop ci-failed'],
    role: 'member',
    kind: 'immediate',
    run: (call) => {
      const { task } = found(deps, call);
      deps.stores.schedules.update(task.id, { turn: { state: 'ended' } });
      return `Dropped: ${shorten(task.text, 80)}`;
    },
  },
];

function listed({ stores, clock }: CommandDeps, { owner }: Call): string {
  const named = stores.schedules.of(owner.publicKey).filter(({ when }) => when.kind === 'asked');
  if (named.length === 0)
    return 'No task has a name yet. !task ci-failed = look at the log of the last build and say why it failed';
  return lines(
    named.map((task) => scheduleLine(task, clock.now())),
    '!task run <name> does one now, !task drop <name> ends it.',
  );
}

/** @throws UsageError, RefusalError when there is none of that name */
function found(
  deps: CommandDeps,
  { owner, argument }: Call,
): { readonly task: Schedule; readonly rest: string } {
  const [, name = '', rest = ''] = /^(\S*)\s*([\s\S]*)$/.exec(argument) ?? [];
  if (name === '') throw new UsageError('The name of the task is missing.');
  const task = namedTask(deps.stores, owner.publicKey, name);
  if (task === undefined)
    throw new RefusalError(`No task of yours is called ${shorten(name, 40)}. !task lists them.`);
  return { task, rest };
}
