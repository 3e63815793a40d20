import { validateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';

const words = new Set(wordlist);
const lengths = [12, 15, 18, 21, 24];

/**
 * What is wrong with BIP39 words, in words that continue a variable's name; undefined when nothing is. Names positions,
 * never words. The seed, which takes a while, is not derived here.
 */
export function mnemonicProblem(text: string): string | undefined {
  const given = normalMnemonic(text).split(' ');
  const unknown = given.flatMap((word, index) => (words.has(word) ? [] : [index + 1]));
  if (!lengths.includes(given.length)) {
    const where = unknown.length === 0 ? '' : `, and ${unknownWords(unknown)}`;
    return `has ${given.length} ${given.length === 1 ? 'word' : 'words'}, not ${lengths.join(', ')}${where}`;
  }
  if (unknown.length > 0) return `has a mistake: ${unknownWords(unknown)}`;
  if (!validateMnemonic(given.join(' '), wordlist)) {
    return 'has only words of the BIP39 list, but its checksum is wrong: one word stands for another, or the order is not right';
  }
  return undefined;
}

/** One space between words, lower case: the form that is made into a seed. */
export const normalMnemonic = (text: string): string => text.trim().toLowerCase().split(/\s+/).join(' ');

const unknownWords = (positions: readonly number[]): string =>
  positions.length === 1
    ? `word number ${positions[0]} is not in the BIP39 list (mistyped?)`
    : `words number ${positions.join(', ')} are not in the BIP39 list (mistyped?)`;
