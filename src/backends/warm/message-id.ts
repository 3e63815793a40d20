import { randomInt } from 'node:crypto';

const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
let lastMs = 0;
let counter = 0;

/** An id for a message as opencode makes them: they sort by the time at which they were made. */
export const makeMessageId = (): string => {
  const now = Date.now();
  counter = now === lastMs ? counter + 1 : 1;
  lastMs = now;
  const time = (BigInt(now) * 0x1000n + BigInt(counter)) & 0xffff_ffff_ffffn;
  const random = Array.from({ length: 14 }, () => letters[randomInt(letters.length)]).join('');
  return `msg_${time.toString(16).padStart(12, '0')}${random}`;
};
