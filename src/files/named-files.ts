import { holdsAccessKey, moneySpans } from '../keys/access-keys.ts';
import { holdsSecretKey, holdsWrittenKey } from '../keys/secret-keys.ts';

/** A file that an answer names. `declared`: as what its reader is to get, so that a text is meant, too. */
export type NamedFile = { readonly path: string; readonly declared: boolean };

/** Nobody reads further, and an agent may write whatever it likes. */
const longestAnswer = 200_000;
const longestLine = 8_000;
const mostNamed = 40;

/** What is no text, so that naming it in passing is reason enough to send it. */
const notText =
  /\.(?:png|jpe?g|gif|webp|avif|heic|pdf|zip|t?gz|bz2|xz|7z|mp[34]|webm|mov|wav|ogg|opus|m4a|flac|docx?|xlsx?|pptx?|od[tsp]|epub|apk|wasm|ttf|woff2?)$/i;
const link =
  /(!?)\[[^\]\n]{0,300}\]\(\s{0,4}(?:<([^<>\n]{1,300})>|([^()\s]{1,300}))(?:\s{1,4}"[^"\n]{0,200}")?\s{0,4}\)/g;
const quoted = /`([^`\n]{1,300})`/g;
const between = /[\s,;()[\]<>"'“”‘’«»`*|]+/;

/**
 * The files that an answer names, in its order, what is declared first. Declared is a line `FILE: path` and a picture of
 * Markdown (`![…](path)`); named are links, what stands in backticks, and words that end like a file that is no text. What
 * stands in a block of code is an example.
 */
export function namedFiles(answer: string): readonly NamedFile[] {
  const named = new Map<string, boolean>();
  const add = (written: string | undefined, declared: boolean): void => {
    const path = pathIn(written ?? '');
    if (path === undefined || (!declared && !notText.test(path))) return;
    named.set(path, declared || named.get(path) === true);
  };
  let fence: string | undefined;
  for (const whole of answer.slice(0, longestAnswer).split('\n')) {
    const line = whole.slice(0, longestLine);
    const [, mark] = /^\s{0,3}(```|~~~)/.exec(line) ?? [];
    if (mark !== undefined && (fence === undefined || fence === mark))
      fence = fence === undefined ? mark : undefined;
    if (mark !== undefined || fence !== undefined) continue;
    const [, declared] = /^[\s>*-]{0,8}FILE:[\s*]{0,4}(\S.{0,400})$/.exec(line) ?? [];
    if (declared !== undefined) {
      const [only] = declared.matchAll(link);
      add(only === undefined ? declared : (only[2] ?? only[3]), true);
      continue;
    }
    for (const [, picture, wrapped, plain] of line.matchAll(link)) add(wrapped ?? plain, picture === '!');
    const unlinked = line.replace(link, ' ');
    for (const [, text] of unlinked.matchAll(quoted)) add(text, false);
    for (const word of unlinked.replace(quoted, ' ').split(between))
      if (word.length <= 300) add(word.replace(/[.:!?]+$/, ''), false);
  }
  const all = Array.from(named, ([path, declared]) => ({ path, declared }));
  return [...all.filter(({ declared }) => declared), ...all.filter(({ declared }) => !declared)].slice(
    0,
    mostNamed,
  );
}

/** undefined: no path of this machine. */
function pathIn(written: string): string | undefined {
  const bare = written
    .trim()
    .replace(/^(["'`*]{1,3})(.*)\1$/, '$2')
    .replace(/^file:\/\//, '');
  if (bare === '' || /^[a-z][a-z0-9+.-]*:/i.test(bare)) return undefined;
  const path = decoded(bare).replace(/^(?:\.\/)+/, '');
  // Its name stands in the bot's own words: none begins a line of its own there, or turns them round.
  return unsightly.test(path) ? undefined : path;
}

const unsightly = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/u;

const decoded = (path: string): string => {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (error instanceof URIError) return path;
    throw error;
  }
};

const secretName =
  /^(?:id_(?:rsa|dsa|ecdsa|ed25519)|(?:credentials?|secrets?|passwords?|mnemonics?|seed|wallet|keystore)(?:[._-].*)?|.*\.(?:env|pem|key|p12|pfx|jks|keystore|kdbx?|ppk|asc|gpg|age|sqlite3?|db|htpasswd|netrc)(?:\..*)?)$/i;

/** What is never sent by itself, whatever an answer says: hidden files and folders (`.env`, `.git`), keys, databases. */
export const isPrivatePath = (path: string): boolean =>
  path.split('/').some((name) => name.startsWith('.') || name === 'node_modules' || secretName.test(name));

/** Words of a wallet are looked for in so much: longer texts are read by nobody, and each word costs. */
const mostOfWords = 128 * 1024;

/**
 * Whether a file holds what its owner would not want to be sent by itself, whatever its name: what is kept out of messages as they
 * are stored, and money.
 */
export function holdsSecret(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  return (
    holdsWrittenKey(text) ||
    holdsAccessKey(text) ||
    moneySpans(text).length > 0 ||
    (text.length <= mostOfWords && holdsSecretKey(text))
  );
}
