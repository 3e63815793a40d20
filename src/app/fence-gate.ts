/*
 * Whether this bot may begin something (docs/design.md#one-bot-at-a-time): only while it knows that it is the one that is to
 * act. A relay's word for that lasts as long as the connection on which it came, and as long as this program has run on: one that
 * stood still (SIGSTOP, a closed lid, a machine that swaps) may have been taken over meanwhile, and its connections look alive.
 */
import { pause, untilAborted } from '@nostr-dm-agent/kit/abort';
import { backoffMs } from '@nostr-dm-agent/kit/backoff';
import { after, every } from '@nostr-dm-agent/kit/timers';
import type { Relay, RelayUrl } from '@nostr-dm-agent/nostr';
import type { Basics } from './basics.ts';
import { watchGaps } from './gap-watch.ts';

export type FenceGate = {
  /**
   * Whether something may be begun now. The clocks are looked at here, for no timer needs to have fired before. While it may not,
   * the relays are asked, and `onOpen` follows.
   */
  readonly isOpen: () => boolean;
  /**
   * The same for what nobody has just asked for (its time has come): no message proves that a relay can be heard, so one has to have
   * said so a moment ago. While none has, they are asked, and `onOpen` follows.
   */
  readonly isSure: () => boolean;
  /** {@link isSure}, asking first where that is needed. @throws the signal's reason */
  readonly sure: (signal: AbortSignal) => Promise<boolean>;
  /** Resolves once {@link isSure}. @throws the signal's reason */
  readonly untilSure: (signal: AbortSignal) => Promise<void>;
  /** Called whenever it has opened, and when a relay has said what `isSure` was in want of; not at once. */
  readonly onOpen: (listener: () => void) => void;
};

/** When a relay was asked for the claims that it keeps. */
export type Asked = { readonly gaps: number; readonly at: number };

/** A relay has told all the claims that it keeps. `connection` undefined: the one on which it did is gone. */
export type Word = {
  readonly relay: RelayUrl;
  readonly connection: number | undefined;
  readonly asked: Asked;
};

/** Those who find out open and close it. */
export type FenceKeeper = FenceGate & {
  /** To be called when a relay is asked, and handed back with its word: one from before a gap counts for nothing. */
  readonly asking: () => Asked;
  readonly hear: (words: readonly Word[]) => void;
  /** This bot has found out what it is at its start. Before that nothing opens. */
  readonly stand: () => void;
  /** For good. */
  readonly close: () => void;
};

const beatMs = 1_000;
/** Taking over takes longer than that. */
const gapMs = 3_000;
/** A relay's word is fresh for so long. */
const freshMs = 10_000;
const retry = { baseMs: 1_000, maxMs: 30_000 };

/** Tells the connections of a relay apart; undefined while there is none. */
export const connectionOf = (relay: Pick<Relay, 'status'>): number | undefined => {
  const { state, since } = relay.status();
  return state === 'open' ? since : undefined;
};

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one state, whose parts change the same few variables
export function createFenceGate(
  parts: {
    readonly relays: readonly Pick<Relay, 'url' | 'status'>[];
    /** Asks them all for claims, and has what they say heard. */
    readonly look: () => Promise<void>;
    /** Milliseconds; by default of a clock that no one sets, but that may stand still while the machine sleeps. */
    readonly monotonic?: () => number;
  },
  { clock, random, log, stopping }: Pick<Basics, 'clock' | 'random' | 'log' | 'stopping'>,
): FenceKeeper {
  const { relays, monotonic = () => performance.now() } = parts;
  const timer = { name: 'the fence', log, signal: stopping };
  const listeners: (() => void)[] = [];
  let opening = Promise.withResolvers<void>();
  /** On which connection each has told what it keeps. */
  const said = new Map<RelayUrl, number>();
  let freshAt = Number.NEGATIVE_INFINITY;
  let gaps = 0;
  let stands = false;
  let closed = false;
  /** A fresh word is waited for. */
  let wanted = false;
  let inHand: Promise<void> | undefined;
  let reopening = false;

  const gapSince = watchGaps(clock, monotonic, gapMs);
  const beat = (): void => {
    const ms = gapSince();
    if (ms === undefined) return;
    gaps += 1;
    said.clear();
    freshAt = Number.NEGATIVE_INFINITY;
    log.info({ ms }, 'this program stood still; relays are asked whether it is still the one to act');
    void reopen();
  };
  const hasSaid = (relay: Pick<Relay, 'url' | 'status'>): boolean => {
    const connection = connectionOf(relay);
    return connection !== undefined && said.get(relay.url) === connection;
  };
  const isKnown = (): boolean => stands && !closed && relays.some(hasSaid);
  const isFresh = (): boolean => isKnown() && monotonic() - freshAt <= freshMs;

  const look = (): Promise<void> => {
    inHand ??= parts
      .look()
      .catch((error: unknown) => {
        if (!stopping.aborted) log.warn({ error }, 'relays could not be asked who is to act');
      })
      .finally(() => {
        inHand = undefined;
      });
    return inHand;
  };
  const reopen = async (): Promise<void> => {
    if (reopening || !stands) return;
    reopening = true;
    for (let attempt = 0; !closed && !stopping.aborted; attempt += 1) {
      if (isKnown() && !wanted) break;
      await look();
      if (isKnown() && !wanted) break;
      if (attempt === 3)
        log.warn({}, 'no relay tells whether this bot is still the one to act; what is to be begun waits');
      await pause(backoffMs(attempt, retry, random), stopping);
    }
    reopening = false;
  };
  const tell = (): void => {
    wanted = false;
    opening.resolve();
    opening = Promise.withResolvers();
    // Each looks again for itself: there may be a gap before it does.
    for (const listener of listeners) after(0, timer, listener);
  };

  every(beatMs, timer, beat);
  const isOpen = (): boolean => {
    beat();
    if (!isKnown()) void reopen();
    return isKnown();
  };
  const isSure = (): boolean => {
    beat();
    if (isFresh()) return true;
    wanted = true;
    void reopen();
    return false;
  };
  return {
    isOpen,
    isSure,
    sure: async (signal) => {
      if (isSure()) return true;
      if (!stands || closed) return false;
      await untilAborted(look(), signal);
      beat();
      return isFresh();
    },
    untilSure: async (signal) => {
      while (!isSure()) await untilAborted(opening.promise, signal);
    },
    onOpen: (listener) => void listeners.push(listener),
    asking: () => {
      beat();
      return { gaps, at: monotonic() };
    },
    hear: (words) => {
      beat();
      const before = isKnown();
      for (const { relay, connection, asked } of words) {
        if (connection === undefined || asked.gaps !== gaps) continue;
        said.set(relay, connection);
        freshAt = Math.max(freshAt, asked.at);
      }
      if (isKnown() && (!before || (wanted && isFresh()))) tell();
    },
    stand: () => {
      stands = true;
      if (isKnown()) tell();
    },
    close: () => {
      closed = true;
    },
  };
}
