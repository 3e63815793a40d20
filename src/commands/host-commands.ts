import type { HostFacts } from '../backends/hosts/host-facts.ts';
import { drainedText, hostsText } from '../replies/host-replies.ts';
import { parseChoice } from './arguments.ts';
import { type Command, RefusalError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

/** `!hosts`: other machines that agents work on. */
export const hostCommands = ({ hosts, clock }: Pick<CommandDeps, 'hosts' | 'clock'>): readonly Command[] => {
  const list = (): readonly HostFacts[] => hosts?.list() ?? [];
  const change = (argument: string, drained: boolean): string => {
    const names = list().map(({ name }) => name);
    if (names.length === 0) throw new RefusalError(hostsText([], 0));
    const name = parseChoice(argument, 'agent host', names);
    hosts?.drain(name, drained);
    const host = list().find((one) => one.name === name);
    if (host === undefined) throw new RangeError('a host that there is not');
    return drainedText(host, drained);
  };
  return [
    {
      path: 'hosts',
      family: 'Bot',
      summary: 'other machines that agents work on: load, tasks, what is wrong',
      detail: 'Named by BOT_AGENT_HOSTS. A session stays on the host where its agent began.',
      role: 'admin',
      instead: 'Whoever runs the bot sees to its machines.',
      kind: 'immediate',
      run: () => hostsText(list(), clock.now()),
    },
    {
      path: 'hosts drain',
      parameters: '<name>',
      family: 'Bot',
      summary: 'let nothing more begin on an agent host',
      detail: 'What is under way there is finished. It stays so after a restart, until !hosts open.',
      examples: ['!hosts drain build'],
      role: 'admin',
      instead: 'Whoever runs the bot sees to its machines.',
      kind: 'immediate',
      run: ({ argument }) => change(argument, true),
    },
    {
      path: 'hosts open',
      parameters: '<name>',
      family: 'Bot',
      summary: 'let tasks begin on an agent host again',
      examples: ['!hosts open build'],
      role: 'admin',
      instead: 'Whoever runs the bot sees to its machines.',
      kind: 'immediate',
      run: ({ argument }) => change(argument, false),
    },
  ];
};
