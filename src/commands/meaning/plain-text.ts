/** What phones and clients put round the words that were meant. */

/** Control characters, zero-width ones, directional marks, the byte order mark, blanks that are letters (Hangul fillers, Braille). */
const INVISIBLE =
  /[[\p{Cc}--[\t\n\r]]\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0]/gv;

/** A mention that a client writes before the words (NIP-27), of whomever. */
const MENTION = /^(?:(?:nostr:)?@?(?:npub|nprofile)1[02-9ac-hj-np-z]{20,})[,:;]?\s*/iu;

/** The same behind the words. It begins where its blanks do: a text may have thousands of them. */
const MENTION_AFTER = /(?<![\s,;:])[\s,;:]+(?:nostr:)?@?(?:npub|nprofile)1[02-9ac-hj-np-z]{20,}[.!?]*$/iu;
export const withoutMentionAfter = (text: string): string => text.replace(MENTION_AFTER, '');

/** A key, a note or a relay of Nostr's and nothing else. */
const ONLY_REFERENCE =
  /^(?:(?:nostr:|@)*(?:npub|nprofile|note|nevent|naddr)1[02-9ac-hj-np-z]{20,}[\s,.;:!?]*|wss?:\/\/\S+\s*)+$/iu;

export const isReferenceAlone = (text: string): boolean => ONLY_REFERENCE.test(text.trim());

/** `> …` and nothing below it. */
export const isQuoteAlone = (text: string): boolean =>
  text.split('\n').every((line) => line.trim() === '' || /^\s*>/.test(line)) && /[\p{L}\p{N}]/u.test(text);

/** Opening marks with what closes them. */
const WRAPPERS: readonly (readonly [open: string, close: string])[] = [
  ['```', '```'],
  ['`', '`'],
  ['**', '**'],
  ['*', '*'],
  ['_', '_'],
  ['"', '"'],
  ["'", "'"],
  ['“', '”'],
  ['„', '“'],
  ['”', '”'],
  ['‘', '’'],
  ['«', '»'],
  ['(', ')'],
  ['[', ']'],
  ['<', '>'],
];

/** The text without characters that nobody sees, white space of other kinds made plain. */
export const visible = (text: string): string =>
  text.replace(INVISIBLE, '').replace(/[\u00a0\u2000-\u200a\u202f\u205f\u3000]/gu, ' ');

/** What a mail program or a phone writes below the words. */
const SIGNATURE =
  /\n\s*(?:--[ \t]*\n[\s\S]{0,200}|(?:sent (?:from|with|via|using)|gesendet (?:von|mit)|envoyé (?:de|depuis)|enviado desde|get outlook for) [^\n]{1,60})$/iu;

const longestSignature = 400;
const withoutSignature = (text: string): string =>
  text.slice(0, -longestSignature) + text.slice(-longestSignature).replace(SIGNATURE, '');

/**
 * What somebody wrote below what they quoted (`> …`), after whom they mentioned and above their phone's signature; all of it
 * when nothing else is there.
 */
export function ownWords(all: string): string {
  const text = withoutSignature(all.trimEnd());
  const lines = text.split('\n');
  const first = lines.findIndex((line) => line.trim() !== '' && !/^\s*>/.test(line));
  let words = (first === -1 ? text : lines.slice(first).join('\n')).trim();
  while (MENTION.test(words)) words = words.replace(MENTION, '');
  return words === '' ? text.trim() : words;
}

/** Without the quotes, backticks or stars that stand round all of it. */
export function unwrapped(text: string): string {
  let body = text.trim();
  for (let depth = 0; depth < deepestWrap; depth++) {
    const around = WRAPPERS.find(
      ([open, close]) =>
        body.length > open.length + close.length && body.startsWith(open) && body.endsWith(close),
    );
    if (around === undefined) break;
    const [open, close] = around;
    body = body.slice(open.length, body.length - close.length).trim();
  }
  return body;
}
/** Deeper is no quoting any more. */
const deepestWrap = 12;

/** How a mark is written that is no plain one, and how it is spoken to a phone. */
const OTHER_MARKS =
  /^(?:[¡‼❗❕﹗︕ǃ]\ufe0f?|\/ ?(?=[\p{L}-]+(?:@\w+)?(?:\s|[.!?]?$))|(?:exclamation (?:mark|point)|bang|slash|ausrufezeichen)[,:.]?\s+(?=\p{L}))/iu;
/** What stands before a mark when somebody speaks to the bot: `hey !ping`, `@bot !ping`, `1. !ping`. */
const CALL =
  /^(?:(?:[-–—•·*]|\d{1,2}[.)])\s*)?(?:(?:hey|hi|hello|yo|ok|okay|dear|please|pls|now|and|bot|@[\w.-]{1,40})[\s,:]+){0,4}(?=[!！]\s*\p{L})/iu;

/** With a plain mark at its beginning, where another way to write or say one may stand there; else the same text. */
export const withPlainMark = (text: string): string =>
  text
    .replace(CALL, '')
    .replace(OTHER_MARKS, '!')
    // `/stop@bot`, as in a group.
    .replace(/^(!\p{L}+)@\w+/u, '$1');

/** Without the full stop, question mark or comma that ends a sentence. */
export const withoutFinalPunctuation = (text: string): string =>
  text.replace(/(?<![\s.,;:!?*…！。])[\s.,;:!?*…！。]+$/u, '');
