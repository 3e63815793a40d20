import { redacted, withoutSecretShapes } from '@nostr-dm-agent/kit/log';

/** `name=value` and `"name": "value"` where the name says that the value is secret. */
const named = /((?:api[_-]?key|token|secret|password|authorization)["']?\s*[:=]\s*["']?)[^\s"',}]{8,}/gi;
const ansi = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[ -/]*[@-~]`, 'g');

/** The text with everything that looks like a key, a token or a credential replaced. */
const withoutSecrets = (text: string): string => withoutSecretShapes(text).replace(named, `$1${redacted}`);

/** Replaces these exact secrets, which may have no shape: an agent can print its own environment. */
export const coverSecrets = (values: Iterable<string>): ((text: string) => string) => {
  const known = [...values].filter((value) => value.length >= 8);
  return (text) => known.reduce((rest, value) => rest.replaceAll(value, redacted), text);
};

/** One line for a person: no escape sequences, no control characters, no secrets, at most `limit` characters. */
export const toDetail = (text: string, limit = 300): string => {
  const line = Array.from(withoutSecrets(text.slice(0, 20_000).replace(ansi, '')), (character) =>
    character < ' ' || (character >= '\u007f' && character <= '\u009f') ? ' ' : character,
  )
    .join('')
    .replace(/ {2,}/g, ' ')
    .trim();
  return line.length <= limit ? line : `${line.slice(0, limit - 1).trimEnd()}…`;
};
