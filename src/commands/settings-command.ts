import { settingsText } from '../replies/setting-replies.ts';
import type { Command } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

/** `!settings`: what the bot's variables come to, without what is secret. */
export const settingsCommand = ({ configured }: Pick<CommandDeps, 'configured'>): Command => ({
  path: 'settings',
  parameters: '[part of a name]',
  family: 'Bot',
  summary: 'the bot’s variables: what they come to, and from where',
  examples: ['!settings', '!settings warm'],
  role: 'admin',
  instead: '!status shows what your tasks are done with.',
  kind: 'immediate',
  run: ({ argument }) => settingsText(configured, argument),
});
