import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import type { MessageLog, PublicKey, StoredMessage } from '@nostr-dm-agent/nostr';
import { isOlderThanHome } from '@nostr-dm-agent/nostr';
import { withoutSealed } from '../keys/keys-in-messages.ts';
import { formatAgo, formatDuration, lines, plural, shorten } from '../replies/format.ts';
import type { Messenger } from '../runs/messenger.ts';
import type { Meaning } from './meaning/meaning.ts';

/** Messages that came too late to be acted on, told to each owner in one message. */
export type MissedList = {
  readonly add: (message: StoredMessage) => void;
  /** Tells now instead of waiting for more, and nothing after that. */
  readonly close: () => void;
};

/** Phones' clocks differ, and relays and this program take some seconds. */
const SLACK_MS = 30_000;
/** What was written since the start has not been missed, unless it was under way for long. */
const UNDERWAY_MS = 60 * 60_000;

/**
 * Whether a message is too old to be acted on. What was written since the start may have waited in a phone without a
 * connection; so no time to catch up (`BOT_CATCHUP_HOURS=0`) means: nothing from before the start. Unix ms.
 */
export function isLate(
  { createdAt }: Pick<StoredMessage, 'createdAt'>,
  times: {
    readonly now: number;
    readonly upSince: number;
    readonly homeMadeAt: number;
    /** How much older than the home a message may be that is acted on; undefined: as clocks differ. */
    readonly graceMs?: number | undefined;
    readonly catchupMs: number;
  },
): boolean {
  const { now, upSince, homeMadeAt, catchupMs } = times;
  if (isOlderThanHome({ createdAt }, homeMadeAt, times.graceMs)) return true;
  const sentAt = createdAt * 1000;
  const wasUp = sentAt >= upSince - SLACK_MS;
  return now - sentAt > (wasUp ? Math.max(catchupMs, UNDERWAY_MS) : catchupMs);
}

/** On a phone; the newest are what is still wanted, if any. */
const MOST_LISTED = 12;
/** So many are waited for before their sender is told: of a flood each thousand is one message, and no more is kept in memory. */
const MOST_GATHERED = 1_000;

type Gathered = {
  /** The last ones by when they were written, in that order. */
  listed: StoredMessage[];
  /** Numbers of the others. */
  readonly older: number[];
  allOld: boolean;
};

const notListed = (older: readonly number[]): string =>
  `(${older.length} older ones are left out, of #${Math.min(...older)} to #${Math.max(...older)})`;

/** Only tasks are run by their number. */
function whatNow(listed: readonly { readonly seq: number; readonly isTask: boolean }[]): string {
  const task = listed.findLast(({ isTask }) => isTask);
  if (task === undefined) return 'Send again what you still want.';
  const run = `!retry ${task.seq} runs that task now.`;
  return listed.every(({ isTask }) => isTask) ? run : `${run} Send commands again.`;
}

/** A message stays `received` until it is told, so that none is lost without a word. */
export function createMissedList(deps: {
  readonly messages: Pick<MessageLog, 'miss'>;
  readonly messenger: Messenger;
  readonly meaningOf: (text: string) => Meaning;
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
  const waiting = new Map<PublicKey, Gathered>();
  let cancel: Cancel | undefined;

  const isOld = ({ createdAt }: StoredMessage) => clock.now() - createdAt * 1000 > deps.catchupMs;
  const whyMissed = ({ allOld }: Gathered): string => {
    if (deps.catchupMs > 0 && allOld) return `reached me more than ${formatDuration(deps.catchupMs)} late`;
    const since = deps.catchupMs > 0 ? 'was set up here' : 'started';
    return `reached me from before I ${since}, or long late`;
  };
  const gather = (message: StoredMessage): number => {
    const { sender } = message;
    const before = waiting.get(sender) ?? { listed: [], older: [], allOld: true };
    waiting.set(sender, before);
    before.allOld &&= isOld(message);
    before.listed = [...before.listed, message].toSorted(
      (a, b) => a.createdAt - b.createdAt || a.seq - b.seq,
    );
    if (before.listed.length > MOST_LISTED) {
      const [oldest] = before.listed.splice(0, 1);
      if (oldest !== undefined) before.older.push(oldest.seq);
    }
    return before.listed.length + before.older.length;
  };
  const tellOne = (gathered: Gathered) => {
    const { listed, older } = gathered;
    const last = listed.at(-1);
    if (last === undefined) return;
    const entries = listed.map(({ seq, createdAt, text }) => {
      const age = formatAgo(clock.now() - createdAt * 1000);
      return `#${seq} · ${age} · ${shorten(deps.redact(withoutSealed(text)), 80)}`;
    });
    deps.atomically(() => {
      for (const seq of [...older, ...listed.map((message) => message.seq)]) messages.miss(seq);
      messenger.send(
        { publicKey: last.sender, protocol: last.protocol, fallbackRelays: [last.relay] },
        lines(
          `${plural(older.length + listed.length, 'message')} ${whyMissed(gathered)}, so I did not act:`,
          older.length > 0 && notListed(older),
          entries,
          whatNow(listed.map(({ seq, text }) => ({ seq, isTask: deps.meaningOf(text).kind === 'task' }))),
        ),
      );
    });
  };
  /** Whoever can't be told now (another program holds the database) is told a little later, or at the next start. */
  const tell = () => {
    cancel?.();
    for (const [sender, list] of waiting) {
      try {
        tellOne(list);
        waiting.delete(sender);
      } catch (cause) {
        deps.log.error({ cause, sender }, 'missed messages could not be told');
        tellLater();
      }
    }
  };
  const tellLater = () => {
    cancel?.();
    cancel = after(deps.gatherMs, { name: 'missed messages', log: deps.log }, tell);
  };
  return {
    add: (message) => {
      // They may come for as long as somebody sends: not put off any further then.
      if (gather(message) % MOST_GATHERED === 0) tell();
      else tellLater();
    },
    close: () => {
      tell();
      cancel?.();
    },
  };
}
