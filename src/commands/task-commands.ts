import { type Mode, modes } from '../backends/backend.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import { parseChoice } from './arguments.ts';
import type { Command } from './command.ts';

const meaning: Readonly<Record<Mode, string>> = {
  ask: 'reads and answers, changes nothing',
  plan: 'reads and makes a plan, changes nothing',
  agent: 'edits files and runs commands',
};

/** `!mode`, and `!ask`, `!plan`, `!agent` for one task or from now on. */
export function taskCommands(currentSessions: CurrentSessions): readonly Command[] {
  const set = (owner: Parameters<CurrentSessions['setMode']>[0], mode: Mode): string => {
    currentSessions.setMode(owner, mode);
    return `Mode: ${mode} – ${meaning[mode]}. It holds from now on.`;
  };
  const inMode = (mode: Mode, example: string): Command => ({
    path: mode,
    parameters: '[task]',
    family: 'Tasks',
    summary: `this one task in ${mode} mode: ${meaning[mode]}`,
    detail: `Without a task, ${mode} becomes the mode from now on.`,
    examples: [example, `!${mode}`],
    role: 'member',
    kind: 'immediate',
    run: ({ owner, argument }) =>
      argument === '' ? { reply: set(owner.publicKey, mode) } : { task: argument, mode },
  });
  return [
    inMode('ask', '!ask what does src/index.ts do?'),
    inMode('plan', '!plan split the parser into two files'),
    inMode('agent', '!agent fix the failing test'),
    {
      path: 'mode',
      parameters: '[ask|plan|agent]',
      family: 'Tasks',
      summary: 'show or set how tasks are worked on',
      detail: modes.map((mode) => `${mode}: ${meaning[mode]}`).join('\n'),
      examples: ['!mode plan', '!mode'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner, argument }) => {
        if (argument !== '') {
          return { reply: set(owner.publicKey, parseChoice(argument, 'mode', modes)) };
        }
        const { mode } = currentSessions.choices(owner.publicKey);
        const others = modes
          .filter((other) => other !== mode)
          .map((other) => `!mode ${other} – ${meaning[other]}`);
        return { reply: [`Mode: ${mode} – ${meaning[mode]}.`, ...others].join('\n') };
      },
    },
  ];
}
