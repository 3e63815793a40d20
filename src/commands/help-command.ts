import type { Role } from '../config/config.ts';
import { lines, shorten } from '../replies/format.ts';
import { aliases } from './aliases.ts';
import { type Command, families } from './command.ts';
import { createRegistry, examplesOf, type Registry, usageOf } from './command-registry.ts';

/** The `!help` command over a registry that contains itself. */
export function withHelp(commands: readonly Command[]): Registry {
  const help: Command = {
    path: 'help',
    parameters: '[command]',
    family: 'Bot',
    summary: 'all commands, or one of them in detail',
    examples: ['!help', '!help queue drop'],
    role: 'member',
    kind: 'immediate',
    run: ({ owner, argument }) =>
      argument === '' ? overview(forRole(registry, owner.role)) : detailOf(registry, argument),
  };
  const registry: Registry = createRegistry([...commands, help], aliases);
  return registry;
}

/** What somebody in this role can use. */
const forRole = ({ commands }: Registry, role: Role): readonly Command[] =>
  commands.filter((command) => role === 'admin' || command.role === 'member');

/** Families with more commands than this are listed without a word on each, so that all fits into one message. */
const mostExplained = 8;

const explained = (command: Command): string => `${usageOf(command)} – ${command.summary}`;

function overview(commands: readonly Command[]): string {
  const sections = families.flatMap((family) => {
    const members = commands.filter((command) => command.family === family);
    if (members.length === 0) return [];
    if (members.length <= mostExplained) return [[family, ...members.map(explained)].join('\n')];
    const more = `${family} (!help ${family.toLowerCase()} says what each does)`;
    return [[more, ...members.map(usageOf)].join('\n')];
  });
  const intro = 'Send a task as a plain message, or a command:';
  return [intro, ...sections, '!help <command> says more about one.'].join('\n\n');
}

function detailOf(registry: Registry, asked: string): string {
  const match = registry.match(asked);
  const family = families.find((name) => name.toLowerCase() === asked.trim().toLowerCase());
  if (!match.found && family !== undefined) {
    return [family, ...registry.commands.filter((each) => each.family === family).map(explained)].join('\n');
  }
  if (!match.found) return unknownCommand(match.asked, match.nearest);
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

/** The answer to a command that there is not. */
export function unknownCommand(asked: string, nearest: Command | undefined): string {
  const name = asked === '' ? 'That is no command.' : `There is no command !${shorten(asked, 30)}.`;
  const hint = nearest === undefined ? '' : ` Did you mean ${usageOf(nearest)}?`;
  return `${name}${hint} !help lists all.`;
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
