import { type LogLevel, logLevels } from '@nostr-dm-agent/kit/log';
import type { LogQueryFacts } from '@nostr-dm-agent/page';
import { logText } from '../replies/log-replies.ts';
import { parseCount } from './arguments.ts';
import type { Command } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

const mostLines = 30;

/** `!log`: the last lines of the bot's log. */
export const logCommand = ({ keptLog, clock }: Pick<CommandDeps, 'keptLog' | 'clock'>): Command => ({
  path: 'log',
  parameters: '[n] [level] [run <n>] [text]',
  family: 'Bot',
  summary: 'last lines of the bot’s log, of a level, a run or with a text',
  examples: ['!log', '!log 20 warn', '!log run 12', '!log relay.damus.io'],
  role: 'admin',
  instead: 'What became of your tasks: !history.',
  kind: 'lasting',
  repeatable: true,
  run: async ({ argument }) => {
    const { most, ...query } = readQuery(argument);
    return logText(keptLog(query, most), clock.now());
  },
});

/** Each in its place, whatever is left is a text. @throws UsageError */
function readQuery(argument: string): LogQueryFacts & { readonly most: number } {
  let left = argument;
  const take = (shape: RegExp): string | undefined => {
    const [whole, found] = shape.exec(left) ?? [];
    if (whole !== undefined) left = left.slice(whole.length).trim();
    return found;
  };
  const count = take(/^(\d+)(?=\s|$)/);
  const level = take(/^(debug|info|warn|error)(?:s|ing|ings)?(?=\s|$)/i);
  const run = take(/^run #?(\d+)(?=\s|$)/i);
  return {
    most: parseCount(count ?? '', 'number of lines', mostLines, 10),
    level: logLevels.find((each): each is LogLevel => each === level?.toLowerCase()),
    run: run === undefined ? undefined : parseCount(run, 'run', 999_999),
    text: left === '' ? undefined : left,
  };
}
