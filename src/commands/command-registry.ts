import { closest, distance } from 'fastest-levenshtein';
import { withOptionFirst } from './aliases.ts';
import type { Command } from './command.ts';

/** All commands of the bot; what is asked for by its words. */
export type Registry = {
  readonly commands: readonly Command[];
  /** The command that a text begins with, and the rest of the text. */
  readonly match: (text: string) => Match;
};

export type Match =
  | { readonly found: true; readonly command: Command; readonly argument: string }
  | { readonly found: false; readonly asked: string; readonly nearest: Command | undefined };

/** @param aliases other words for a command's own, with what it takes perhaps */
export function createRegistry(
  commands: readonly Command[],
  aliases: ReadonlyMap<string, string> = new Map(),
): Registry {
  const byPath = new Map(commands.map((command) => [command.path, command]));
  if (byPath.size !== commands.length) throw new RangeError('two commands with the same words');

  const wordsKnown = [...byPath.keys(), ...aliases.keys()];
  /** One slip away, of several the one with the same letters. */
  const nearest = (words: readonly string[]): Command | undefined => {
    for (const asked of [words.slice(0, 2).join(' '), words[0] ?? '']) {
      const near = wordsKnown.filter((path) => isNear(asked, path));
      const best = near.find((path) => lettersOf(path) === lettersOf(asked)) ?? closest(asked, near);
      const found = byPath.get(best) ?? byPath.get(aliases.get(best) ?? '');
      if (found !== undefined) return found;
    }
    return undefined;
  };
  /** Those that stand before others: `!wallet blance` is no `!wallet`. */
  const heads = new Set(commands.flatMap(({ path }) => (path.includes(' ') ? [path.split(' ')[0]] : [])));

  const match = (text: string): Match => {
    // A phone's keyboard writes a capital at the start, a space after the mark, or its wide form.
    const body = text.trim().replace(/^[!！]\s*/, '');
    return matchBody(body) ?? matchBody(withSpaces(body)) ?? unknown(body);
  };
  const matchBody = (sent: string): Match | undefined => {
    const body = withOptionFirst(sent);
    const words = body.split(/\s+/, 3).map((word) => word.toLowerCase());
    for (const length of [3, 2, 1].filter((count) => count <= words.length)) {
      const asked = words.slice(0, length).join(' ');
      const command = byPath.get(asked);
      if (command !== undefined) {
        const argument = withoutWords(body, length);
        const isOther =
          command.parameters === undefined && heads.has(asked) && /^[\p{L}\p{N}]/u.test(argument);
        return isOther ? undefined : { found: true, command, argument };
      }
      const meant = aliases.get(asked);
      if (meant !== undefined) return match(`${meant} ${withoutWords(body, length)}`);
    }
    return undefined;
  };
  const unknown = (body: string): Match => {
    const words = body.split(/\s+/, 3).map((word) => word.toLowerCase());
    const [first = ''] = words;
    return {
      found: false,
      asked: heads.has(first) ? words.slice(0, 2).join(' ') : first,
      nearest: heads.has(first) ? nearest([words.slice(0, 2).join(' ')]) : nearest(words),
    };
  };
  return { commands, match };
}

/** One slip of a thumb, two in a long word, or two letters that changed places: further, a guess is no help. */
function isNear(asked: string, path: string): boolean {
  const away = distance(asked, path);
  return away <= (asked.length <= 4 ? 1 : 2) || (away === 2 && lettersOf(asked) === lettersOf(path));
}

const lettersOf = (word: string): string => [...word].sort().join('');

/** `wallet-balance`, `wallet_balance` */
const withSpaces = (body: string): string => body.replace(/^\S+/, (word) => word.replace(/[-_]/g, ' '));

/** Keeps the line breaks and spaces of a task as they were sent. */
const withoutWords = (body: string, count: number): string =>
  body.replace(new RegExp(`^(?:\\S+\\s*){${count}}`), '').trim();

/** `!queue drop <n>` */
export const usageOf = ({ path, parameters }: Command): string =>
  parameters === undefined ? `!${path}` : `!${path} ${parameters}`;

export const examplesOf = ({ path, examples }: Command): readonly string[] => examples ?? [`!${path}`];
