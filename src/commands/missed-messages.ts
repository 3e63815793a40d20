import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { MessageLog, PublicKey, StoredMessage } from '@nostr-dm-agent/nostr';
import { withoutSealed } from '../keys/keys-in-messages.ts';
import { formatAgo, formatDuration, lines, plural, shorten } from '../replies/format.ts';
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
  readonly log: Logger;
}): MissedList {
  const { messages, messenger, clock } = deps;
  const waiting = new Map<PublicKey, StoredMessage[]>();
  let timer: Timer | undefined;

  const tellOne = (list: readonly StoredMessage[]) => {
    const last = list.at(-1);
    if (last === undefined) return;
    const entries = list.map(({ seq, createdAt, text }) => {
      const age = formatAgo(clock.now() - createdAt * 1000);
      return `#${seq} · ${age} · ${shorten(deps.redact(withoutSealed(text)), 100)}`;
    });
    deps.atomically(() => {
      for (const { seq } of list) messages.miss(seq);
      messenger.send(
        { publicKey: last.sender, protocol: last.protocol, fallbackRelays: [last.relay] },
        lines(
          `${plural(list.length, 'message')} reached me more than ${formatDuration(deps.catchupMs)} late, so I did not act:`,
          entries,
          `!retry ${last.seq} runs that task now. Send commands again.`,
        ),
      );
    });
  };
  /** Of a timer, so it must not throw. Whoever could not be told is told at the next start. */
  const tell = () => {
    clearTimeout(timer);
    for (const list of waiting.values()) {
      try {
        tellOne(list);
      } catch (cause) {
        deps.log.error({ cause, messages: list.length }, 'missed messages could not be told');
      }
    }
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
