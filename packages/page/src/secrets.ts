import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** Random bytes that nobody can guess. */
export type RandomBytes = (count: number) => Uint8Array;

/** 256 bits, for an address or a cookie. */
export const newSecret = (randomBytes: RandomBytes): string =>
  Buffer.from(randomBytes(32)).toString('base64url');

/** What is kept of a secret: enough to know it again, not enough to use it. */
export const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** Another secret that follows from one, and tells nothing of it. */
export const derived = (secret: string, purpose: string): string =>
  createHmac('sha256', secret).update(purpose).digest('base64url');

/** Takes as long whatever the answer is. */
export const isSameSecret = (given: string, expected: string): boolean =>
  timingSafeEqual(Buffer.from(hashOf(given)), Buffer.from(hashOf(expected)));
