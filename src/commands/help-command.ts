import type { Role } from '../config/config.ts';
import { lines, shorten } from '../replies/format.ts';
import { aliases } from './aliases.ts';
import { type Command, families } from './command.ts';
import { createRegistry, examplesOf, type Registry, usageOf } from './command-registry.ts';

/** The `!help` command over a registry that contains itself. */
export function withHelp(commands: readonly Command[]): Registry {
  const help: Command = {
    path: 'help',
    parameters: '[command|topic|all]',
    family: 'Bot',
    summary: 'all commands, or one of them in detail',
    examples: ['!help', '!help queue drop', '!help wallet', '!help all'],
    role: 'member',
    kind: 'immediate',
    run: ({ owner, argument }) => {
      const own = forRole(registry, owner.role);
      if (argument === '') return overview(own);
      return argument.toLowerCase() === 'all' ? everything(own) : detailOf(registry, own, argument);
    },
  };
  const registry: Registry = createRegistry([...commands, help], aliases);
  return registry;
}

/** What somebody in this role can use. */
const forRole = ({ commands }: Registry, role: Role): readonly Command[] =>
  commands.filter((command) => role === 'admin' || command.role === 'member');

const explained = (command: Command): string => `${usageOf(command)} – ${command.summary}`;

/** A dozen lines for a phone: a line a family, in which every command is named. */
function overview(commands: readonly Command[]): string {
  const topics = families.flatMap((family) => {
    const members = commands.filter((command) => command.family === family);
    return members.length === 0 ? [] : [`${family}: ${namesOf(members)}`];
  });
  return lines(
    'Send a task as a plain message: a coding agent works on it and answers here. Or a command:',
    '',
    topics,
    '',
    '!help <command> explains one, !help wallet a topic, !help all has a line on each.',
  );
}

const everything = (commands: readonly Command[]): string =>
  families
    .map((family) => [family, ...commands.filter((each) => each.family === family).map(explained)])
    .filter(({ length }) => length > 1)
    .map((section) => section.join('\n'))
    .join('\n\n');

/** `!wallet (balance, topup)`: what begins alike is named once. */
function namesOf(commands: readonly Command[]): string {
  const groups = Map.groupBy(commands, ({ path }) => path.split(' ')[0] ?? '');
  return [...groups]
    .map(([first, members]) => {
      const rest = [...new Set(members.flatMap(({ path }) => path.split(' ')[1] ?? []))];
      return rest.length === 0 ? `!${first}` : `!${first} (${rest.join(', ')})`;
    })
    .join(', ');
}

function detailOf(registry: Registry, own: readonly Command[], asked: string): string {
  const match = registry.match(asked);
  const family = families.find((name) => name.toLowerCase() === asked.trim().toLowerCase());
  if (!match.found && family !== undefined) {
    return [family, ...registry.commands.filter((each) => each.family === family).map(explained)].join('\n');
  }
  if (!match.found) return about(own, asked) ?? unknownCommand(match.asked, match.nearest);
  const { command } = match;
  const related = registry.commands.filter(
    (other) =>
      other.path.startsWith(`${command.path} `) || (other.family === family && other.path !== command.path),
  );
  const examples = examplesOf(command);
  return lines(
    usageOf(command),
    `${command.summary}${command.role === 'admin' ? ' (admins only)' : ''}`,
    command.detail !== undefined && ['', command.detail],
    '',
    examples.length === 1 ? 'Example:' : 'Examples:',
    examples,
    related.length > 0 && ['', 'See also:', ...related.map(explained)],
  );
}

/** So many lines can be read on a phone. */
const mostFound = 12;

/** The commands in whose own words, or in what they do, each word of a topic stands, be it one or many of it. */
function about(commands: readonly Command[], topic: string): string | undefined {
  const asked = wordsOf(topic);
  const found = commands.filter(({ path, summary }) => {
    const said = new Set(wordsOf(`${path} ${summary}`));
    return asked.every((word) => word.length > 2 && said.has(word));
  });
  if (asked.length === 0 || found.length === 0) return undefined;
  const left = found.length - mostFound;
  return lines(found.slice(0, mostFound).map(explained), left > 0 && `… and ${left} more: !help all.`);
}

const wordsOf = (text: string): readonly string[] =>
  (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).map((word) => word.replace(/(?<=..)s$/, ''));

/** The answer to a command that there is not. @param asked its first word, or two where the first is that of others */
export function unknownCommand(asked: string, nearest: Command | undefined): string {
  const name = asked === '' ? 'That is no command.' : `There is no command !${shorten(asked, 30)}.`;
  // What may be left out is no part of the question.
  const hint =
    nearest === undefined
      ? ''
      : ` Did you mean ${nearest.parameters?.includes('<') === true ? usageOf(nearest) : `!${nearest.path}`}?`;
  const [head, other] = asked.split(' ');
  const unmarked = nearest === undefined && other === undefined ? ' A task is sent without “!”.' : '';
  return `${name}${hint} ${other === undefined ? '!help lists all.' : `!help ${head} lists them.`}${unmarked}`;
}

/** The commands as a Markdown table, for the README. */
export function markdownTable({ commands }: Registry): string {
  const escapeCell = (text: string) => text.replaceAll('|', '\\|');
  const rows = families.flatMap((family) =>
    commands
      .filter((command) => command.family === family)
      .map(
        (command) =>
          `| \`${escapeCell(usageOf(command))}\` | ${escapeCell(command.summary)}${command.role === 'admin' ? ' (admins)' : ''} |`,
      ),
  );
  return ['| command | does |', '|---|---|', ...rows].join('\n');
}
