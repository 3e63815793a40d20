import { createHash, timingSafeEqual } from 'node:crypto';
import type { Brand } from '@nostr-dm-agent/kit/brand';

/** The normal form of a code: 20 letters and digits, 100 bits. */
export type InviteCode = Brand<string, 'InviteCode'>;

/** Crockford's base32: no letter that looks like a digit or another letter. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const groups = 4;
const groupLength = 5;

/** @param random as many random bytes as asked for, from a source that nobody can guess */
export function newInviteCode(random: (bytes: number) => Uint8Array): InviteCode {
  const letters = Array.from(random(groups * groupLength), (byte) => alphabet[byte % alphabet.length]);
  return letters.join('') as InviteCode;
}

/** As people read and type it: `k7f2q-9xw3m-h4t8n-c2v6d`. */
export const showInviteCode = (code: InviteCode): string =>
  (code.match(new RegExp(`.{${groupLength}}`, 'g')) ?? []).join('-');

/** Beyond this a text is not looked at: nobody writes so much around a code. */
const longestText = 500;
const group = `[0-9a-z]{${groupLength}}`;
/** Groups with a hyphen or a space between them, or none at all, and no letter before or after. */
const pattern = new RegExp(`(?<![0-9a-z])${group}(?:[-‐‑–—\\s]?${group}){${groups - 1}}(?![0-9a-z])`, 'i');

/** The code in a text, the first if there are several; typed in capitals, with o for 0 and l for 1. */
export function findInviteCode(text: string): InviteCode | undefined {
  if (text.length > longestText) return undefined;
  const [found] = pattern.exec(text) ?? [];
  const code = found
    ?.toLowerCase()
    .replace(/[^0-9a-z]/g, '')
    .replaceAll('o', '0')
    .replace(/[il]/g, '1');
  return code !== undefined && [...code].every((letter) => alphabet.includes(letter))
    ? (code as InviteCode)
    : undefined;
}

/** What is stored of a code, hex. A code is random, so that nothing slower is needed. */
export const hashOf = (code: InviteCode): string => createHash('sha256').update(code).digest('hex');

/** Takes as long whether they are the same or not. */
export const isSameHash = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
