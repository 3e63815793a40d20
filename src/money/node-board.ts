import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Relays, RelayUrl } from '@nostr-dm-agent/nostr';
import { parseRelayUrl } from '@nostr-dm-agent/nostr';
import { createNodeBoard, NODE_RELAYS, type NodeBoard, ROUTSTR_REVIEWER } from '@nostr-dm-agent/routstr';

export type RelayBoardOptions = {
  readonly relays: Relays;
  /** Asked beside the bot's own relays. Default: where Routstr's nodes announce themselves. */
  readonly sources?: readonly RelayUrl[] | undefined;
  /** Hex. Default: Routstr's own reviewer. */
  readonly reviewer?: string;
  readonly allowLoopback: boolean;
  readonly clock: Clock;
  readonly queryMs?: number;
};

/** Reads announcements and reviews of nodes from relays, which verify every signature. */
export function createRelayBoard(options: RelayBoardOptions): NodeBoard {
  const { relays, queryMs = 6_000 } = options;
  const others = options.sources ?? NODE_RELAYS.map(parseRelayUrl);
  const sources = [...new Set([...relays.own.map(({ url }) => url), ...others])];

  return createNodeBoard({
    query: async (filters, signal) => {
      const answers = await Promise.all(sources.map((url) => relays.ask(url, filters, queryMs, signal)));
      return answers.filter((events) => events !== undefined);
    },
    reviewer: options.reviewer ?? ROUTSTR_REVIEWER,
    allowLoopback: options.allowLoopback,
    clock: options.clock,
  });
}
