import type { ForeignUse, InstanceClaim } from '@nostr-dm-agent/nostr';
import type { TakenOver } from '../app/one-bot.ts';
import { lines } from './format.ts';

/** Somebody else uses the bot's key. */
export function secondBotText(use: ForeignUse): string {
  const what =
    use === 'instance'
      ? 'Another bot is running with my key.'
      : 'Something was written under my key that I did not write.';
  return `${what} If that is a second copy of me, stop one of the two: both do every task, and both are paid. If it is not yours, somebody has my key: stop me, make a new one with setup, and move the money.`;
}

/** This bot stops, for another one is to act. @param host where this one is */
export function fencedText({ host, at }: InstanceClaim, here: string): string {
  return lines(
    `I stop here on ${here}: another copy of me took over at ${time(at)}, on ${host}. It answers you from now on; I take no message and touch no money any more.`,
    `If it is this one that is to go on: nostr-dm-agent start --take-over, on ${here}. If the other one is not yours, somebody has my key: stop me, make a new one with setup, and move the money.`,
  );
}

/** This bot has become the one that acts. */
export function takenOverText({ reason, from, kept }: TakenOver): string {
  const why = {
    restored: 'I was put back from a backup',
    told: 'I was told to take over',
    moved: 'I am on another machine than before',
  }[reason];
  return lines(
    `${why}. What was said before is listed and not acted on, the queue of then is not run, and the mints are asked what was done since.`,
    kept && from && `The one on ${from.host} stops when it hears of it.`,
    !kept &&
      `No relay of mine keeps the word that says so, so no other copy of me stops by itself${from ? ` (the last one that is known was on ${from.host})` : ''}: make sure that none is running. Two of me do each task twice.`,
    from &&
      'What the other one alone knows (tokens that nobody has claimed, runs under way there) stays in its wallet.',
  );
}

const time = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
