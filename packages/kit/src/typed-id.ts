import { randomBytes } from 'node:crypto';

/** 31 letters and digits of which none looks like another. */
const alphabet = '23456789abcdefghjkmnpqrstuvwxyz';

/** A random name of so many letters and digits that cannot be mistaken for one another: owners type it. */
export const newTypedId = (length: number): string =>
  Array.from(randomBytes(length), (byte) => alphabet.charAt(byte % alphabet.length)).join('');
