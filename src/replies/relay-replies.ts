import type { InboxService, RefusingRelay, RelayInformation } from '@nostr-dm-agent/nostr';
import { shorten } from './format.ts';

/** `2 of 3`: relays through which messages come. */
export const connectedCount = (relays: readonly InboxService[]): string =>
  `${relays.filter(({ served }) => served).length} of ${relays.length}`;

const longest = 160;

/** One line for each relay through which not everything comes, with the reason. */
export const relayTroubles = (relays: readonly InboxService[]): readonly string[] =>
  relays.flatMap(({ url, reason, withoutLegacy }) => {
    if (reason !== undefined) return [`  ${url}: ${shorten(reason, longest)}`];
    return withoutLegacy === undefined
      ? []
      : [`  ${url}: no old messages (NIP-04): ${shorten(withoutLegacy, longest)}`];
  });

/** One line for each relay that takes none of the bot's messages, with the reason. */
export const refusingLines = (relays: readonly RefusingRelay[]): readonly string[] =>
  relays.map(
    ({ url, said, times }) =>
      `Replies refused by ${url}${times > 1 ? ` (${times} times)` : ''}: ${shorten(said, longest)}`,
  );

/** Below that a relay takes less than one message of ours. */
const worthTelling = 16_384;

/** What a relay asks for that others do not; empty when there is nothing. */
export function relayLimits({ maxMessageLength, minPow, authRequired }: RelayInformation): string {
  const limits = [
    maxMessageLength !== undefined &&
      maxMessageLength < worthTelling &&
      `takes ${maxMessageLength.toLocaleString('en-US')} bytes at a time, so that replies come in smaller messages`,
    minPow > 0 && `wants ${minPow} bits of proof of work`,
    authRequired && 'wants to know who asks (AUTH)',
  ];
  return limits.filter((limit) => limit !== false).join(', ');
}
