import { parse } from 'dotenv';

/** A variable of an .env file can't be changed in place. Holds no value. */
export class EnvLineError extends Error {
  override readonly name = 'EnvLineError';
  /** `not_there`: the file does not say it (the process environment does). `other`: it says something else. `form`: not to be changed safely. */
  readonly problem: 'not_there' | 'other' | 'form';
  constructor(problem: EnvLineError['problem']) {
    super(`the line can't be changed: ${problem}`);
    this.problem = problem;
  }
}

/**
 * The text with this variable set to `value`, everything else as it is, comments included.
 *
 * @param from what it may be now: `value`, or one of these
 * @throws EnvLineError
 */
export function withVariable(text: string, name: string, from: readonly string[], value: string): string {
  const before = parse(text);
  const now = before[name];
  if (now === undefined || now.trim() === '') throw new EnvLineError('not_there');
  const spaced = (one: string) => one.trim().toLowerCase().split(/\s+/).join(' ');
  if (![...from, value].map(spaced).includes(spaced(now))) throw new EnvLineError('other');
  if (spaced(now) === spaced(value)) return text;
  const line = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*[=:].*$`, 'm');
  // A value over several lines would leave the rest of itself behind.
  if (parse(line.exec(text)?.[0] ?? '')[name] !== now) throw new EnvLineError('form');
  const after = text.replace(line, () => `${name}=${value.includes(' ') ? `'${value}'` : value}`);
  const read = parse(after);
  const others = (all: Readonly<Record<string, string>>) => JSON.stringify({ ...all, [name]: '' });
  if (read[name] !== value || others(read) !== others(before)) throw new EnvLineError('form');
  return after;
}
