/** Stands under a reply that was longer than a phone can take. @param file the whole of it comes under this name */
export const restNotice = (characters: number, file?: string): string =>
  `… ${characters.toLocaleString('en-US')} more characters. ${
    file === undefined
      ? '!more lines sends the next part.'
      : `All of it comes as a file, ${file}; !more lines sends the next part as text.`
  }`;

export const noRest = 'Nothing is left: your last long reply was sent to its end.';

/** In place of what no message can carry. */
export const leftOut = (characters: number): string =>
  `[left out: ${characters.toLocaleString('en-US')} characters without a space]`;
