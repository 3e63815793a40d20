import { wordlist } from '@scure/bip39/wordlists/english.js';
import { tokenSource } from '../token-text.ts';
import { isSecretName } from './secret-names.ts';

/** What stands in a log line where a secret was. */
export const redacted = '[redacted]';

/**
 * The one redaction layer under the logger (docs/design.md#secrets). Knows the shapes of the secrets that this
 * program meets and the exact secrets that it was told.
 */
export type Redactor = {
  /**
   * Blanks out this exact text from now on, in any letter case. Texts of fewer than 8 characters are ignored: they
   * would blank out ordinary words. Returns the function that forgets it again.
   */
  readonly add: (secret: string) => () => void;
  readonly text: (text: string) => string;
  /**
   * A plain copy for JSON, without secrets at any depth: errors become objects (with message, stack, cause and facts),
   * bytes become their length, values under a secret's name are blanked out whole. Never throws, never calls a setter.
   */
  readonly value: (value: unknown) => unknown;
};

/** Shapes of secrets. Public things (64-hex keys and ids, npub, lnbc) match none of them. */
const shapes: readonly (readonly [RegExp, string])[] = [
  // Payment requests (NUT-18) carry no money, but a Nostr reply key.
  [new RegExp(tokenSource(8), 'gi'), redacted],
  [/creqA[A-Za-z0-9_+/=-]{8,}/gi, redacted],
  // What seal.ts made: no secret, but noise.
  [/sealed1\.[A-Za-z0-9_-]{54,}/g, redacted],
  [/n(?:crypt)?sec1[ac-hj-np-z02-9]{8,}/gi, redacted],
  [/[xyztuv]prv[1-9A-HJ-NP-Za-km-z]{16,}/g, redacted],
  // Keys of model providers, of code hosts and chats, of Google.
  [/(?<![A-Za-z0-9])[spr]k-[A-Za-z0-9_-]{8,}/g, redacted],
  [/(?<![A-Za-z0-9])(?:gh[opsur]|github_pat|glpat|xox[abp])[_-][A-Za-z0-9_-]{10,}/g, redacted],
  [/(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{20,}/g, redacted],
  [/(bearer\s+)[^\s"'\\,;]+/gi, `$1${redacted}`],
  // A user and a password, in base64; words are shorter.
  [/(basic\s+)[A-Za-z0-9+/]{16,}={0,2}/gi, `$1${redacted}`],
  // "apiKey": "…" inside text that quotes JSON, once or twice escaped.
  [
    /((?:api[_-]?key|token|secret|secret[_-]?key|private[_-]?key|password|passphrase|mnemonic|authorization|preimage)\\*"\s*:\s*\\*")[^"\\]+/gi,
    `$1${redacted}`,
  ],
  // API_KEY=… in a command line, a query or an environment.
  [
    /((?:api[_-]?key|token|secret|secret[_-]?key|private[_-]?key|password|passphrase|mnemonic|bot_key)=)[^\s&"'\\]+/gi,
    `$1${redacted}`,
  ],
];

/** A cheap test that decides whether `shapes` need to be tried at all. */
const anyShape =
  /cashu|creqA|sealed1|sec1|prv|[spr]k-|gh[opsur]_|github|glpat|xox|AIza|bearer|basic|key|token|secret|password|passphrase|mnemonic|authorization|preimage/i;

const mnemonicWords = new Set(wordlist);
const shortestMnemonic = 12;
/** 12 words of 3 letters with one space between them. */
const shortestMnemonicText = 47;
/** Between two words there may be `, `, `", "`, ` 12. ` … */
const widestGap = 8;
const deepest = 12;

/** A text without what has the shape of a secret. */
export function withoutSecretShapes(text: string): string {
  let output = text;
  if (anyShape.test(output)) {
    for (const [shape, replacement] of shapes) output = output.replace(shape, replacement);
  }
  return output.length < shortestMnemonicText ? output : withoutMnemonics(output);
}

/** A redactor that knows no exact secret yet. */
export function createRedactor(): Redactor {
  const secrets = new Map<string, number>();
  let exact: RegExp | undefined;
  const rebuild = (): void => {
    const longestFirst = [...secrets.keys()].sort((a, b) => b.length - a.length).map(escapeForRegExp);
    exact = longestFirst.length === 0 ? undefined : new RegExp(longestFirst.join('|'), 'gi');
  };

  const add = (secret: string): (() => void) => {
    if (secret.length < 8) return () => undefined;
    secrets.set(secret, (secrets.get(secret) ?? 0) + 1);
    rebuild();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const others = (secrets.get(secret) ?? 1) - 1;
      if (others > 0) secrets.set(secret, others);
      else secrets.delete(secret);
      rebuild();
    };
  };

  const text = (input: string): string => {
    return withoutSecretShapes(exact === undefined ? input : input.replace(exact, redacted));
  };

  return { add, text, value: (value) => copy(value, text, new Set()) };
}

const escapeForRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Replaces each unbroken row of 12 or more BIP39 words. */
function withoutMnemonics(text: string): string {
  // An escaped line break would glue its letter to the next word. Same length, so the positions stay.
  const letters = text.includes('\\') ? text.replace(/\\[nrt]/g, '  ') : text;
  const rows: { start: number; end: number }[] = [];
  let row = { start: 0, end: 0, words: 0 };
  const finish = (): void => {
    if (row.words >= shortestMnemonic) rows.push(row);
  };
  for (const match of letters.matchAll(/[A-Za-z]+/g)) {
    const end = match.index + match[0].length;
    const isWord = match[0].length <= 8 && mnemonicWords.has(match[0].toLowerCase());
    if (isWord && row.words > 0 && match.index - row.end <= widestGap) {
      row.end = end;
      row.words += 1;
      continue;
    }
    finish();
    row = { start: match.index, end, words: isWord ? 1 : 0 };
  }
  finish();
  let output = '';
  let from = 0;
  for (const { start, end } of rows) {
    output += text.slice(from, start) + redacted;
    from = end;
  }
  return output + text.slice(from);
}

/** `path` holds the objects between the root and here: what contains itself is cut, what merely appears twice is not. */
function copy(value: unknown, text: (text: string) => string, path: Set<object>): unknown {
  if (typeof value === 'string') return text(value);
  if (typeof value === 'bigint') return text(value.toString());
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? '[function]' : value;
  if (path.has(value)) return '[circular]';
  if (path.size >= deepest) return '[too deep]';
  path.add(value);
  try {
    return copyObject(value, text, path);
  } catch (error) {
    return `[unreadable: ${text(error instanceof Error ? error.name : typeof error)}]`;
  } finally {
    path.delete(value);
  }
}

function copyObject(value: object, text: (text: string) => string, path: Set<object>): unknown {
  const inner = (item: unknown): unknown => copy(item, text, path);
  const named = (entries: Iterable<readonly [string, unknown]>): Record<string, unknown> =>
    Object.fromEntries(
      Array.from(entries, ([name, item]) => [text(name), blank(name, item) ? redacted : inner(item)]),
    );

  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return isMnemonic(value) ? redacted : value.map(inner);
  if (value instanceof Error) {
    const facts = readable(value).filter(
      ([name]) => name !== 'name' && name !== 'message' && name !== 'stack',
    );
    return {
      type: text(value.name),
      message: text(value.message),
      ...(value.stack === undefined ? {} : { stack: text(value.stack) }),
      ...named(facts),
      ...(value.cause === undefined ? {} : { cause: inner(value.cause) }),
      ...(value instanceof AggregateError ? { errors: value.errors.map(inner) } : {}),
    };
  }
  if (value instanceof Map) return named(Array.from(value, ([name, item]) => [String(name), item] as const));
  if (value instanceof Set) return inner([...value]);
  if ('toJSON' in value && typeof value.toJSON === 'function') return inner(value.toJSON());
  if (value instanceof URL) return text(value.href);
  return named(readable(value));
}

/** A flag or a missing value under a secret's name tells nothing and may help. */
const blank = (name: string, item: unknown): boolean =>
  isSecretName(name) && item !== undefined && item !== null && typeof item !== 'boolean';

/** Own enumerable properties; a getter that throws costs its own property only. */
const readable = (value: object): readonly (readonly [string, unknown])[] =>
  Object.keys(value).map((name) => {
    try {
      return [name, Reflect.get(value, name)] as const;
    } catch (error) {
      return [name, `[unreadable: ${error instanceof Error ? error.name : typeof error}]`] as const;
    }
  });

const isMnemonic = (items: readonly unknown[]): boolean =>
  items.length >= shortestMnemonic &&
  items.length <= 24 &&
  items.every((item) => typeof item === 'string' && mnemonicWords.has(item.trim().toLowerCase()));
