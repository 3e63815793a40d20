import { lines } from '../replies/format.ts';
import { onOff } from '../store/settings-table.ts';
import { parseChoice } from './arguments.ts';
import type { Command } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

const meaning = {
  on: 'a long answer begins to arrive while it is written',
  off: 'an answer arrives when all of it is written',
} as const;

/** `!stream`. */
export const streamCommand = ({ stores: { settings } }: CommandDeps): Command => ({
  path: 'stream',
  parameters: '[on|off]',
  family: 'Tasks',
  summary: 'show or set whether long answers begin to arrive before their end',
  detail: lines(
    'Paragraph by paragraph, numbered (1/…), (2/…) and at last (3/3); code blocks are not cut.',
    'Without a choice it is on for NIP-17 and off for the old direct messages (NIP-04).',
  ),
  examples: ['!stream off', '!stream'],
  role: 'member',
  kind: 'immediate',
  run: ({ owner: { publicKey }, message, argument }) => {
    if (argument !== '') {
      const choice = parseChoice(argument, 'choice', onOff);
      settings.set(publicKey, 'stream', choice);
      return `Stream: ${choice} – ${meaning[choice]}, from the next task on.`;
    }
    const choice = settings.get(publicKey, 'stream') ?? (message.protocol === 'nip17' ? 'on' : 'off');
    const other = choice === 'on' ? 'off' : 'on';
    return lines(`Stream: ${choice} – ${meaning[choice]}.`, `!stream ${other} – ${meaning[other]}.`);
  },
});
