import { shorten } from './format.ts';

export const emptyMessage = 'That message was empty. Send a task, or !help.';

/** Thanks, a heart, good night. */
export const courtesyReply = '🙂 I’m here. Send a task whenever you like, or !help.';

/** A Nostr secret key, the words of a wallet. */
export const secretReply =
  'Your message holds a secret key, so nothing was done with it: no agent saw it, and I have not kept it. Delete the message in your client, too. If it was a task, send it again without the key.';

/** Of the words beside a token or an invoice. */
export const besideMoneyNote = (words: string): string =>
  `A message that holds money is never shown to an agent, so the rest of it was not read as a task: “${shorten(words, 120)}”. If it is one, send it alone.`;

/** Of the lines below a command that belong to none. */
export const unreadNote = (lines: string): string =>
  `Only the command was read, not this: “${shorten(lines, 120)}”. If it is a task, send it alone.`;

/** A bare yes or no. @param waiting whether a code of theirs waits */
export function nothingToAnswer(answer: 'yes' | 'no', waiting: boolean): string {
  if (waiting) {
    return answer === 'yes'
      ? 'To confirm, send the four digits of the code.'
      : 'Nothing was paid. The code runs out by itself; you need not do anything.';
  }
  return `Nothing waits for a ${answer}. If it is for the agent, say it in a sentence: “${answer === 'yes' ? 'Yes, go on.' : 'No, leave it as it is.'}”`;
}

/** Of a command that the end of the bot cut off, and that may have done what it was for. */
export const cutOffCommand = (quoted: string): string =>
  `The bot was restarted while it worked on “${quoted}”. Check what came of it, then send it again if you still want it.`;

export const noFiles = 'I can’t open files yet. Send the task as text, or a link to the file.';
