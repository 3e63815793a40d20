/** Where a sentence is read: how a command is written there, and who goes on with what is not finished. */
export type Place = {
  readonly command: (words: string) => string;
  /** A sentence. */
  readonly goingOn: string;
  /** A way, after a comma. */
  readonly addingMint: string;
};

export const chat: Place = {
  command: (words) => `!${words}`,
  goingOn: 'I keep asking and will tell you.',
  addingMint: 'or let an admin add the mint: !wallet mints add <url>',
};
