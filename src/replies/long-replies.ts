/** Stands under a reply that was longer than a phone can take. */
export const restNotice = (characters: number): string =>
  `… ${characters.toLocaleString('en-US')} more characters. !more lines sends the next part.`;

export const noRest = 'Nothing is left: your last long reply was sent to its end.';

/** In place of what no message can carry. */
export const leftOut = (characters: number): string =>
  `[left out: ${characters.toLocaleString('en-US')} characters without a space]`;
