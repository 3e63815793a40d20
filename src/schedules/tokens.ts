/** Words, numbers and marks of a text, each with where it stands. */
export type Token = {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** Nothing but white space, or nothing, is between it and the one before. */
  readonly spaced: boolean;
};

export function tokensOf(text: string): readonly Token[] {
  let end = 0;
  return [...text.matchAll(/\d+|\p{L}+|[^\s\d\p{L}]/gu)].map((match) => {
    const spaced = match.index > end || match.index === 0;
    end = match.index + match[0].length;
    return { text: match[0].toLowerCase(), start: match.index, end, spaced };
  });
}

/** What was read, and the token after it. */
export type Read<Value> = { readonly value: Value; readonly next: number } | undefined;
/** Reads from a token on. */
export type Reader<Value> = (tokens: readonly Token[], at: number) => Read<Value>;

/** One of these words; what it stands for. */
export const word =
  <Value>(words: Readonly<Record<string, Value>>): Reader<Value> =>
  (tokens, at) => {
    const text = tokens[at]?.text;
    if (text === undefined || !Object.hasOwn(words, text)) return undefined;
    const value = words[text];
    return value === undefined ? undefined : { value, next: at + 1 };
  };

/** Past any of these words, in any number. */
export const skip = (tokens: readonly Token[], at: number, words: readonly string[]): number => {
  let next = at;
  while (words.includes(tokens[next]?.text ?? '')) next += 1;
  return next;
};

/** A whole number of at most so many digits. */
export const numeral =
  (digits: number): Reader<number> =>
  (tokens, at) => {
    const text = tokens[at]?.text ?? '';
    return /^\d+$/.test(text) && text.length <= digits ? { value: Number(text), next: at + 1 } : undefined;
  };

/** One or several, with commas or words between them. */
export const list =
  <Value>(one: Reader<Value>, between: readonly string[]): Reader<readonly Value[]> =>
  (tokens, at) => {
    const first = one(tokens, at);
    if (first === undefined) return undefined;
    const values = [first.value];
    let { next } = first;
    for (;;) {
      const from = skip(tokens, next, between);
      const more = from === next ? undefined : one(tokens, from);
      if (more === undefined) return { value: values, next };
      values.push(more.value);
      next = more.next;
    }
  };
