import type { InstanceClaim } from '@nostr-dm-agent/nostr';

/** Another one has claimed the bot's key since: this one does nothing any more. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
  readonly claim: InstanceClaim;
  constructor(claim: InstanceClaim) {
    super(`another bot with this key has taken over (${claim.host}, ${new Date(claim.at).toISOString()})`);
    this.claim = claim;
  }
}
