import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { Shares } from '../../money/shares.ts';
import { type Call, RefusalError } from '../command.ts';

/**
 * Where shares are kept apart, what other owners brought in is not for an admin to send away. Asked when they are given
 * a code, and again when they send it: several codes may wait for the same money.
 * @throws RefusalError
 */
export function requireOwn(shares: Shares, { owner }: Pick<Call, 'owner'>, amount: Sat): void {
  const available = shares.of(owner.publicKey)?.available;
  if (available === undefined || amount <= available) return;
  throw new RefusalError(
    `Yours to spend: ${formatSat(available)}. The rest was brought in by other owners, and BOT_ACCOUNTS=separate keeps it for them. Whoever runs the bot can send it on the host: bun run wallet.`,
  );
}
