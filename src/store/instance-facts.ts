/* What a home knows of itself as one of perhaps several with the bot's key, in `meta` (docs/design.md#one-bot-at-a-time). */

/** It has to claim the key before it does anything: `restored`, `told` (by `start --take-over`), `moved` (another machine). */
export const claimDue = 'claim_due';
