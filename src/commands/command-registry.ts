import { closest, distance } from 'fastest-levenshtein';
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

  const nearest = (words: readonly string[]): Command | undefined => {
    for (const asked of [words.slice(0, 2).join(' '), words[0] ?? '']) {
      const path = closest(asked, [...byPath.keys()]);
      if (isNear(asked, path)) return byPath.get(path);
    }
    return undefined;
  };

  const match = (text: string): Match => {
    // A phone's keyboard writes a capital at the start, a space after the mark, or its wide form.
    const body = text.trim().replace(/^[!！]\s*/, '');
    const words = body.split(/\s+/, 3).map((word) => word.toLowerCase());
    for (const length of [3, 2, 1].filter((count) => count <= words.length)) {
      const asked = words.slice(0, length).join(' ');
      const command = byPath.get(asked);
      if (command !== undefined) return { found: true, command, argument: withoutWords(body, length) };
      const meant = aliases.get(asked);
      if (meant !== undefined) return match(`${meant} ${withoutWords(body, length)}`);
    }
    return { found: false, asked: words[0] ?? '', nearest: nearest(words) };
  };
  return { commands, match };
}

/** One slip of a thumb, two in a long word, or two letters that changed places: further, a guess is no help. */
function isNear(asked: string, path: string): boolean {
  const away = distance(asked, path);
  const letters = (word: string) => [...word].sort().join('');
  return away <= (asked.length <= 4 ? 1 : 2) || (away === 2 && letters(asked) === letters(path));
}

/** Keeps the line breaks and spaces of a task as they were sent. */
const withoutWords = (body: string, count: number): string =>
  body.replace(new RegExp(`^(?:\\S+\\s*){${count}}`), '').trim();

/** `!queue drop <n>` */
export const usageOf = ({ path, parameters }: Command): string =>
  parameters === undefined ? `!${path}` : `!${path} ${parameters}`;

export const examplesOf = ({ path, examples }: Command): readonly string[] => examples ?? [`!${path}`];
