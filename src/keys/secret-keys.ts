import { createHash } from 'node:crypto';
import { wordlist } from '@scure/bip39/wordlists/english.js';

/**
 * Secrets that nothing here asks for in a message: a Nostr secret key (NIP-19, NIP-49), the words of a wallet (BIP39), an
 * extended private key (BIP32), the connection to a wallet (NIP-47).
 */
const NOSTR = /(?<![a-z0-9])(?:nsec1[02-9ac-hj-np-z]{50,70}|ncryptsec1[02-9ac-hj-np-z]{100,400})/gi;
const EXTENDED = /(?<![A-Za-z0-9])[xyzt]prv[1-9A-HJ-NP-Za-km-z]{100,120}/g;
/** A client may have broken it over lines. */
const CONNECTION = /nostr\+?walletconnect:(?:\/\/)?\S+(?:\s+(?:[&?]\S+|secret=\S*|[0-9a-f]{8,64}(?!\S)))*/gi;

const removed = '[secret key removed]';
const mnemonicLengths = [24, 21, 18, 15, 12];
const mnemonicNumbers = new Map(wordlist.map((word, number) => [word, number] as const));

/** Its secret, where the rest of it was broken off. */
const CONNECTION_SECRET = /(?<![a-z])secret=\s*(?:[0-9a-f]\s*){63}[0-9a-f](?![0-9a-f])/gi;

/** Where the connection to a wallet begins; -1: there is none. */
export const connectionStart = (text: string): number => text.search(CONNECTION);

export const withoutSecretKeys = (text: string): string =>
  withoutMnemonics(
    text
      .replace(NOSTR, removed)
      .replace(EXTENDED, removed)
      .replace(CONNECTION, removed)
      .replace(CONNECTION_SECRET, removed),
  );

/** Whether something was taken out of a text as it is stored, or would have to be. */
export const holdsSecretKey = (text: string): boolean =>
  text.includes(removed) || withoutSecretKeys(text) !== text;

/** Whether one stands there that is not words: in time that grows with the text, whatever it is. */
export const holdsWrittenKey = (text: string): boolean =>
  [NOSTR, EXTENDED, CONNECTION].some((each) => text.search(each) !== -1);

/**
 * Words in a row whose checksum is right: people do not write so by chance. Of several such rows that overlap (half of 24 words
 * may be right by chance) all goes.
 */
function withoutMnemonics(text: string): string {
  const words = Array.from(text.matchAll(/[\p{L}]+/gu), ({ 0: word, index }) => ({
    number: mnemonicNumbers.get(word.toLowerCase()),
    start: index,
    end: index + word.length,
  }));
  const numbers = words.map(({ number = -1 }) => number);
  const rows: { from: number; to: number }[] = [];
  for (let to = 0, run = 0; to < words.length; to++) {
    run = numbers[to] === -1 ? 0 : run + 1;
    const length = mnemonicLengths.find((each) => run >= each && isMnemonic(numbers, to + 1 - each, each));
    if (length === undefined) continue;
    let from = to + 1 - length;
    for (let last = rows.at(-1); last !== undefined && last.to >= from; last = rows.at(-1)) {
      from = Math.min(from, last.from);
      rows.pop();
    }
    rows.push({ from, to });
  }
  let clean = '';
  let at = 0;
  for (const { from, to } of rows) {
    clean += text.slice(at, words[from]?.start ?? at) + removed;
    at = words[to]?.end ?? at;
  }
  return clean + text.slice(at);
}

/** BIP39: 11 bits a word, of which the last are the beginning of the hash of those before. A text may have thousands of rows. */
function isMnemonic(numbers: readonly number[], from: number, length: number): boolean {
  const bytes = new Uint8Array(33);
  let [bits, count, size] = [0, 0, 0];
  for (let at = from; at < from + length; at++) {
    bits = (bits << 11) | (numbers[at] ?? 0);
    count += 11;
    for (; count >= 8; count -= 8) bytes[size++] = bits >>> (count - 8);
    bits &= (1 << count) - 1;
  }
  const entropy = (length / 3) * 4;
  const sum = createHash('sha256').update(bytes.subarray(0, entropy)).digest()[0] ?? 0;
  return sum >>> (8 - length / 3) === (size > entropy ? bytes[entropy] : bits);
}
