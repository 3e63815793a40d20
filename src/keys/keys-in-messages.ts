import type { InboundMessage } from '@nostr-dm-agent/nostr';
import { distance } from 'fastest-levenshtein';
import { holdsAccessKey, moneySpans, withoutAccessKeys } from './access-keys.ts';
import { looksLikeHost } from './announced/announcement.ts';
import { looksLikeKey } from './key-form.ts';
import { type SealContext, type Sealer, sealedPattern } from './seal.ts';
import { connectionStart, withoutSecretKeys } from './secret-keys.ts';

/**
 * Keeps API keys that owners send out of what is stored: before a message is written, the key in it is sealed for
 * this message alone; the command that it is for opens it; when the message is done with, nothing is left of it.
 */
export type MessageKeys = {
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

/** The same for a text that quotes one, or its beginning. */
export const withoutQuotedSeals = (text: string): string =>
  text.replace(/sealed1\.[A-Za-z0-9_-]*…?/g, '[key]');

/** The command that a message stands for that is no command and little else than a key; undefined: it is no such message. */
export const connectShorthand = (text: string): string | undefined =>
  holdsSealed(text) && !/^\s*[!！]/.test(text)
    ? `!provider connect ${text.trim().replace(/^[^\p{L}\p{N}]*(?:provider\s+)?connect\s+/iu, '')}`
    : undefined;

/** A message that is nothing but a key with a few words around it. */
const fewWords = 4;
/** What follows these is a task, which may speak of keys and of connecting. */
const taskWords = new Set(['ask', 'plan', 'agent', 'quick']);
/** What follows a provider's id in these is a model or a workspace. */
const listWords = new Set(['new', 'model', 'models', 'help']);

/** @param isProvider whether this is the id of a provider, which may be read */
export function createMessageKeys(sealer: Sealer, isProvider: (id: string) => boolean): MessageKeys {
  const contextOf = ({ id, sender }: Pick<InboundMessage, 'id' | 'sender'>): SealContext => [
    'message',
    sender,
    id,
  ];
  return {
    hide: (message) => {
      const seal = (secret: string) =>
        isNoSecret.test(secret) ? secret : sealer.seal(secret, contextOf(message));
      const connection = connectionStart(message.text);
      // It may have been broken over lines, and what it is good for may stand behind it.
      if (connection >= 0 && asksForConnection.test(message.text.slice(0, connection)))
        return (
          withoutSecretKeys(message.text.slice(0, connection)) + seal(message.text.slice(connection).trim())
        );
      const text = withoutSecretKeys(message.text);
      const [, mark, rest = text] = /^(\s*[!！]\s*)([\s\S]*)$/.exec(text) ?? [];
      const words = wordsIn(rest);
      const [first = '', second = ''] = words.map(({ word }) => word.toLowerCase());
      if (mark !== undefined && taskWords.has(first)) return text;
      /** A key may have been broken over several lines: all that follows belongs to it. */
      const sealFrom = (at: number | undefined) => {
        if (at === undefined) return text;
        const begin = (mark?.length ?? 0) + at;
        return text.slice(0, begin) + text.slice(begin).replace(/^[\s\S]*\S/, seal);
      };
      const afterProvider = words.find(
        ({ word }, index) => isProvider(words[index - 1]?.word.toLowerCase() ?? '') && mayBeKey(word),
      );
      const money = moneySpans(rest);
      const known = words.find(
        ({ word, at }) =>
          looksLikeKey(word) && !money.some(([start, end]) => at < end && at + word.length > start),
      );
      if (mark === undefined) {
        const meant = first.replace(/^[^a-z]+/, '') === 'provider' && second === 'connect';
        const [, , to, given] = words;
        const isGiven = given !== undefined && to !== undefined && isPlainAddress(to.word);
        if (meant && given !== undefined && (afterProvider === given || (isGiven && mayBeKey(given.word))))
          return sealFrom(given.at);
        // Nobody asked for it in a sentence; `!agent …` gives the agent one.
        // Broken in two by a phone, each part may be short.
        const isKey = known !== undefined && holdsAccessKey(text.slice(known.at).replace(/\s+/g, ''));
        return isKey && words.length <= fewWords ? sealFrom(known.at) : withoutAccessKeys(text);
      }
      const connecting = wordsToConnect(first, second);
      if (connecting !== undefined) {
        const id = words[connecting];
        const isNamed = id !== undefined && (isProvider(id.word.toLowerCase()) || isPlainAddress(id.word));
        return sealFrom(words[isNamed ? connecting + 1 : connecting]?.at);
      }
      const listed = listWords.has(first) || listWords.has(second);
      const found = [known, listed ? undefined : afterProvider].filter((each) => each !== undefined);
      return sealFrom(found.length === 0 ? undefined : Math.min(...found.map(({ at }) => at)));
    },
    reveal: (message, text) => text.replace(sealedParts, (sealed) => sealer.open(sealed, contextOf(message))),
  };
}

/** The words of a text, and where they begin in it. */
const wordsIn = (text: string) =>
  Array.from(text.matchAll(/\S+/g), (found) => ({ word: found[0], at: found.index }));

/** Behind the id of a provider: long, and letters mixed with digits. */
const mayBeKey = (word: string): boolean =>
  looksLikeKey(word) || (/^[\w.+/=:~-]{16,}$/.test(word) && /\d/.test(word) && /[a-z]/i.test(word));

/** Of a provider that announces itself, and nothing else that could be, or hold, a key. A host is asked of a name server anyway. */
const isPlainAddress = (word: string): boolean =>
  word.length <= 100 &&
  !looksLikeKey(word) &&
  (looksLikeHost(word, true) ||
    /^https?:\/\/[a-z0-9.-]+(?::\d{1,5})?(?:\/|\/\.well-known\/opencode\/?)?$/i.test(word));

/** How many words begin a command that was meant to connect a provider, however it is misspelt; undefined: none do. */
function wordsToConnect(first: string, second: string): number | undefined {
  if (isNearly(first, 'connect') || isNearly(first.replace(/[^a-z]/g, ''), 'providerconnect')) return 1;
  return isNearly(second, 'connect') && (isNearly(first, 'provider') || first.startsWith('p'))
    ? 2
    : undefined;
}

/** What stands before the connection to a wallet in the one command that asks for it, however it is written; no other command. */
const asksForConnection =
  /^\s*[!！]\s*(?:wallet\s+)?auto[\s-]*top[\s-]*up\b(?:(?!\n[ \t]*[!！])[\s\S])*(?<=[\s<("'`])$/i;

/** The word that answers whether a key shall be replaced. */
const isNoSecret = /^(?:replace)?$/i;

const isNearly = (word: string, wanted: string): boolean => distance(word, wanted) <= 2;
