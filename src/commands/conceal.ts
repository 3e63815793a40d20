import { distance } from 'fastest-levenshtein';
import type { InboundMessage } from '../nostr/types.ts';
import { looksLikeKey } from '../providers/connections/key.ts';
import { type SealContext, type Sealer, sealedPattern } from '../seal.ts';

/**
 * Keeps API keys that owners send out of what is stored: before a message is written, the key in it is sealed for
 * this message alone; the command that it is for opens it; when the message is done with, nothing is left of it.
 */
export type Concealer = {
  /** The text to be stored: keys are sealed, everything else is as it was. */
  readonly hide: (message: Pick<InboundMessage, 'id' | 'sender' | 'text'>) => string;
  /** Opens what `hide` sealed in (a part of) this message. @throws SealError when the bot's key is another by now */
  readonly reveal: (message: Pick<InboundMessage, 'id' | 'sender'>, text: string) => string;
};

const sealedParts = new RegExp(sealedPattern.source, 'g');

/** Whether a key was taken out of this text. */
export const holdsSealed = (text: string): boolean => sealedPattern.test(text);

/** The text without what was sealed in it. */
export const withoutSealed = (text: string): string => text.replace(sealedParts, '[key removed]');

const tokens = /cashu[AB][A-Za-z0-9_+/=-]{20,}/g;

/** The text without Cashu tokens: they are money until somebody has redeemed them, and nothing afterwards. */
export const withoutTokens = (text: string): string => text.replace(tokens, '[token removed]');

/** The command that a message stands for that is no command and little else than a key; undefined: it is no such message. */
export const connectShorthand = (text: string): string | undefined =>
  holdsSealed(text) && !/^\s*[!！]/.test(text)
    ? `!provider connect ${text.trim().replace(/^(?:provider\s+)?connect\s+/i, '')}`
    : undefined;

/** A message that is nothing but a key with a few words around it. */
const fewWords = 4;
/** What follows these is a task, which may speak of keys and of connecting. */
const taskWords = new Set(['ask', 'plan', 'agent', 'quick']);

/** @param isProvider whether this is the id of a provider, which may be read */
export function createConcealer(sealer: Sealer, isProvider: (id: string) => boolean): Concealer {
  const contextOf = ({ id, sender }: Pick<InboundMessage, 'id' | 'sender'>): SealContext => [
    'message',
    sender,
    id,
  ];
  return {
    hide: (message) => {
      const seal = (secret: string) =>
        isNoSecret.test(secret) ? secret : sealer.seal(secret, contextOf(message));
      const sealWords = (text: string) =>
        text.replace(/\S+/g, (word) => (looksLikeKey(word) ? seal(word) : word));
      const { text } = message;
      const command = /^(\s*[!！]\s*)([\s\S]*)$/.exec(text);
      const rest = command?.[2] ?? text;
      const words = rest.split(/\s+/).filter(Boolean);
      if (command === null) return words.length <= fewWords ? sealWords(text) : text;
      if (taskWords.has(words[0]?.toLowerCase() ?? '')) return text;
      const after = wordsToConnect(words);
      if (after === undefined) return sealWords(text);
      const [, head = '', tail = ''] =
        new RegExp(`^((?:\\s*\\S+){${after}}\\s*)([\\s\\S]*?)\\s*$`).exec(rest) ?? [];
      const [, id = '', secret = ''] = /^(\S*\s*)([\s\S]*)$/.exec(tail) ?? [];
      return isProvider(id.trim().toLowerCase())
        ? `${command[1]}${head}${id}${seal(secret)}`
        : `${command[1]}${head}${seal(tail)}`;
    },
    reveal: (message, text) => text.replace(sealedParts, (sealed) => sealer.open(sealed, contextOf(message))),
  };
}

/** How many words begin a command that was meant to connect a provider, however it is misspelt; undefined: none do. */
function wordsToConnect(words: readonly string[]): number | undefined {
  const [first = '', second = ''] = words.slice(0, 2).map((word) => word.toLowerCase());
  if (isNearly(first, 'connect')) return 1;
  return isNearly(second, 'connect') && (isNearly(first, 'provider') || first.startsWith('p'))
    ? 2
    : undefined;
}

/** The word that answers whether a key shall be replaced. */
const isNoSecret = /^(?:replace)?$/i;

const isNearly = (word: string, wanted: string): boolean => distance(word, wanted) <= 2;
