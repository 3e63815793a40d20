import { randomInt } from 'node:crypto';

/** Of letters and digits that look alike on a phone only one is left. */
const alphabet = '23456789abcdefghjkmnpqrstuvwxyz';

/**
 * A name of so many letters and digits, which owners type.
 * @param random uniform in [0, 1); default: nobody can guess it
 */
export const newTypedId = (length: number, random?: () => number): string => {
  const { length: count } = alphabet;
  const letter = () =>
    alphabet.charAt(random === undefined ? randomInt(count) : Math.floor(random() * count));
  return Array.from({ length }, letter).join('');
};
