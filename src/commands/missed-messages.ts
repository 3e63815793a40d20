import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { MessageLog, PublicKey, StoredMessage } from '@nostr-dm-agent/nostr';
import { withoutSealed } from '../keys/keys-in-messages.ts';
import { formatAgo, formatDuration, plural, shorten } from '../replies/format.ts';
import type { Messenger } from '../runs/messenger.ts';

/** Messages that came too late to be acted on, told to each owner in one message. */
export type MissedList = {
  readonly add: (message: StoredMessage) => void;
  /** Tells now instead of waiting for more. */
  readonly tell: () => void;
};

/** A message stays `received` until it is told, so that none is lost without a word. */
export function createMissedList(deps: {
  readonly messages: Pick<MessageLog, 'miss'>;
  readonly messenger: Messenger;
  readonly atomically: (change: () => void) => void;
  /** Takes secrets out of what is quoted. */
  readonly redact: (text: string) => string;
  readonly catchupMs: number;
  /** How long more of them are waited for. */
  readonly gatherMs: number;
  readonly clock: Clock;
}): MissedList {
  const waiting = new Map<PublicKey, StoredMessage[]>();
  let timer: Timer | undefined;

  const tellOne = (list: readonly StoredMessage[]) => {
    const last = list.at(-1);
    if (last === undefined) return;
    const lines = list.map(({ seq, createdAt, text }) => {
      const age = formatAgo(deps.clock.now() - createdAt * 1000);
      return `#${seq} · ${age} · ${shorten(deps.redact(withoutSealed(text)), 100)}`;
    });
    const limit = formatDuration(deps.catchupMs);
    deps.atomically(() => {
      for (const { seq } of list) deps.messages.miss(seq);
      deps.messenger.send(
        { publicKey: last.sender, protocol: last.protocol, fallbackRelays: [last.relay] },
        [
          `${plural(list.length, 'message')} reached me more than ${limit} late, so I did not act:`,
          ...lines,
          `!retry ${last.seq} runs that task now. Send commands again.`,
        ].join('\n'),
      );
    });
  };
  const tell = () => {
    clearTimeout(timer);
    for (const list of waiting.values()) tellOne(list);
    waiting.clear();
  };
  return {
    add: (message) => {
      waiting.set(message.sender, [...(waiting.get(message.sender) ?? []), message]);
      clearTimeout(timer);
      timer = setTimeout(tell, deps.gatherMs);
    },
    tell,
  };
}
