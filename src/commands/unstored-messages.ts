import { isBusy } from '@nostr-dm-agent/kit/sqlite';
import type { InboundMessage, Outbox, PublicKey } from '@nostr-dm-agent/nostr';
import { unstoredText } from '../replies/refusal-replies.ts';

/** How often somebody is told while it lasts. */
const EVERY_MS = 10 * 60_000;

/**
 * Tells whoever wrote that nothing can be stored, so that nothing is done yet: a full disk is no reason for silence. The
 * relays keep the message and are asked for it again.
 */
export function createUnstoredMessages(deps: {
  readonly outbox: Pick<Outbox, 'sendUnstored'>;
  readonly isOwner: (author: PublicKey) => boolean;
  readonly monotonic: () => number;
  readonly signal: AbortSignal;
}) {
  const told = new Map<PublicKey, number>();
  return (message: InboundMessage, error: unknown): void => {
    // For a moment: it is stored when the other program is done.
    if (isBusy(error)) return;
    const { sender, protocol, relay } = message;
    const now = deps.monotonic();
    if (!deps.isOwner(sender) || now - (told.get(sender) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) return;
    told.set(sender, now);
    const to = { publicKey: sender, protocol, fallbackRelays: [relay] };
    deps.outbox.sendUnstored(to, unstoredText(isFull(error)), deps.signal);
  };
}

/** SQLITE_FULL, ENOSPC. */
const isFull = (error: unknown): boolean =>
  error instanceof Error && /disk is full|disk full|ENOSPC|no space left/i.test(error.message);
