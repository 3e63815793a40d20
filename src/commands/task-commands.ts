import type { PublicKey } from '@nostr-dm-agent/nostr';
import { type Mode, modes } from '../backends/backend.ts';
import { lines } from '../replies/format.ts';
import { parseChoice } from './arguments.ts';
import type { Command } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

const meaning: Readonly<Record<Mode, string>> = {
  ask: 'reads and answers, changes nothing',
  plan: 'reads and makes a plan, changes nothing',
  agent: 'edits files and runs commands',
};

/** `!mode`, and `!ask`, `!plan`, `!agent` for one task or from now on. */
export function taskCommands({ currentSessions }: CommandDeps): readonly Command[] {
  const set = (owner: PublicKey, mode: Mode): string => {
    currentSessions.setMode(owner, mode);
    return `Mode: ${mode} – ${meaning[mode]}, from now on.`;
  };
  const inMode = (mode: Mode, example: string): Command => ({
    path: mode,
    parameters: '[task]',
    takesTask: true,
    family: 'Tasks',
    summary: `this one task in ${mode} mode: ${meaning[mode]}`,
    detail: `Without a task, ${mode} becomes the mode from now on.`,
    examples: [example, `!${mode}`],
    role: 'member',
    kind: 'immediate',
    run: ({ owner, argument }) => (argument === '' ? set(owner.publicKey, mode) : { task: argument, mode }),
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
        if (argument !== '') return set(owner.publicKey, parseChoice(argument, 'mode', modes));
        const { mode } = currentSessions.choices(owner.publicKey);
        return lines(
          `Mode: ${mode} – ${meaning[mode]}.`,
          modes.map((other) => other !== mode && `!mode ${other} – ${meaning[other]}`),
        );
      },
    },
  ];
}
