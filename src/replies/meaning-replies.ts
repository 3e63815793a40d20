import { shorten } from './format.ts';

export const emptyMessage = 'That message was empty. Send a task, or !help.';

/** Thanks, a heart, good night. */
export const courtesyReply = '🙂 I’m here. Send a task whenever you like, or !help.';

/** Hello, or a try whether anybody is there. */
export const greetingReply =
  '🙂 Hello, I’m here. Send a task in a sentence, like “explain what this project does”, or !help.';

/** Wait, one moment. */
export const holdReply = 'I’m here whenever you are. If you mean the running task: !stop ends it.';

/** `1000 sats` and nothing else. */
export const amountReply =
  'What is the amount for? !wallet topup <sats> adds money, !more <sats> gives it to the running task, !provider budget <sats> sets the budget of each task.';

/** A key or a note of Nostr's and nothing else. */
export const referenceReply =
  'A Nostr address alone is no task: say in a sentence what is to be done with it. To let somebody use the bot: !owners add <npub>.';

/** `> …` and nothing below it. */
export const quoteReply = 'That message only quotes. Send what is to be done as text of its own.';

/** @param refersTo what it could have meant */
export function fragmentReply(text: string, refersTo: 'session' | 'last'): string {
  const because =
    refersTo === 'last'
      ? 'the agent has not just asked you anything'
      : 'nothing was said in this session yet';
  const number = /^\D?(\d{1,2})\D*$/.exec(text.trim())?.[1];
  const fromList = number === undefined ? '' : ` From a list: !model ${number}, !resume ${number}.`;
  return `I don’t know what “${shorten(text, 40)}” is about: ${because}.${fromList} Send a task in a sentence, or !help.`;
}

/** An API key or an access token in a sentence. */
export const accessKeyReply =
  'Your message holds an API key or access token, so nothing was done with it: no agent saw it, and I have not kept it. To pay a provider with it: !provider connect <provider> <key>. To give it to the agent all the same, begin the task with !agent.';

/** A Nostr secret key, the words of a wallet. */
export const secretReply =
  'Your message holds a secret key, so nothing was done with it: no agent saw it, and I have not kept it. Delete the message in your client, too. If it was a task, send it again without the key. The connection to your own wallet goes behind its command: !wallet autotopup.';

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
  return answer === 'yes'
    ? 'Nothing waits for a yes. If it is for the agent, say it in a sentence: “Yes, add the tests.”'
    : 'Nothing waits for a no. !stop ends the running task. If it is for the agent, say it in a sentence: “No, leave it as it is.”';
}

/** Of a command that the end of the bot cut off, and that may have done what it was for. */
export const cutOffCommand = (quoted: string): string =>
  `The bot was restarted while it worked on “${quoted}”. Check what came of it, then send it again if you still want it.`;
