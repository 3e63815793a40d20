import type { NostrEvent } from '../nostr-types.ts';
import { rewrapWithWork } from '../wrap/gift-wrap.ts';
import { MOST_POW_BITS } from '../wrap/proof-of-work.ts';
import type { StoredOutgoing } from './outbox-store.ts';

/** A message as a relay takes it that asks for proof of work (NIP-13), or why there is none. */
export type WorkedEvent = { readonly event: NostrEvent } | { readonly why: string };

/** Works on one message after the other, each once, however many relays and attempts ask for it. */
export type Workshop = (message: StoredOutgoing, bits: number, signal: AbortSignal) => Promise<WorkedEvent>;

const LONGEST_MS = 60_000;
const KEPT = 64;

export function createWorkshop(): Workshop {
  const done = new Map<string, Promise<WorkedEvent>>();
  let last: Promise<unknown> = Promise.resolve();

  const work = async ({ seal, recipient, event }: StoredOutgoing, bits: number, signal: AbortSignal) => {
    if (bits > MOST_POW_BITS) {
      return { why: `wants ${bits} bits of proof of work, and more than ${MOST_POW_BITS} take me too long` };
    }
    if (seal === undefined) return { why: `wants proof of work, which I add to NIP-17 messages only` };
    const limited = AbortSignal.any([signal, AbortSignal.timeout(LONGEST_MS)]);
    const found = await rewrapWithWork(seal, event.created_at, bits, { to: recipient, signal: limited });
    return found === undefined
      ? { why: `wants ${bits} bits of proof of work, which took too long` }
      : { event: found };
  };
  return (message, bits, signal) => {
    const key = `${message.messageId} ${bits}`;
    const known = done.get(key);
    if (known !== undefined) return known;
    const result = last.then(() => work(message, bits, signal));
    last = result;
    done.set(key, result);
    const [oldest] = done.keys();
    if (done.size > KEPT && oldest !== undefined) done.delete(oldest);
    return result;
  };
}
