import type { Logger } from '@nostr-dm-agent/kit/log';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import type { PublicKey, StoredMessage } from '@nostr-dm-agent/nostr';
import { queuedAllText, queuedText, yesOrNoFirst } from '../replies/queue-replies.ts';
import { type Messenger, replyTo } from '../runs/messenger.ts';

/** Says that tasks wait: one message for all that came at once. */
export type Acknowledgements = { readonly waits: (message: StoredMessage) => void };

/** How long more of them are waited for. That each waits is under it as a reaction at once. */
const GATHER_MS = 700;
/** While they still come it is put off, but not for ever. */
const LONGEST_MS = 5_000;

type Gathering = {
  readonly messages: readonly StoredMessage[];
  readonly since: number;
  readonly cancel: Cancel;
};

export function createAcknowledgements(deps: {
  readonly messenger: Messenger;
  /** Tasks of the same session before the one that a message asked for; undefined: it does not wait any more. */
  readonly aheadOf: (message: StoredMessage) => number | undefined;
  /** Whether the agent waits for this owner's yes or no. */
  readonly isAsked: (owner: PublicKey) => boolean;
  readonly log: Logger;
}): Acknowledgements {
  const gathered = new Map<PublicKey, Gathering>();
  const tell = (owner: PublicKey) => {
    const { messages = [] } = gathered.get(owner) ?? {};
    gathered.delete(owner);
    // What has begun, or was called off meanwhile, has said so itself.
    const waiting = messages.filter((message) => (deps.aheadOf(message) ?? 0) > 0);
    const last = waiting.at(-1);
    if (last === undefined) return;
    const text = waiting.length === 1 ? queuedText(deps.aheadOf(last) ?? 1) : queuedAllText(waiting.length);
    deps.messenger.send(replyTo(last), deps.isAsked(owner) ? `${text}\n${yesOrNoFirst}` : text);
  };
  return {
    waits: (message) => {
      const { sender } = message;
      const before = gathered.get(sender);
      before?.cancel();
      const since = before?.since ?? performance.now();
      const waitMs = Math.max(0, Math.min(GATHER_MS, since + LONGEST_MS - performance.now()));
      const cancel = after(waitMs, { name: 'acknowledging tasks', log: deps.log }, () => tell(sender));
      gathered.set(sender, { messages: [...(before?.messages ?? []), message], since, cancel });
    },
  };
}
