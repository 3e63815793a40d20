import { shorten } from '../replies/format.ts';
import { UsageError } from './command.ts';

/** A whole number from 1 to `max`; `fallback` when nothing was given. */
export function parseCount(argument: string, what: string, max: number, fallback?: number): number {
  if (argument === '' && fallback !== undefined) return fallback;
  const number = /^#?(\d{1,6})$/.exec(argument)?.[1];
  const count = Number(number);
  if (number === undefined || count < 1 || count > max) {
    throw new UsageError(
      argument === ''
        ? `The ${what} is missing.`
        : `“${shorten(argument, 30)}” is not a ${what}: it is a whole number from 1 to ${max}.`,
    );
  }
  return count;
}

/** One of the given names, in any case. */
export function parseChoice<Name extends string>(
  argument: string,
  what: string,
  names: readonly Name[],
): Name {
  const found = names.find((name) => name.toLowerCase() === argument.toLowerCase());
  if (found === undefined) {
    throw new UsageError(`“${shorten(argument, 30)}” is not a ${what}. There are: ${names.join(', ')}.`);
  }
  return found;
}
