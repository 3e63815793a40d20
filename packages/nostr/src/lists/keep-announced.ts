import { pause } from '@nostr-dm-agent/kit/abort';
import { backoffMs } from '@nostr-dm-agent/kit/backoff';
import { verifyEvent } from '../event.ts';
import type { NostrEvent } from '../nostr-types.ts';
import type { Relay } from '../relay/relay.ts';
import { type AnnounceOptions, announceUntilComplete } from './announce.ts';
import { wantedContent } from './announced-events.ts';

type KeepOptions = Parameters<typeof announceUntilComplete>[0] & {
  /** Between two announcements that were needed because something was replaced or lost. */
  readonly again?: { readonly baseMs: number; readonly maxMs: number };
};

const AGAIN = { baseMs: 30_000, maxMs: 6 * 60 * 60_000 };
/** Where nothing was noticed it is looked all the same: indexers are not listened to. */
const LOOK_MS = 6 * 60 * 60_000;
/** A quiet time after which the next failure is met as the first. */
const QUIET_MS = 24 * 60 * 60_000;

/**
 * Announces the bot and keeps it announced: the inbox list (kind 10050) and the relay list (10002) are listened to at the
 * own relays, and what was replaced by others or is gone is announced again, with growing pauses, for somebody may insist.
 * Never rejects; ends when the signal aborts.
 */
export async function keepAnnounced(options: KeepOptions, signal: AbortSignal): Promise<void> {
  const { log, random, again = AGAIN } = options;
  await announceUntilComplete(options, signal);
  let changed = Promise.withResolvers<string>();
  for (const relay of options.relays.own) watch(relay, options, (what) => changed.resolve(what), signal);
  for (let times = 0, last = performance.now(); !signal.aborted; ) {
    const ending = new AbortController();
    const look = pause(LOOK_MS, AbortSignal.any([signal, ending.signal])).then(() => undefined);
    const what = await Promise.race([changed.promise, look]);
    ending.abort();
    if (signal.aborted) return;
    if (what !== undefined) {
      if (performance.now() - last > QUIET_MS) times = 0;
      log.warn({ what }, 'the bot’s relay lists were replaced or lost; they are announced again');
      await pause(times === 0 ? 0 : backoffMs(times - 1, again, random), signal);
      [times, last] = [times + 1, performance.now()];
    }
    changed = Promise.withResolvers();
    await announceUntilComplete(options, signal);
  }
}

/** Tells when a relay holds another list than ours, or none. */
function watch(
  relay: Relay,
  { identity, relays, profile }: AnnounceOptions,
  tell: (what: string) => void,
  signal: AbortSignal,
): void {
  const kinds = [10050, 10002] as const;
  const ours = { own: relays.own.map(({ url }) => url), profile };
  const there = new Set<number>();
  const isOther = (event: NostrEvent) => {
    const kind = kinds.find((each) => each === event.kind);
    return kind !== undefined && wantedContent(kind, event, ours) !== 'as it is' && verifyEvent(event);
  };
  relay.subscribe(
    {
      lesser: true,
      filters: () => {
        there.clear();
        return [{ kinds: [...kinds], authors: [identity.publicKey] }];
      },
      onEvent: (event) => {
        there.add(event.kind);
        if (event.pubkey === identity.publicKey && isOther(event))
          tell(`kind ${event.kind} replaced at ${relay.url}`);
      },
      onEose: () => {
        const missing = kinds.filter((kind) => !there.has(kind));
        if (missing.length > 0) tell(`kind ${missing.join(', ')} lost at ${relay.url}`);
      },
    },
    signal,
  );
}
