import type { MessageLog, StoredMessage } from '@nostr-dm-agent/nostr';

/** Messages that come while nothing may be begun, or get there then: they stay stored, and are acted on later. */
export type HeldMessages = {
  /** In which none begins while nothing may: its last moment, for it may have waited for a file or for its twin. */
  readonly messages: MessageLog;
  /** Whether nothing may be begun now; then this message waits. */
  readonly hold: (message: StoredMessage) => boolean;
  /** Those that wait, in the order in which they were sent; they wait no more. */
  readonly release: () => readonly StoredMessage[];
};

export function holdMessages(log: MessageLog, mayBegin: () => boolean): HeldMessages {
  const held = new Set<number>();
  const mustWait = (seq: number): boolean => {
    if (mayBegin()) return false;
    held.add(seq);
    return true;
  };
  return {
    messages: { ...log, begin: (seq) => !mustWait(seq) && log.begin(seq) },
    hold: ({ seq }) => mustWait(seq),
    release: () => {
      if (held.size === 0) return [];
      const numbers = new Set(held);
      held.clear();
      return log.open().flatMap(({ state, ...message }) =>
        // What an earlier life had begun is none of these.
        state === 'received' && numbers.has(message.seq) ? [message] : [],
      );
    },
  };
}
