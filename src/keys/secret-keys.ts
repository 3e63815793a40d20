import { validateMnemonic } from '@scure/bip39';
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
const mnemonicWords = new Set(wordlist);

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

/** Words in a row whose checksum is right: people do not write so by chance. */
function withoutMnemonics(text: string): string {
  const words = Array.from(text.matchAll(/[\p{L}]+/gu), ({ 0: word, index }) => ({
    word: word.toLowerCase(),
    start: index,
    end: index + word.length,
  }));
  for (let from = 0, run = 0; from < words.length; from++) {
    run = mnemonicWords.has(words[from]?.word ?? '') ? run + 1 : 0;
    for (const length of mnemonicLengths) {
      if (run < length) continue;
      const found = words.slice(from + 1 - length, from + 1);
      const [first, last] = [found[0], found.at(-1)];
      if (first === undefined || last === undefined) continue;
      if (!validateMnemonic(found.map(({ word }) => word).join(' '), wordlist)) continue;
      return withoutMnemonics(text.slice(0, first.start) + removed + text.slice(last.end));
    }
  }
  return text;
}
