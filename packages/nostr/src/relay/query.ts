import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { Filter, NostrEvent, RelayUrl } from '../nostr-types.ts';
import { RelayError } from './relay-error.ts';
import type { RelayRequests } from './requests.ts';

type AskOnceOptions = {
  readonly url: RelayUrl;
  readonly requests: RelayRequests;
  readonly filters: readonly Filter[];
  /** Events as they come, unchecked but for their shape. After a reconnect they come again from the beginning. */
  readonly onEvent: (event: NostrEvent) => void;
  /** Whether a CLOSED with this message is going to be followed by an AUTH and another `onReady`: then it's waited for. */
  readonly awaitsAuth: (message: string) => boolean;
  readonly downReason: () => string | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

/**
 * Sends one REQ, waits for its EOSE and closes it. Waits for a connection that isn't there, and asks again after a
 * reconnect, as long as the time allows.
 * @throws RelayError
 */
export async function askOnce(options: AskOnceOptions): Promise<void> {
  const { url, requests, signal } = options;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let closedMessage: string | undefined;
  const ask = () => {
    closedMessage = undefined;
    slot.ask(options.filters);
  };
  const slot = requests.open({
    onReady: ask,
    onDown: () => {},
    wants: () => true,
    onEvent: options.onEvent,
    onEose: resolve,
    onClosed: (message) => {
      closedMessage = message;
      if (!options.awaitsAuth(message)) reject(new RelayError(url, 'refused', message));
    },
  });
  const timer = setTimeout(() => {
    if (closedMessage !== undefined) reject(new RelayError(url, 'refused', closedMessage));
    else if (requests.isReady()) reject(new RelayError(url, 'timeout', 'no EOSE'));
    else reject(new RelayError(url, 'unreachable', options.downReason() ?? 'not connected yet'));
  }, options.timeoutMs);
  try {
    if (!signal.aborted) ask();
    await untilAborted(promise, signal);
  } catch (cause) {
    throw cause instanceof RelayError ? cause : new RelayError(url, 'aborted', '', { cause });
  } finally {
    clearTimeout(timer);
    slot.release();
  }
}
