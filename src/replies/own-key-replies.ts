import type { ForeignUse } from '@nostr-dm-agent/nostr';

/** Somebody else uses the bot's key. */
export function secondBotText(use: ForeignUse): string {
  const what =
    use === 'instance'
      ? 'Another bot is running with my key.'
      : 'Something was written under my key that I did not write.';
  return `${what} If that is a second copy of me, stop one of the two: both do every task, and both are paid. If it is not yours, somebody has my key: stop me, make a new one with setup, and move the money.`;
}
