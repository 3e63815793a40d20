import { plural } from './format.ts';

/** A task waits behind others of its session. */
export const queuedText = (ahead: number): string =>
  `Queued behind ${plural(ahead, 'task')} of this session. !queue shows them, !new begins another session.`;

/** What was meant as an answer may have become a task. */
export const yesOrNoFirst =
  'The agent still waits for your !yes or !no <why>. If this was your answer: !queue drop <n> takes it off the queue.';

/** Several came at once. */
export const queuedAllText = (count: number): string =>
  `Queued ${plural(count, 'task')}, one after the other. !queue shows them, !queue drop all takes them off, !stop all ends the running one too.`;

/** ❌ on a message whose task is over, or that was none. */
export const nothingToStop =
  'There is nothing to stop: that task is over, or it was none. !queue shows what runs.';

/** A client that answers by itself. @param quietMs how long it has to be quiet */
export const autoReplyText = (quietMs: number): string =>
  `Your app seems to answer each of my messages by itself, with the same words, and each answer would be a task. I don’t act on these words until they have not come for ${quietMs / 1000} seconds. Everything else works as always.`;
